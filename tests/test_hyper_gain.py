"""The hypernetwork of the gain field: what it promises whatever its weights are."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from inr_jax import audio
from inr_jax.configs.hyper_gain import FieldConfig, HyperGainConfig
from inr_jax.dsp.stft import sine_window, stft
from inr_jax.enhancement import driver, neural
from inr_jax.models import hyper_gain, pretrained
from inr_jax.nn import gain_field

CONFIG = HyperGainConfig(
    field=FieldConfig(num_cells=4),
    channels=8,
    dilations_before=((1, 2),),
    dilations_after=((1, 1),),
    frame_channels=8,
    frame_dilations=(1, 2),
    level_frames=4,
)
WINDOW = 64  # 2 kHz
# compiled as a whole, not operation by operation
denoise = jax.jit(hyper_gain.denoise, static_argnames=("model", "window"))
emit = jax.jit(hyper_gain.HyperGain.apply, static_argnums=0)


@pytest.fixture(scope="module")
def model():
    return hyper_gain.HyperGain(CONFIG)


@pytest.fixture(scope="module")
def params(model):
    """Far from what training begins with: every kind of gain."""
    params = jax.jit(model.init)(jax.random.key(0), jnp.zeros((4, 33)))
    return jax.tree.map(lambda x: 2 * x, params)


def noise(num_samples, seed=1):
    return 0.1 * jax.random.normal(jax.random.key(seed), (num_samples,))


def power_of(signal):
    return jnp.abs(stft(signal, sine_window(WINDOW), WINDOW // 2)) ** 2


@pytest.mark.slow
@pytest.mark.parametrize("gain_db", [-90, -40, 40, 90])
def test_the_estimate_is_proportional_to_the_input(model, params, gain_db):
    signal, gain = noise(3000), 10 ** (gain_db / 20)
    expected = denoise(model, params, signal, WINDOW)
    found = denoise(model, params, gain * signal, WINDOW) / gain
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert float(jnp.max(jnp.abs(expected - signal))) > 0.01


@pytest.mark.slow
def test_padding_around_a_signal_changes_nothing(model, params):
    power = power_of(noise(2000))
    field = emit(model, params, power)
    before, after = 16, 40
    padded = jnp.pad(power, ((before, after), (0, 0)))
    place = np.arange(len(padded)) - before
    valid = (place >= 0) & (place < len(power))
    found = emit(model, params, padded, valid)
    for name in ("phases", "weights", "bias"):
        inside, expected = getattr(found, name), getattr(field, name)
        inside = inside[before : before + len(power)]
        # one frame of padding let in changes them by 0.3 to 0.8 of the largest
        largest = np.max(np.abs(expected))
        np.testing.assert_allclose(inside, expected, atol=1e-5 * largest)


@pytest.mark.slow
def test_the_receptive_field_is_as_stated(model, params):
    frames = power_of(noise(8000))
    (reach, future), at = CONFIG.receptive_field, len(frames) // 2
    assert reach == future < at
    # the taps of the filter reach one frame further than the field
    expected = emit(model, params, frames).phases[at]

    def changed(distance):
        louder = frames.at[at + distance].multiply(25.0)
        found = emit(model, params, louder).phases[at]
        return float(jnp.max(jnp.abs(found - expected)))

    assert changed(reach) == changed(-reach) == 0
    assert changed(reach - 6) > 0 and changed(6 - reach) > 0


@pytest.mark.slow
@pytest.mark.parametrize("causal, places", [(False, (-1, 0, 1)), (True, (-2, -1, 0))])
def test_gate_and_deep_filter_are_what_they_say(causal, places):
    """sigmoid(o_0 + 1) (Y_t + sum_k (o_2k+1 + i o_2k+2) Y_(t + place k))."""
    config, rng = dataclasses.replace(CONFIG, causal=causal), np.random.default_rng(0)
    noisy = rng.standard_normal((6, 5)) + 1j * rng.standard_normal((6, 5))
    noisy, outputs = np.complex64(noisy), np.float32(rng.standard_normal((6, 5, 7)))
    taps = outputs[..., 1::2] + 1j * outputs[..., 2::2]
    padded = np.pad(noisy, ((2, 2), (0, 0)))
    expected = noisy + sum(
        taps[..., k] * padded[2 + place : 8 + place] for k, place in enumerate(places)
    )
    expected /= 1 + np.exp(-outputs[..., 0] - 1)
    spectrum = hyper_gain.with_neighbours(jnp.asarray(noisy), config)
    found = hyper_gain.enhance(spectrum, jnp.asarray(outputs), config)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_frames_of_digital_silence_do_not_count_in_level_and_mean():
    network = hyper_gain.HyperGain(dataclasses.replace(CONFIG, level_frames=128))
    weights = jax.jit(network.init)(jax.random.key(0), jnp.zeros((4, 33)))
    weights = jax.tree.map(lambda x: 2 * x, weights)
    signal = noise(4000)
    whole, silent, loud = (
        denoise(network, weights, signal.at[1000:2000].multiply(gain), WINDOW)[3000:]
        for gain in (1.0, 0.0, 30.0)
    )
    # but for the smaller sample of noise
    assert jnp.std(silent - whole) < 0.1 * jnp.std(whole)
    assert jnp.std(loud - whole) > 0.3 * jnp.std(whole)


@pytest.mark.slow
def test_saved_and_loaded(tmp_path, model, params):
    pretrained.save(tmp_path, CONFIG, params, 7)
    again, weights = pretrained.load(tmp_path)
    assert again.config == CONFIG
    rounded = jax.tree.map(lambda x: jnp.float32(jnp.float16(x)), params)
    expected = denoise(model, rounded, noise(1000), WINDOW)
    found = denoise(again, weights, noise(1000), WINDOW)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_weights_that_are_saved_again_are_read_again(tmp_path, params):
    pretrained.save(tmp_path, CONFIG, params, 1)
    first = pretrained.load(tmp_path)
    assert pretrained.load(tmp_path) is first
    pretrained.save(tmp_path, CONFIG, jax.tree.map(lambda x: 2 * x, params), 2)
    _, again = pretrained.load(tmp_path)
    jax.tree.map(
        lambda x, y: np.testing.assert_allclose(y, 2 * x, rtol=1e-2), first[1], again
    )


def test_padding_behind_a_signal_changes_nothing(model, params):
    signal = noise(2000)
    expected = denoise(model, params, signal, WINDOW)
    padded = jnp.pad(signal, (0, 700))
    found = denoise(model, params, padded, WINDOW, 2000)[:2000]
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("rate", "causal"), [(2000, False), (2205, False), (2000, True)]
)
def test_windows_of_a_long_recording_give_the_whole(params, monkeypatch, rate, causal):
    monkeypatch.setattr(neural, "HYPER_WINDOW_S", 1.0)
    config = dataclasses.replace(CONFIG, causal=causal)
    model = hyper_gain.HyperGain(config)
    signal = np.array(noise(5 * rate + 7))
    signal[rate : 2 * rate] *= 10  # levels that are remembered
    window = hyper_gain.window_of(rate, config)
    expected = denoise(model, params, signal, window)
    denoiser = neural.hyper_gain(model, params)
    parts = driver.run(
        denoiser, [audio.read(signal, sample_rate=rate)], [jax.random.key(0)]
    )
    parts = [part.samples[:, 0] for part in parts]
    assert len(parts) >= 4
    np.testing.assert_allclose(np.concatenate(parts), expected, atol=1e-5)


def test_a_window_has_the_same_seconds_at_any_rate():
    config = HyperGainConfig()
    windows = [hyper_gain.window_of(rate, config) for rate in (8000, 16_000, 48_000)]
    assert windows == [256, 512, 1536]
    assert hyper_gain.window_of(44_100, config) == 1408  # 2**7 * 11


def test_linked_channels_have_one_field(model, params):
    left = noise(2000)
    both = jnp.stack([left, -0.3 * left], axis=1)
    # the mean power of both, whose scale does not matter
    expected = denoise(model, params, left, WINDOW)
    found = denoise(model, params, both, WINDOW)
    np.testing.assert_allclose(found[:, 0], expected, atol=1e-6)
    np.testing.assert_allclose(found[:, 1], -0.3 * expected, atol=1e-6)


HIGHS = dataclasses.replace(
    CONFIG, field=FieldConfig(num_cells=2, high_edges_hz=(500, 700, 1000))
)


@pytest.mark.slow
def test_bands_above_the_cells_change_nothing_below():
    """Of one network, with and without them."""
    wide = hyper_gain.HyperGain(HIGHS)
    cells = dataclasses.replace(HIGHS, field=FieldConfig(num_cells=2))
    params = jax.jit(wide.init)(jax.random.key(0), jnp.zeros((4, 33)))
    power = power_of(noise(2000))
    outputs = []
    for config in (HIGHS, cells):
        field = emit(hyper_gain.HyperGain(config), params, power)
        on_bins = jax.jit(gain_field.on_bins, static_argnums=(1, 2))
        outputs.append(on_bins(field, 33, config.field))
    with_bands, without = outputs
    np.testing.assert_allclose(with_bands[:, :16], without[:, :16], atol=1e-6)
    assert float(jnp.max(jnp.abs(with_bands[:, 18:] - without[:, 18:]))) > 0.01
    # nothing above them but the gate of the last
    np.testing.assert_allclose(with_bands[:, 30], with_bands[:, 32], atol=1e-6)
