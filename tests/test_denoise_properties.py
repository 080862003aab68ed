"""What holds for sound of any shape, rate and length: drawn, not chosen."""

import hypothesis
import numpy as np
import pytest
from absl import logging
from hypothesis import strategies as st

import inr_jax
from inr_jax import audio, metrics
from inr_jax.enhancement import api, classical, driver

SEEDS = st.integers(0, 99)
drawn = hypothesis.settings(deadline=None, max_examples=40, derandomize=True)


def noise(shape, seed):
    return 0.1 * np.random.default_rng(seed).standard_normal(shape)


@drawn
@hypothesis.given(
    rate=st.integers(audio.LOWEST_RATE, 192_000),
    seed=SEEDS,
    length=st.integers(1, 4000),
    channels=st.none() | st.integers(1, 4),
    kind=st.sampled_from([np.float32, np.float64, np.int16]),
    method=st.sampled_from(["wiener", "log_mmse"]),
)
def test_shape_and_level_are_kept(rate, seed, length, channels, kind, method):
    """Noise is let through or taken away, never made louder."""
    shape = (length,) if channels is None else (length, channels)
    noisy = noise(shape, seed)
    given = (noisy * 2**15).astype(kind) if kind is np.int16 else noisy.astype(kind)
    found = inr_jax.denoise(given, rate, method)
    assert found.shape == shape and found.dtype == np.float32
    assert np.all(np.isfinite(found))
    assert np.sum(found**2) <= 1.01 * np.sum(noisy**2) + 1e-6


@drawn
@hypothesis.given(
    rate=st.integers(4000, 192_000),  # below, a frame has hardly any bins
    seed=SEEDS,
    seconds=st.floats(0.3, 1),
    level=st.floats(-60, 20),
    method=st.sampled_from(["wiener", "log_mmse"]),
)
def test_what_is_kept_has_its_level_and_place(rate, seed, seconds, level, method):
    """A tone in a little white noise, at any level."""
    count = max(16 * classical.window_of(rate), round(seconds * rate))
    scale = 10 ** (level / 20)
    clean = np.sin(0.15 * np.pi * np.arange(count) * (1 + 0.2 / count))
    noisy = scale * (clean + 0.1 * noise(count, seed))
    found = inr_jax.denoise(noisy, rate, method, noise_estimator="white") / scale
    assert np.dot(found, clean) / np.dot(clean, clean) == pytest.approx(1, abs=0.1)
    assert np.dot(found, clean) > np.dot(found[1:], clean[:-1])
    assert np.dot(found, clean) > np.dot(found[:-1], clean[1:])
    assert metrics.snr(clean, found, rate) > 12


@pytest.mark.parametrize("finer", [1, 3])
def test_what_is_not_finite_never_leaves(finer, monkeypatch):
    """The noisy channel stands for it, as long as the estimate, and a line says so."""
    said = []
    monkeypatch.setattr(
        logging, "warning", lambda text, *args: said.append(text % args)
    )
    noisy = np.sin(0.1 * np.arange(900))[:, None] * [1, 0.5]
    recording = audio.Recording(np.float32(noisy), 16_000, name="a.wav")

    def run(windows, size, on_windows):
        (window,) = windows
        estimate = np.repeat(0.1 * window.samples, finer)
        is_second = window.samples[1] < 0.08
        estimate[7] = np.nan if is_second else estimate[7]
        yield driver.Result(0, estimate)

    broken = driver.Denoiser(run, upsample=finer, output_rate=finer * 16_000)
    (estimate,) = api.denoise_recordings(broken, [recording], [0])
    found = estimate.samples
    first, second = recording.samples.T
    np.testing.assert_array_equal(found[:, 0], np.repeat(0.1 * first, finer))
    assert len(found) == 900 * finer
    middle = slice(50, -50)  # what resampling does to the ends does not matter
    np.testing.assert_allclose(found[::finer, 1][middle], second[middle], atol=1e-3)
    assert said == ["a.wav: the estimate of channel 1 is not finite; it stays noisy"]
