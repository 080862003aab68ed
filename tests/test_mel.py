import jax
import jax.numpy as jnp
import librosa
import numpy as np
import oracles
import pytest

from inr_jax.dsp import magnitudes, mel


def noise(num_samples, seed=0):
    return np.random.default_rng(seed).standard_normal(num_samples).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("num_samples", [1500, 2048, 3001])
@pytest.mark.parametrize("window, hop", [(2048, 512), (128, 32)])
def test_equals_frame_by_frame(num_samples, window, hop):
    x = noise(num_samples)
    found, valid = magnitudes.magnitudes(jnp.asarray(x), num_samples, window, hop)
    expected = oracles.stft_magnitudes(np.float64(x), window, hop)
    assert valid.all()
    np.testing.assert_allclose(found, expected, atol=1e-6 * expected.max())


@pytest.mark.slow  # the first librosa.stft compiles for half a minute
def test_equals_librosa():
    x = noise(4000)
    expected = np.abs(librosa.stft(x, n_fft=512, hop_length=128, pad_mode="reflect")).T
    found, _ = magnitudes.magnitudes(jnp.asarray(x), 4000, 512, 128)
    np.testing.assert_allclose(found, expected, atol=2e-6 * expected.max())


def test_padding_changes_no_valid_frame():
    x = noise(3000)
    padded = jnp.pad(jnp.asarray(x), (0, 1000))
    alone, _ = magnitudes.magnitudes(jnp.asarray(x), 3000, 256, 64)
    found, valid = magnitudes.magnitudes(padded, jnp.array(3000), 256, 64)
    assert valid.sum() == alone.shape[0]
    np.testing.assert_array_equal(found[valid[:, 0]], alone)


def test_a_cosine_on_a_bin_is_a_quarter_of_the_window_wide():
    x = jnp.cos(2 * jnp.pi * 8 / 256 * jnp.arange(2048))
    found, _ = magnitudes.magnitudes(x, 2048, 256, 64)
    middle = found[16]
    np.testing.assert_allclose(middle[7:10], [32, 64, 32], rtol=1e-4)
    assert middle[12:].max() < 1e-3


@pytest.mark.parametrize("num_samples", [1, 2, 100])
def test_shorter_than_the_window(num_samples):
    x = jnp.asarray(noise(num_samples))
    found, _ = magnitudes.magnitudes(x, num_samples, 2048, 512)
    assert found.shape == (1, 1025) and jnp.isfinite(found).all()


def test_silence_is_differentiable():
    def total(x):
        return jnp.sum(magnitudes.magnitudes(x, 512, 128, 32)[0])

    assert jnp.isfinite(jax.grad(total)(jnp.zeros(512))).all()


def test_mel_matrix_is_librosas_and_quiet_about_empty_bands():
    bank = mel.mel_matrix(16_000, 128, 128)
    assert bank.shape == (65, 128) and bank.dtype == np.float32
    assert (bank.sum(axis=0) == 0).any()


@pytest.mark.slow  # as above
@pytest.mark.parametrize(
    ("samples", "window", "hop"), [(5000, 512, 128), (4799, 321, 160), (100, 256, 64)]
)
def test_mel_power_is_that_of_librosa(samples, window, hop):
    x = noise(samples)
    found = mel.mel_power(x, 16_000, window, hop, 40)
    expected = librosa.feature.melspectrogram(
        y=x, sr=16_000, n_fft=window, hop_length=hop, n_mels=40, pad_mode="constant"
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
