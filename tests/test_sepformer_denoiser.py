"""SepFormer on recordings of any rate and length, with tiny random weights."""

import dataclasses

import jax
import numpy as np
import pytest
import speechbrain_oracle
from conftest import CLIPS, run_script

import inr_jax
from inr_jax import audio, metrics
from inr_jax.configs.sepformer import SepformerConfig
from inr_jax.enhancement import api, neural
from inr_jax.models.sepformer import weights as sepformer_weights
from inr_jax.models.sepformer.modeling import Sepformer

TINY = SepformerConfig(**speechbrain_oracle.TINY)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    with np.load(speechbrain_oracle.DATA) as arrays:
        tensors = {name: arrays[name] for name in arrays if not name.startswith("_")}
    sepformer_weights.save(folder, TINY, tensors)
    return folder


def signal(*shape):
    return 0.1 * np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def denoise(noisy, rate, weights):
    return inr_jax.denoise(noisy, rate, "sepformer", weights=weights)


class Louder(Sepformer):
    """In place of a network: multiplies its input."""

    factor: float = 1.0

    def apply(self, params, noisy, count):
        return self.factor * noisy


def in_windows(denoiser, noisy, rate):
    recording = audio.read(noisy, rate)
    (estimate,) = api.denoise_recordings(denoiser, [recording], [0])
    return estimate.samples[:, 0]


@pytest.mark.slow
@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_keeps_shape_and_rate(weights, rate):
    for shape in ((1,), (91, 2)):  # one program for all
        found = denoise(signal(*shape), rate, weights)
        assert found.shape == shape and found.dtype == np.float32
        assert np.all(np.isfinite(found))


@pytest.mark.slow
def test_a_clip_within_a_window_is_denoised_as_a_whole(weights):
    model, params = sepformer_weights.load(weights)
    noisy = signal(3001)
    expected = np.asarray(jax.jit(model.apply)(params, noisy), np.float64)
    expected *= noisy @ expected / (expected @ expected)
    np.testing.assert_allclose(denoise(noisy, 16_000, weights), expected, atol=1e-6)


@pytest.mark.slow
def test_the_level_is_the_nearest_to_the_input_and_no_other(weights):
    noisy = signal(4000)
    found = denoise(noisy, 16_000, weights)
    assert abs((noisy - found) @ found) < 1e-3 * (found @ found)
    np.testing.assert_allclose(
        denoise(3 * noisy, 16_000, weights), 3 * found, atol=1e-5
    )
    assert not np.any(denoise(np.zeros(500, np.float32), 16_000, weights))


def test_other_rates_come_back_without_delay(speech):
    """Whatever the network does, resampling there and back moves nothing."""
    fine = audio.resample(speech.astype(np.float32), 16_000, 44_100)
    found = in_windows(neural.sepformer(Louder(TINY, 2.0), {}), fine, 44_100)
    assert metrics.lag(fine, found, 44_100) == 0
    assert metrics.si_sdr(fine, found, 44_100) > 30


@pytest.mark.slow
def test_long_clips_in_windows(weights):
    """The network takes all of a window at once: others give another result.

    By 0.70 of the result's level with these random weights and windows of 0.25 s.
    """
    noisy = signal(9000)
    whole = denoise(noisy, 16_000, weights)
    network = neural.sepformer(*sepformer_weights.load(weights))
    short = dataclasses.replace(network, window_s=0.25)
    found = in_windows(short, noisy, 16_000)
    assert found.shape == whole.shape
    difference = np.std(found - whole) / np.std(whole)
    assert 0.01 < difference < 1
    same = dataclasses.replace(neural.sepformer(Louder(TINY), {}), window_s=0.25)
    np.testing.assert_allclose(in_windows(same, noisy, 16_000), noisy, atol=1e-6)


@pytest.mark.slow
def test_as_users_call_it(weights, tmp_path):
    flags = ("--method=sepformer", f"--output={tmp_path / 'out.wav'}")
    flags += ("--compilation_cache=", str(CLIPS / "forecast.flac"))
    done = run_script("denoise.py", *flags, expect=2)
    assert "the folder of its weights is not given" in done.stderr
    run_script("denoise.py", *flags, f"--sepformer_dir={weights}")
    source = audio.read(CLIPS / "forecast.flac")
    found = audio.read(tmp_path / "out.wav")
    assert found.samples.shape == source.samples.shape
    flags = (f"--clean_dir={CLIPS}", "--methods=noisy,sepformer", "--max_clips=1")
    flags += (f"--output_dir={tmp_path / 'scores'}", f"--sepformer_dir={weights}")
    done = run_script("evaluate.py", *flags, "--max_seconds=1", "--compilation_cache=")
    assert "| sepformer |" in done.stdout
