import numpy as np
import pytest

from inr_jax.dsp import overlap_add


@pytest.mark.parametrize("num_samples", [1, 2, 511, 512, 513, 1000, 7777])
@pytest.mark.parametrize("length", [2, 9, 512])
def test_what_was_cut_joins_to_itself(num_samples, length):
    signal = np.random.default_rng(0).standard_normal(num_samples)
    parts = overlap_add.split_overlapping(signal, length)
    assert all(len(p) == min(length, num_samples) for p in parts)
    joined = overlap_add.crossfade(parts, num_samples, length)
    np.testing.assert_allclose(joined, signal, rtol=1e-6)


def test_segments_overlap_by_an_eighth():
    starts = overlap_add.segment_starts(10_000, 800)
    assert set(np.diff(starts)[:-1]) == {700} and starts[-1] == 10_000 - 800


def test_a_step_between_segments_is_faded():
    """Levels 0 and 1 meet in a ramp of an eighth of a segment."""
    parts = [np.zeros(800), np.ones(800)]
    joined = overlap_add.crossfade(parts, 1500, 800)
    assert (joined[:700] == 0).all() and (joined[800:] == 1).all()
    np.testing.assert_allclose(np.diff(joined[700:800]), 0.01, atol=1e-6)
