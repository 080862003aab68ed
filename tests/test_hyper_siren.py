"""The hypernetwork of SIRENs of time: what it promises whatever its weights are."""

import jax
import numpy as np
import pytest
import soundfile

import inr_jax
from inr_jax import audio
from inr_jax.configs import methods
from inr_jax.configs.hyper_siren import HyperSirenConfig, WindowsConfig
from inr_jax.enhancement import files, registry
from inr_jax.errors import InputError
from inr_jax.models import hyper_siren, pretrained
from inr_jax.nn import window_siren

CONFIG = HyperSirenConfig(
    channels=4,
    dilations_before=((1, 2),),
    dilations_after=((1, 1),),
    frame_channels=8,
    frame_dilations=(1,),
    level_frames=4,
    windows=WindowsConfig(num_cells=4, cell_bins=4, cell_pairs=2),  # 1 kHz
)
MODEL = hyper_siren.HyperSiren(CONFIG)
# compiled as wholes, not operation by operation
emit = jax.jit(hyper_siren.emit, static_argnames="model")
on_grid = jax.jit(window_siren.on_grid, static_argnums=(1, 2, 3))


@pytest.fixture(scope="module")
def params():
    """Drawn without compiling what training begins with."""
    inputs = np.zeros((4, 2 * CONFIG.hop), np.float32)
    shapes = jax.eval_shape(MODEL.init, jax.random.key(0), inputs)
    rng = np.random.default_rng(0)
    params = jax.tree.map(
        lambda x: 0.3 * rng.standard_normal(x.shape, np.float32), shapes
    )
    params["params"]["carriers"] = window_siren.initial_carriers(CONFIG.windows)
    return params


def denoise(params, noisy, num_samples=500):
    sirens = emit(MODEL, params, noisy, np.int32(num_samples))
    return on_grid(sirens, CONFIG.hop, len(noisy), CONFIG.windows)


def noise(num_samples, seed=1):
    return np.random.default_rng(seed).standard_normal(num_samples).astype(np.float32)


@pytest.fixture(scope="module")
def estimate(params):
    return denoise(params, noise(500))


@pytest.mark.parametrize("gain", [1e-4, 100.0])
def test_the_estimate_is_proportional_to_the_input(params, estimate, gain):
    found = denoise(params, gain * noise(500)) / gain
    np.testing.assert_allclose(found, estimate, atol=1e-4)
    assert np.std(estimate) > 0.1


@pytest.mark.slow
def test_padding_changes_nothing(params):
    padded = np.append(noise(400), np.zeros(100, np.float32))
    found = denoise(params, padded, 400)[:400]
    shorter = hyper_siren.denoise(MODEL, params, noise(400))
    np.testing.assert_allclose(found, shorter, atol=1e-4)


def test_silence_stays_silent(params):
    silence = np.zeros(500, np.float32)
    assert np.max(np.abs(denoise(params, silence))) < 1e-9


def test_the_estimate_is_the_values_of_the_emitted_weights(params, estimate):
    sirens = emit(MODEL, params, noise(500), np.int32(500))
    seconds = np.arange(500) / CONFIG.sample_rate
    found = window_siren.evaluate(sirens, seconds, CONFIG.windows)
    np.testing.assert_allclose(found, estimate, atol=1e-4)


@pytest.mark.slow
def test_gradients_reach_every_weight(params):
    def error(params):
        estimate = hyper_siren.denoise(MODEL, params, noise(300))
        return ((estimate - noise(300, 2)) ** 2).mean()

    gradient = jax.jit(jax.grad(error))(params)
    for path, x in jax.tree_util.tree_leaves_with_path(gradient):
        assert np.any(np.asarray(x) != 0), jax.tree_util.keystr(path)


def test_saved_loaded_and_used_as_a_method(tmp_path, params, estimate):
    pretrained.save(tmp_path, CONFIG, params, 7)
    rate = CONFIG.sample_rate
    again, _ = pretrained.load(tmp_path)
    assert again.config == CONFIG
    found = inr_jax.denoise(noise(500), rate, "hyper_siren", weights=str(tmp_path))
    np.testing.assert_allclose(found, estimate, atol=2e-2)
    dense = inr_jax.denoise(
        noise(500), rate, "hyper_siren", weights=str(tmp_path), output_rate=3 * rate
    )
    assert len(dense) == 1500
    np.testing.assert_allclose(dense[::3], found, atol=1e-3)
    with pytest.raises(InputError, match=f"multiple of the model's {rate} Hz"):
        inr_jax.denoise(noise(9), rate, "hyper_siren", weights=tmp_path, output_rate=7)
    # a file, two channels, another rate
    audio.write(tmp_path / "in.wav", np.stack([noise(800)] * 2, axis=1), 2 * rate)
    denoiser = registry.make(
        "hyper_siren", methods.TrainedMethod(tmp_path, output_rate=3 * rate)
    )
    (job,), _ = files.jobs([str(tmp_path / "in.wav")], str(tmp_path / "out.wav"), None)
    (outcome,) = files.denoise(denoiser, [job], {}, files.DryWetMix())
    assert not outcome.error
    written = soundfile.info(tmp_path / "out.wav")
    assert (written.frames, written.channels) == (1200, 2)
