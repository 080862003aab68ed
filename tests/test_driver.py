"""Interrupted fits resume, to the same result."""

import dataclasses
import itertools
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from inr_jax.configs.fitting import FitConfig, SirenConfig
from inr_jax.fitting import driver
from inr_jax.fitting.batch import fit_batch
from inr_jax.io import checkpoints

CONFIG = FitConfig(
    SirenConfig(width=16, depth=1, first_omega=100.0),
    learning_rate=1e-3,
    schedule="cosine",
    num_steps=47,
)


class Cut(Exception):
    pass


@pytest.fixture(autouse=True)
def save_at_every_chance(monkeypatch):
    monkeypatch.setattr(driver, "SAVE_EVERY_S", 0.0)


def tones(count):
    pitches = np.linspace(0.1, 0.3, count)[:, None]
    return list(np.sin(pitches * np.arange(900)).astype(np.float32))


def fit_all(config=CONFIG, positions=range(3), **options):
    keys, signals = jax.random.split(jax.random.key(0), 3), tones(3)
    chosen = [keys[i] for i in positions], [signals[i] for i in positions]
    fits = dict(fit_batch(*chosen, [16_000] * len(positions), config, **options))
    return {position: fits[i] for i, position in enumerate(positions)}


def cut_after(calls, config=CONFIG, **options):
    """Fits until progress was reported so many times."""
    counted = []

    def on_steps(clip_steps):
        counted.append(clip_steps)
        if len(counted) == calls:
            raise Cut

    with pytest.raises(Cut):
        fit_all(config, on_steps=on_steps, **options)


@pytest.mark.slow
@pytest.mark.parametrize("segment_s", [None, 0.03])
def test_resumed_equals_uninterrupted(tmp_path, segment_s):
    """To the last bit; only the steps that were not saved are done again."""
    config = dataclasses.replace(CONFIG, segment_s=segment_s)
    whole = fit_all(config)
    cut_after(4, config, checkpoint_dir=tmp_path / "fits")
    counted = []
    found = fit_all(config, on_steps=counted.append, checkpoint_dir=tmp_path / "fits")
    assert counted[0] == pytest.approx(3 * 30)  # of reports 1 to 4 only 3 were saved
    assert sum(counted) == pytest.approx(3 * 47)
    jax.tree.map(np.testing.assert_array_equal, found, whole)
    assert not (tmp_path / "fits").exists()


@pytest.mark.slow
def test_a_resumed_fit_took_the_time_of_both_runs(tmp_path, monkeypatch):
    """By a clock on which nothing but the first run takes time: an hour a chunk."""
    hours = itertools.count()
    monkeypatch.setattr(
        driver, "time", SimpleNamespace(monotonic=lambda: 3600.0 * next(hours))
    )
    cut_after(4, checkpoint_dir=tmp_path / "fits")
    monkeypatch.setattr(driver, "time", SimpleNamespace(monotonic=lambda: 1e9))
    found = fit_all(checkpoint_dir=tmp_path / "fits")
    assert all(fit.work_s >= 3600 for fit in found.values())


@pytest.mark.slow
def test_clips_that_are_left_go_on_beside_new_company(tmp_path):
    whole = fit_all()
    cut_after(4, checkpoint_dir=tmp_path, positions=[0, 2])
    counted = []
    found = fit_all(checkpoint_dir=tmp_path, positions=[1, 2], on_steps=counted.append)
    assert counted[0] == 30  # of clip 2 alone
    for i in (1, 2):
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5),
            found[i],
            whole[i],
        )


@pytest.mark.slow
@pytest.mark.parametrize(
    "change", [{"learning_rate": 2e-3}, {"siren": SirenConfig(8, 1, 100.0)}]
)
def test_other_settings_start_anew(tmp_path, change):
    cut_after(4, checkpoint_dir=tmp_path)
    other = dataclasses.replace(CONFIG, **change)
    found = fit_all(other, checkpoint_dir=tmp_path)
    jax.tree.map(np.testing.assert_array_equal, found, fit_all(other))


@pytest.mark.slow
def test_fits_of_an_older_version_start_anew(tmp_path):
    old = checkpoints.Checkpoints(tmp_path)
    described = {"config": repr(CONFIG), "names": ["a"], "steps": [10]}
    old.save(3, ({"kernel": np.zeros((1, 2))}, np.zeros((1, 47))), described)
    found = fit_all(checkpoint_dir=tmp_path)
    jax.tree.map(np.testing.assert_array_equal, found, fit_all())
    assert not tmp_path.exists()


def test_checkpoints_keep_the_newest_and_see_no_half_one(tmp_path):
    kept = checkpoints.Checkpoints(tmp_path / "kept", keep=2)
    assert kept.steps() == []
    for step in (1, 2, 10):
        kept.save(step, {"weights": np.full(3, step)}, {"note": step})
    (tmp_path / "kept" / "11.orbax-checkpoint-tmp").mkdir()
    again = checkpoints.Checkpoints(tmp_path / "kept", keep=2)
    assert again.steps() == [2, 10] and again.metadata(10) == {"note": 10}
    found = again.load(10, {"weights": np.zeros(3, int)})
    np.testing.assert_array_equal(found["weights"], 10)
    again.remove()
    assert again.steps() == []
