"""Networks of ONNX files: tiny ones, made here, that delay or pass what they are given."""

import importlib.util

import numpy as np
import pytest

import inr_jax
from inr_jax import metrics
from inr_jax.cli.flags import methods as method_flags
from inr_jax.configs import methods
from inr_jax.errors import InputError

pytestmark = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("onnx", "onnxruntime"))),
    reason="needs onnx and onnxruntime",
)
SPECTRUM = (1, 257, 1, 2)
WAVEFORM = (1, 160)


def write(path, shape, delayed):
    """Half of each frame, at once or one frame later, with the frame as state."""
    from onnx import TensorProto, helper, save

    def tensors(*named):
        return [
            helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in named
        ]

    half = helper.make_tensor("half", TensorProto.FLOAT, [], [0.5])
    nodes = [
        helper.make_node("Mul", ["old" if delayed else "frame", "half"], ["estimate"]),
        helper.make_node("Identity", ["frame"], ["new"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        tensors(("frame", shape), ("old", shape)),
        tensors(("estimate", shape), ("new", shape)),
        [half],
    )
    opset = [helper.make_opsetid("", 17)]
    save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return str(path)


@pytest.mark.parametrize("window", methods.WINDOWS)
@pytest.mark.parametrize("count", [1, 300, 5000])
def test_spectra_go_in_and_come_out(tmp_path, speech, window, count):
    path = write(tmp_path / "half.onnx", SPECTRUM, delayed=False)
    found = inr_jax.denoise(speech[:count], 16_000, "onnx", path=path, window=window)
    np.testing.assert_allclose(found, speech[:count] / 2, atol=1e-6)


@pytest.mark.parametrize(("shape", "hop"), [(SPECTRUM, 256), (WAVEFORM, 160)])
def test_state_is_fed_back_and_its_delay_taken_out(tmp_path, speech, shape, hop):
    path = write(tmp_path / "late.onnx", shape, delayed=True)
    late = inr_jax.denoise(speech, 16_000, "onnx", path=path)
    assert metrics.lag(speech, late, 16_000) == hop
    found = inr_jax.denoise(speech, 16_000, "onnx", path=path, delay=hop)
    np.testing.assert_allclose(found, speech / 2, atol=1e-6)


def test_the_rate_of_the_network_is_not_that_of_the_recording(tmp_path, speech):
    path = write(tmp_path / "half.onnx", WAVEFORM, delayed=False)
    found = inr_jax.denoise(speech, 16_000, "onnx", path=path, rate=48_000)
    assert metrics.snr(speech / 2, found, 16_000) > 40


def test_files_that_are_no_streaming_network(tmp_path):
    def refused(match, path, **settings):
        with pytest.raises(InputError, match=match):
            inr_jax.denoise(np.ones(9), 16_000, "onnx", path=path, **settings)

    refused("onnx needs a file: onnx:path=FILE", None)
    refused("nowhere.onnx: no such file", str(tmp_path / "nowhere.onnx"))
    (tmp_path / "text.onnx").write_text("not a network")
    refused("text.onnx: no ONNX file that runs here", str(tmp_path / "text.onnx"))
    for shape in ((1, 257, 3, 2), (1, "samples"), (2, 9)):
        path = write(tmp_path / "other.onnx", shape, delayed=False)
        refused("no streaming network", path)
    refused("window must be", path, window="hamming")
    refused("delay must be at least 0", path, delay=-1)


@pytest.mark.parametrize("said", [{"sample_rate": "0"}, {"delay": "-5"}])
def test_numbers_of_a_file_that_make_no_sense(tmp_path, said):
    import onnx

    path = write(tmp_path / "a.onnx", WAVEFORM, delayed=False)
    model = onnx.load(path)
    onnx.helper.set_model_props(model, said)
    onnx.save(model, path)
    with pytest.raises(InputError, match=f"its sample_rate is .*{said.popitem()[1]}"):
        inr_jax.denoise(np.ones(800), 16_000, "onnx", path=path)


def test_another_file_of_the_same_name_is_another_method(tmp_path):
    path = tmp_path / "tiny.onnx"
    described = []
    for delayed in (False, True):
        write(path, WAVEFORM, delayed)
        method = methods.parse(f"onnx:path={path}")
        described.append(method_flags.described(method)["weights_sha256"])
    assert None not in described and described[0] != described[1]
