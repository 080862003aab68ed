"""Clips that flags name, and the same again from a manifest."""

import numpy as np
import pytest
from absl.testing import flagsaver

from inr_jax import audio
from inr_jax.cli.flags import datasets
from inr_jax.errors import InputError
from inr_jax.evaluation import manifest
from inr_jax.evaluation.store import Store


@pytest.fixture
def pairs(tmp_path):
    """A folder of two pairs and the manifest of an evaluation of them."""
    rng = np.random.default_rng(0)
    for part in ("clean", "noisy"):
        for name in "ab":
            samples = 0.1 * rng.standard_normal(160)
            audio.write(tmp_path / part / f"{name}.wav", samples, 16_000)
    with flagsaver.flagsaver(pairs_dir=str(tmp_path)):
        manifest.write(Store(tmp_path), datasets.source(), datasets.settings())
    return tmp_path


def test_a_manifest_of_pairs_lists_both_sides(pairs):
    path = str(pairs / "manifest.json")
    with flagsaver.flagsaver(manifest=path, pairs_dir=str(pairs)):
        assert [clip.name for clip in datasets.source().clips] == ["a", "b"]
        audio.write(pairs / "noisy" / "b.wav", np.zeros(160), 16_000)
        with pytest.raises(InputError, match=r"noisy/b\.wav: not the file that"):
            datasets.source()
        (pairs / "clean" / "a.wav").unlink()
        with pytest.raises(InputError, match="has no clip a, which"):
            datasets.source()
    with (
        flagsaver.flagsaver(manifest=path),
        pytest.raises(InputError, match="lists pairs; give --pairs_dir too"),
    ):
        datasets.source()


@pytest.mark.parametrize("given", [{}, {"clean_dir": "a", "pairs_dir": "b"}])
def test_one_source_must_be_named(given):
    with (
        flagsaver.flagsaver(**given),
        pytest.raises(InputError, match="^give one of --clean"),
    ):
        datasets.source()
