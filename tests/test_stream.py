"""A stream of blocks of any length is the causal network over the whole signal, late."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import count_compiles
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_weights import CAUSAL, save

import inr_jax
from inr_jax.errors import InputError
from inr_jax.models import hyper_gain, pretrained
from inr_jax.models.hyper_gain import HyperGain

RATE = 8000
HOP = 128
NUM_SAMPLES = 30 * HOP + 57


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return save(tmp_path_factory.mktemp("weights"), CAUSAL)


@pytest.fixture(scope="module")
def stream(weights):
    return inr_jax.Stream(RATE, weights=weights)


@pytest.fixture(scope="module")
def stereo(weights):
    return inr_jax.Stream(RATE, 2, weights)


def noise(*shape, seed=1):
    return np.random.default_rng(seed).normal(0, 0.1, shape).astype(np.float32)


def whole(weights, signal, rate=RATE):
    model, params = pretrained.load(weights)
    window = hyper_gain.window_of(rate, model.config)
    return np.asarray(
        jax.jit(hyper_gain.denoise, static_argnums=(0, 3))(
            model, params, signal, window
        )
    )


@functools.cache
def mono():
    return noise(NUM_SAMPLES)


@pytest.fixture(scope="module")
def expected(weights):
    return whole(weights, mono())


def streamed(stream, signal, sizes):
    """The estimate, its latency taken out, by blocks of these sizes over and over."""
    out, start, i = [], 0, 0
    while start < len(signal):
        block = signal[start : start + sizes[i % len(sizes)]]
        out.append(stream(block))
        assert out[-1].shape == block.shape and out[-1].dtype == np.float32
        start, i = start + len(block), i + 1
    out.append(stream.flush().reshape(-1, *signal.shape[1:]))
    out = np.concatenate(out)
    assert not np.any(out[: stream.hop - 1])  # silence first
    return out[stream.latency_samples :]


@settings(max_examples=15, deadline=None)
@given(sizes=st.lists(st.integers(0, 700), min_size=1, max_size=8).filter(any))
def test_blocks_of_any_length_are_the_whole(stream, expected, sizes):
    found = streamed(stream, mono(), sizes)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_estimate_is_not_the_input(expected):
    assert np.max(np.abs(expected - mono())) > 0.01


def test_a_rate_whose_stft_has_fewer_bins_than_the_field(tmp_path):
    """As telephone speech in the shipped networks: what is missing counts as silence."""
    field = dataclasses.replace(CAUSAL.field, num_cells=20, high_edges_hz=())
    weights = save(tmp_path, dataclasses.replace(CAUSAL, field=field))
    stream = inr_jax.Stream(RATE, weights=weights)
    assert stream.hop + 1 < 20 * field.cell_bins
    found = streamed(stream, mono(), [HOP])
    np.testing.assert_allclose(found, whole(weights, mono()), atol=1e-5)
    assert np.std(found - mono()) > 0.1 * np.std(mono())


@pytest.mark.parametrize("rate", [44_100, 96_000])
def test_at_its_own_rate(weights, rate):
    stream = inr_jax.Stream(rate, weights=weights)
    assert stream.latency_samples == pytest.approx(0.032 * rate, rel=0.01)
    signal = noise(round(0.3 * rate))
    found = streamed(stream, signal, [480])
    np.testing.assert_allclose(found, whole(weights, signal, rate), atol=1e-5)


def test_channels_have_one_gain(stereo, weights):
    signal = noise(NUM_SAMPLES, 2) * np.float32([1, 0.2])
    found = streamed(stereo, signal, [100, 300])
    np.testing.assert_allclose(found, whole(weights, signal), atol=1e-5)
    # a source to one side stays there
    left = np.stack([mono(), 0.25 * mono()], axis=1)
    found = streamed(stereo, left, [333])
    np.testing.assert_allclose(found[:, 1], 0.25 * found[:, 0], atol=1e-7)


@pytest.mark.parametrize(
    "kind", [np.float64, np.float16, np.int16, np.int32, np.uint8, jnp.float32, list]
)
def test_any_kind_of_samples(stream, kind):
    signal = mono()[:1000]
    if kind is list:
        given = signal.tolist()
    elif np.dtype(kind).kind in "iu":
        bits = 8 * np.dtype(kind).itemsize - 1
        offset = 2**bits if np.dtype(kind).kind == "u" else 0
        given = np.rint(signal * 2**bits + offset).astype(kind)
    else:
        given = kind(signal)
    found = stream(given)
    stream.reset()
    atol = 1e-2 if kind is np.uint8 else 1e-3
    np.testing.assert_allclose(found, stream(signal), atol=atol)
    stream.reset()


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_samples_that_are_no_sound_are_silence(stream, value):
    signal, gap = mono().copy(), mono().copy()
    signal[1000:1300], gap[1000:1300] = value, 0
    found = streamed(stream, signal, [200])
    np.testing.assert_array_equal(found, streamed(stream, gap, [200]))


def test_flush_begins_anew(stream):
    first = streamed(stream, mono(), [256])
    np.testing.assert_array_equal(first, streamed(stream, mono(), [256]))


def test_the_noise_is_left_as_far_as_is_asked(stream, expected):
    stream.max_attenuation_db = 20.0
    found = streamed(stream, mono(), [500])
    stream.max_attenuation_db = None
    stream.reset()
    np.testing.assert_allclose(found, 0.9 * expected + 0.1 * mono(), atol=1e-5)


def test_bypass_is_the_input_at_the_same_delay_and_fades(stream, expected):
    out = [stream(mono()[: 15 * HOP])]
    stream.bypass = True
    out.append(stream(mono()[15 * HOP :]))
    stream.bypass = False
    rest = stream.flush()[:, 0]
    out = np.concatenate([*out, rest])[stream.latency_samples :]
    # the sixteenth hop in gives the estimate of the fifteenth, which fades
    before, after = 14 * HOP, 15 * HOP
    np.testing.assert_allclose(out[:before], expected[:before], atol=1e-5)
    fade = np.linspace(0, 1, HOP)
    mixed = (1 - fade) * expected[before:after] + fade * mono()[before:after]
    np.testing.assert_allclose(out[before:after], mixed, atol=1e-5)
    heard = slice(after, NUM_SAMPLES - 3 * HOP)
    np.testing.assert_allclose(out[heard], mono()[heard], atol=1e-5)


def test_behind_a_gap_it_fades_in_and_goes_on(stream):
    """A step behind dropped hops neither clicks nor mixes what was not side by side."""
    hops = np.split(mono()[: 30 * HOP, None], 30)
    for block in hops[:10]:
        stream.step(block)
    stream.skip(hops[19])
    fading, whole_again = stream.step(hops[20]), stream.step(hops[21])
    stream.reset()
    assert abs(fading[0, 0]) < 1e-3 * np.max(np.abs(fading))
    assert np.std(whole_again) > 0.3 * np.std(hops[20])


def test_nothing_compiles_behind_the_constructor(weights):
    stream = inr_jax.Stream(RATE, 2, weights)
    with count_compiles() as compiled:
        for size in (1, 999, HOP):
            stream(noise(size, 2))
        stream.bypass, stream.max_attenuation_db = True, 6.0
        stream(noise(999, 2))
        stream.skip(noise(HOP, 2))
        stream(noise(999, 2))
        stream.flush()
        again = inr_jax.Stream(RATE, 2, weights)
    assert not compiled
    assert again.compile_s < 1


def test_what_makes_no_stream_is_one_line(weights, tmp_path):
    for rate in (4000, 200_000):
        with pytest.raises(InputError, match="8000 to 96000 Hz"):
            inr_jax.Stream(rate, weights=weights)
    with pytest.raises(InputError, match="at least one channel"):
        inr_jax.Stream(RATE, 0, weights)
    for limit_db in (-3, np.nan):
        with pytest.raises(InputError, match="max_attenuation_db is at least 0"):
            inr_jax.Stream(RATE, 1, weights, limit_db)
    with pytest.raises(InputError, match="causal"):
        inr_jax.Stream(RATE, weights="hyper_gain")
    with pytest.raises(InputError, match="no trained weights"):
        inr_jax.Stream(RATE, weights=tmp_path)


@pytest.mark.parametrize("shape", [(100,), (100, 3), (2, 100, 1), ()])
def test_blocks_of_another_shape_are_one_line(stereo, shape):
    with pytest.raises(InputError, match=r"blocks must be \(samples, 2\)"):
        stereo(np.zeros(shape))


def test_tiny_weights_are_of_the_kind_that_is_shipped():
    assert CAUSAL.causal and isinstance(pretrained.build(CAUSAL), HyperGain)
