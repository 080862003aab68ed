"""Networks as ONNX files: in onnxruntime they give what they give in JAX."""

import dataclasses
import functools
import importlib.util
import re
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import soundfile
import tiny_weights
from conftest import REPOSITORY

import inr_jax
from inr_jax.configs.hyper_gain import FieldConfig, HyperGainConfig
from inr_jax.configs.hypersound import HyperSoundConfig
from inr_jax.errors import InputError
from inr_jax.io import jax_to_onnx, onnx_session
from inr_jax.models import hyper_gain, hyper_gain_onnx, hyper_gain_stream, pretrained

pytestmark = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("onnx", "onnxruntime"))),
    reason="needs onnx and onnxruntime",
)
RATE, HOP = 2000, 32
DENOISE = jax.jit(hyper_gain.denoise, static_argnums=(0, 3))


def tiny(causal):
    field = dataclasses.replace(tiny_weights.CONFIG.field, hidden=3)
    return dataclasses.replace(tiny_weights.CONFIG, field=field, causal=causal)


def fresh(config, scale=2.0):
    """A network with weights that do something."""
    return hyper_gain.HyperGain(config), tiny_weights.fresh(config, scale)


@pytest.fixture(scope="module")
def causal():
    return fresh(tiny(causal=True))


@pytest.fixture(scope="module")
def folder(causal, tmp_path_factory):
    """Of its weights."""
    model, params = causal
    folder = tmp_path_factory.mktemp("tiny")
    pretrained.save(folder, model.config, params, 0)
    return folder


def noise(*shape, seed=1):
    """Of a level that rises and falls."""
    signal = np.random.default_rng(seed).standard_normal(shape)
    return np.float32(0.1 * signal * (1.2 + np.sin(np.arange(shape[-1]) / 2000)))


def session_of(made, path):
    path.write_bytes(made.SerializeToString())
    return onnx_session.load(path)


def assert_streams_alike(model, params, session, channels, hops):
    """Hop by hop, in JAX and in onnxruntime, to 1e-5."""
    block, *states = session.get_inputs()
    state = {x.name: np.zeros(x.shape, np.float32) for x in states}
    step = jax.jit(functools.partial(hyper_gain_stream.step, config=model.config))
    hop = block.shape[1]
    expected_state = hyper_gain_stream.init(model.config, hop, channels)
    signal = noise(channels, hops * hop)
    signal[:, 3 * hop + 5 : 3 * hop + 9] = np.nan
    loudest = 0.0
    for given in np.split(signal, hops, axis=1):
        found, *new = session.run(None, {block.name: given, **state})
        state = dict(zip(state, new, strict=True))
        expected_state, expected = step(params, expected_state, given.T)
        np.testing.assert_allclose(found, expected.T, atol=1e-5)
        loudest = max(loudest, np.max(np.abs(found)))
    assert loudest > 0.01


@pytest.mark.parametrize("channels", [1, 2])
def test_a_stream_is_that_of_jax(causal, tmp_path, channels):
    made = hyper_gain_onnx.stream(*causal, RATE, channels)
    session = session_of(made, tmp_path / "stream.onnx")
    assert_streams_alike(*causal, session, channels, hops=40)


def test_a_file_says_what_it_is(causal, tmp_path):
    made = hyper_gain_onnx.stream(*causal, RATE)
    session = session_of(made, tmp_path / "stream.onnx")
    said = session.get_modelmeta().custom_metadata_map
    states = said.pop("states").split(",")
    assert said == {
        "model": "hyper_gain",
        "sample_rate": "2000",
        "channels": "1",
        "hop": "32",
        "delay": "32",
        "latency_samples": "63",
        "license": "Apache-2.0",
        "version": inr_jax.__version__,
    }
    assert [x.name for x in session.get_inputs()] == ["block", *states]
    names = [x.name for x in session.get_outputs()]
    assert names == ["estimate", *(f"next_{name}" for name in states)]
    assert 17 <= made.opset_import[0].version <= 21


def test_whole_signals_are_as_by_jax(tmp_path):
    model, params = fresh(tiny(causal=False))
    count, longest = 50 * HOP + 7, 70 * HOP
    made = hyper_gain_onnx.whole(model, params, RATE, 2, longest)
    session = session_of(made, tmp_path / "whole.onnx")
    noisy = noise(2, count)
    padded = np.pad(noisy, ((0, 0), (0, longest - count)))
    given = {"noisy": padded, "num_samples": np.array(count, np.int32)}
    (found,) = session.run(None, given)
    expected = DENOISE(model, params, noisy.T, 2 * HOP).T  # without padding
    np.testing.assert_allclose(found[:, :count], expected, atol=1e-5)
    assert np.max(np.abs(found)) > 0.01


def test_the_command_writes_what_the_method_onnx_runs(folder, run_command, tmp_path):
    path = tmp_path / "new" / "stream.onnx"
    flags = [f"--weights={folder}", "--sample_rate=8000", f"--output={path}"]
    code, out, err = run_command("export", *flags)
    assert (code, err) == (0, "")
    assert "stream, latency 32 ms; 8000 Hz, 1 channels" in out
    noisy = noise(41 * 128 + 3)
    found = inr_jax.denoise(noisy, 8000, "onnx", path=str(path))
    model, params = pretrained.load(folder)
    expected = DENOISE(model, params, noisy[:, None], 256)[:, 0]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_command_writes_whole_signals_of_two_channels(run_command, tmp_path):
    folder = tiny_weights.save(tmp_path / "weights", tiny(causal=False))
    path = tmp_path / "whole.onnx"
    code, out, err = run_command(
        *("export", f"--weights={folder}", f"--output={path}", "--sample_rate=8000"),
        *("--channels=2", "--seconds=0.5"),
    )
    assert (code, err) == (0, "")
    assert "signals of at most 0.5 s; 8000 Hz, 2 channels" in out
    noisy = noise(2, 4000)
    session = onnx_session.load(path)
    given = {"noisy": noisy, "num_samples": np.array(4000, np.int32)}
    (found,) = session.run(None, given)
    model, params = pretrained.load(folder)
    expected = DENOISE(model, params, noisy.T, 256).T
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_example_in_the_docs_denoises_a_file(causal, tmp_path, monkeypatch):
    text = (REPOSITORY / "docs" / "export.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    made = hyper_gain_onnx.stream(*causal, RATE)
    (tmp_path / "stream.onnx").write_bytes(made.SerializeToString())
    noisy = noise(41 * HOP + 3)
    soundfile.write(tmp_path / "noisy.wav", noisy, RATE, subtype="FLOAT")
    monkeypatch.chdir(tmp_path)
    found = {}
    exec(compile(example, "export.md", "exec"), found)  # noqa: S102
    model, params = causal
    expected = DENOISE(model, params, noisy[:, None], 2 * HOP)[:, 0]
    np.testing.assert_allclose(found["denoised"], expected, atol=1e-5)
    assert len(soundfile.read("denoised.wav")[0]) == len(noisy)


def test_what_cannot_be_exported_is_one_line(folder, run_command, tmp_path):
    config = HyperSoundConfig(num_samples=64, strides=(2,), hidden=(1,))
    model = pretrained.build(config)
    inputs = np.zeros(model.input_shape, np.float32)
    shapes = jax.eval_shape(model.init, jax.random.key(0), inputs)
    params = jax.tree.map(lambda x: np.zeros(x.shape), shapes)
    pretrained.save(tmp_path / "hypersound", config, params, 0)
    for flags, said in (
        ([], "--output is missing"),
        (["--output=x.onnx", "--sample_rate=1"], "--sample_rate=1"),
        (["--output=x.onnx", "--channels=1000"], "--channels=1000"),
        (["--output=x.onnx", "--weights="], "--weights names nothing"),
        (["--output=x.onnx", f"--weights={tmp_path / 'hypersound'}"], "only HyperGain"),
        (["--output=x.onnx", f"--weights={tmp_path}"], "no trained weights"),
    ):
        code, _, err = run_command("export", *flags)
        assert code == 2 and said in err and len(err.splitlines()) == 1


@pytest.mark.parametrize("size", [2, 32, 30, 21, 13])
def test_fourier_transforms_of_any_size(tmp_path, size):
    """1 * size, powers of two, with and without a middle bin, primes."""

    def both(x):
        spectrum = jnp.fft.rfft(x)
        changed = spectrum * jax.lax.complex(1.0, 0.5)
        return spectrum.real, spectrum.imag, jnp.fft.irfft(changed, size)

    x = noise(3, size)
    outputs = ["real", "imaginary", "signal"]
    made = jax_to_onnx.convert(
        both, {"x": jax.ShapeDtypeStruct(x.shape, x.dtype)}, outputs, {}
    )
    found = session_of(made, tmp_path / "fft.onnx").run(None, {"x": x})
    for each, expected in zip(found, both(jnp.asarray(x)), strict=True):
        np.testing.assert_allclose(each, expected, atol=1e-6)


def test_weights_of_16_bits_are_stored_in_16_bits(tmp_path):
    x = noise(1, 64)
    weights = np.random.default_rng(0).standard_normal((64, 256)).astype(np.float32)
    sizes = []
    for kept in (weights, weights.astype(np.float16).astype(np.float32)):
        shape = {"x": jax.ShapeDtypeStruct(x.shape, x.dtype)}
        made = jax_to_onnx.convert(lambda x, kept=kept: [x @ kept], shape, ["y"], {})
        (found,) = session_of(made, tmp_path / "product.onnx").run(None, {"x": x})
        np.testing.assert_allclose(found, x @ kept, atol=1e-5)
        sizes.append(made.ByteSize())
    assert sizes[1] < 0.6 * sizes[0]


def test_a_range_of_any_length_is_stored(tmp_path):
    x = np.float32(5000)
    shape = {"x": jax.ShapeDtypeStruct((), np.float32)}
    made = jax_to_onnx.convert(lambda x: [jnp.arange(9000) < x], shape, ["y"], {})
    (found,) = session_of(made, tmp_path / "range.onnx").run(None, {"x": np.array(x)})
    np.testing.assert_array_equal(found, np.arange(9000) < 5000)


def test_what_has_no_translation_is_named():
    shape = {"x": jax.ShapeDtypeStruct((3,), np.float32)}
    for name, function in (
        ("sort", lambda x: [jnp.sort(x)]),
        ("scan", lambda x: [jax.lax.map(jnp.square, x)]),
        ("top_k", lambda x: [jax.lax.top_k(x, 2)[0]]),
    ):
        with pytest.raises(NotImplementedError, match=name):
            jax_to_onnx.convert(function, shape, ["y"], {})


def test_without_onnx_a_line_says_how_to_get_it(causal, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InputError, match="pip install"):
        hyper_gain_onnx.stream(*causal, RATE)


@pytest.mark.slow
@pytest.mark.parametrize("edges", [(), (8e3, 9e3, 1.1e4, 1.4e4, 2e4)])
def test_a_stream_of_a_thousand_hops_of_full_size(tmp_path, edges):
    config = HyperGainConfig(FieldConfig(high_edges_hz=edges), causal=True)
    model, params = fresh(config, scale=1.0)
    made = hyper_gain_onnx.stream(model, params, 48_000)
    assert made.ByteSize() < 5.5e6
    session = session_of(made, tmp_path / "stream.onnx")
    assert_streams_alike(model, params, session, channels=1, hops=1000)


@pytest.mark.slow
def test_the_shipped_network_for_whole_signals(tmp_path, speech):
    model, params = pretrained.load_pretrained("hyper_gain")
    noisy = np.float32(speech[:32_000] + noise(32_000))
    made = hyper_gain_onnx.whole(model, params, 16_000, 1, len(noisy))
    session = session_of(made, tmp_path / "whole.onnx")
    given = {"noisy": noisy[None], "num_samples": np.array(len(noisy), np.int32)}
    (found,) = session.run(None, given)
    expected = inr_jax.denoise(noisy, 16_000, "hyper_gain")
    np.testing.assert_allclose(found[0], expected, atol=1e-5)
