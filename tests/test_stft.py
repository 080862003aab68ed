import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal

from inr_jax.dsp import stft


def noise(num_samples):
    return np.random.default_rng(0).standard_normal(num_samples).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("namespace", [np, jnp])
@pytest.mark.parametrize("num_samples", [1, 127, 128, 5001])
@pytest.mark.parametrize(
    "window, hop", [(stft.sqrt_hann(512), 128), (stft.sine_window(512), 256)]
)
def test_an_unchanged_spectrum_gives_the_signal_back(
    namespace, num_samples, window, hop
):
    signal = namespace.asarray(noise(num_samples))
    spectrum = stft.stft(signal, window, hop)
    assert spectrum.shape == (stft.num_frames(num_samples, 512, hop), 257)
    found = stft.istft(spectrum, window, hop, num_samples)
    assert type(found) is type(signal) and found.dtype == np.float32
    np.testing.assert_allclose(found, signal, atol=2e-6)


@pytest.mark.parametrize("size, hop", [(8, 2), (8, 4), (8, 8)])
@pytest.mark.parametrize("rest", [(), (3,)])
def test_frames_and_their_sum(size, hop, rest):
    signal = np.arange(30 * (3 if rest else 1)).reshape(30, *rest)
    frames = stft.frame(signal, size, hop)
    starts = range(0, 30 - size + 1, hop)
    np.testing.assert_array_equal(frames, [signal[i : i + size] for i in starts])
    expected = np.zeros((starts[-1] + size, *rest))
    for start, one in zip(starts, frames, strict=True):
        expected[start : start + size] += one
    np.testing.assert_array_equal(stft.overlap_add(frames, hop), expected)


def test_equals_scipy():
    """Frame k of ours ends with sample 128 (k + 1) - 1."""
    signal = noise(4096)
    window = np.sqrt(scipy.signal.get_window("hann", 512))
    _, _, expected = scipy.signal.stft(
        signal, window=window, nperseg=512, noverlap=384, boundary=None, padded=False
    )
    found = stft.stft(signal, stft.sqrt_hann(512), 128)[3 : 3 + expected.shape[1]]
    scale = window.sum() / np.sqrt(np.sum(window**2))
    np.testing.assert_allclose(found.T, expected * scale, atol=1e-4)


def test_power_of_white_noise_is_its_variance():
    power = np.abs(stft.stft(noise(200_000) * 3, stft.sqrt_hann(512), 128)) ** 2
    np.testing.assert_allclose(power[4:-4].mean(), 9, rtol=0.02)
    np.testing.assert_allclose(power[4:-4].mean(axis=0), 9, rtol=0.2)


def test_bins_two_apart_and_frames_four_apart_share_no_noise():
    """What the gain field rests on; neighbours share more than half."""
    found = stft.stft(noise(400_000), stft.sqrt_hann(512), 128)[4:-4, 1:-1]

    def correlation(frames, bins):
        a = found[: len(found) - frames, : found.shape[1] - bins]
        b = found[frames:, bins:]
        return np.abs(np.mean(a * b.conj(), axis=0)).mean()

    assert correlation(0, 1) > 0.4 and correlation(1, 0) > 0.5
    assert correlation(0, 2) < 0.03 and correlation(4, 0) < 0.03
    assert correlation(6, 2) < 0.03
