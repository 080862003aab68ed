import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal

from inr_jax.dsp import stft


def noise(num_samples):
    return np.random.default_rng(0).standard_normal(num_samples).astype(np.float32)


@pytest.mark.parametrize("namespace", [np, jnp])
@pytest.mark.parametrize("num_samples", [1, 127, 128, 5001])
def test_comes_back(namespace, num_samples):
    signal = namespace.asarray(noise(num_samples))
    spectrum = stft.analyse(signal, 512)
    assert spectrum.shape == (stft.num_frames(num_samples, 512), 257)
    back = stft.synthesise(spectrum, num_samples)
    np.testing.assert_allclose(back, signal, atol=2e-6)


def test_equals_scipy():
    """Frame k of ours ends with sample 128 (k + 1) - 1."""
    signal = noise(4096)
    window = np.sqrt(scipy.signal.get_window("hann", 512))
    _, _, expected = scipy.signal.stft(
        signal, window=window, nperseg=512, noverlap=384, boundary=None, padded=False
    )
    found = stft.analyse(signal, 512)[3 : 3 + expected.shape[1]]
    scale = window.sum() / np.sqrt(np.sum(window**2))
    np.testing.assert_allclose(found.T, expected * scale, atol=1e-4)


def test_power_of_white_noise_is_its_variance():
    power = np.abs(stft.analyse(noise(200_000) * 3, 512)) ** 2
    np.testing.assert_allclose(power[4:-4].mean(), 9, rtol=0.02)
    np.testing.assert_allclose(power[4:-4].mean(axis=0), 9, rtol=0.2)


def test_bins_two_apart_and_frames_four_apart_share_no_noise():
    """What the gain field rests on; neighbours share more than half."""
    found = stft.analyse(noise(400_000), 512)[4:-4, 1:-1]

    def correlation(frames, bins):
        a = found[: len(found) - frames, : found.shape[1] - bins]
        b = found[frames:, bins:]
        return np.abs(np.mean(a * b.conj(), axis=0)).mean()

    assert correlation(0, 1) > 0.4 and correlation(1, 0) > 0.5
    assert correlation(0, 2) < 0.03 and correlation(4, 0) < 0.03
    assert correlation(6, 2) < 0.03
