"""Folders of weights: names, what is wrong with them, copies as safetensors."""

import dataclasses

import jax
import numpy as np
import pytest
import torch_files

from inr_jax.configs.sepformer import SepformerConfig
from inr_jax.enhancement import registry
from inr_jax.errors import InputError
from inr_jax.io import weights as folders
from inr_jax.models.sepformer import modeling, weights
from inr_jax.models.sepformer import params as sepformer_mapping
from inr_jax.models.sepformer.params import TABLE

TINY = SepformerConfig(
    channels=8, chunk=10, num_blocks=1, num_layers=1, num_heads=2, hidden=12
)


@pytest.fixture
def tensors():
    rng = np.random.default_rng(0)
    shapes = sepformer_mapping.shapes(TINY)
    found = {k: rng.standard_normal(s, np.float32) for k, s in shapes.items()}
    tables = {
        k: modeling.positional_encoding(*s[1:]) for k, s in shapes.items() if TABLE in k
    }
    return found | {name: table[None] for name, table in tables.items()}


def write(folder, tensors):
    """SpeechBrain's three files."""
    for part in weights.PARTS:
        own = {
            name.removeprefix(f"{part}."): tensor
            for name, tensor in tensors.items()
            if name.startswith(f"{part}.")
        }
        torch_files.save(folder / f"{part}.ckpt", torch_files.tensors(own))


def test_names_and_shapes_of_the_published_checkpoint():
    """The pattern in which SpeechBrain 1.1 names them, written out the other way round."""
    layer = ["self_att.att.in_proj_weight", "self_att.att.in_proj_bias"]
    layer += [
        f"{name}.{kind}"
        for name in (
            *("self_att.att.out_proj", "pos_ffn.ffn.0", "pos_ffn.ffn.3"),
            *("norm1.norm", "norm2.norm"),
        )
        for kind in ("weight", "bias")
    ]
    names = ["norm.weight", "norm.bias", "conv1d.weight"]
    for block in ("dual_mdl.0", "dual_mdl.1"):
        for way in ("intra", "inter"):
            inside = f"{block}.{way}_mdl"
            names += [f"{inside}.mdl.layers.{i}.{x}" for i in range(8) for x in layer]
            names += [f"{inside}.mdl.norm.norm.weight", f"{inside}.mdl.norm.norm.bias"]
            names += [f"{inside}.pos_enc.pe"]
            names += [f"{block}.{way}_norm.weight", f"{block}.{way}_norm.bias"]
    names += ["conv2d.weight", "conv2d.bias", "end_conv1x1.weight", "prelu.weight"]
    names += [f"output{x}.0.{y}" for x in ("", "_gate") for y in ("weight", "bias")]
    shapes = sepformer_mapping.shapes(SepformerConfig())
    masknet = [k[8:] for k in shapes if k.startswith("masknet.")]
    assert len(masknet) == 415 and sorted(masknet) == sorted(names)
    others = {k: s for k, s in shapes.items() if not k.startswith("masknet.")}
    ends = (256, 1, 16)
    assert others == {"encoder.conv1d.weight": ends, "decoder.weight": ends}
    in_tables = sum(np.prod(s) for k, s in shapes.items() if k.endswith(TABLE))
    assert sum(np.prod(s) for s in shapes.values()) - in_tables == 25_613_569
    assert in_tables == 4 * 2500 * 256


def test_every_weight_finds_its_place(tensors):
    model = modeling.Sepformer(TINY)
    params = sepformer_mapping.to_params(tensors, TINY)
    fresh = jax.eval_shape(model.init, jax.random.key(0), np.zeros(99, np.float32))
    assert jax.tree.map(np.shape, params) == jax.tree.map(np.shape, fresh)
    used = sum(np.sum(leaf, dtype=float) for leaf in jax.tree.leaves(params))
    given = sum(np.sum(t, dtype=float) for k, t in tensors.items() if TABLE not in k)
    assert used == pytest.approx(given)


def test_speechbrains_files_and_a_copy_are_the_same_model(tmp_path, tensors):
    original, copy = tmp_path / "original", tmp_path / "copy"
    original.mkdir()
    write(original, tensors)
    (original / "hyperparams.yaml").write_text("N: 1\nsample_rate: 8000  # Hz\n")
    model, params = weights.load(original, TINY)
    assert model.config.sample_rate == 8000
    weights.save(copy, *weights.read(original, TINY))
    other_model, other_params = weights.load(copy)
    assert other_model == model
    jax.tree.map(np.testing.assert_array_equal, other_params, params)
    _, arrays = folders.load(copy)
    assert {a.dtype for a in arrays.values()} == {np.dtype(np.float32)}
    assert not [name for name in arrays if name.endswith(TABLE)]


@pytest.mark.parametrize("text", [None, "sample_rates: 8000\n", "  sample_rate: 8000"])
def test_without_a_line_of_its_own_the_rate_is_16_khz(tmp_path, tensors, text):
    write(tmp_path, tensors)
    if text:
        (tmp_path / "hyperparams.yaml").write_text(text)
    config, _ = weights.read(tmp_path, TINY)
    assert config.sample_rate == 16_000


def test_what_is_wrong_is_named(tmp_path, tensors):
    prelu, bias = "masknet.prelu.weight", "masknet.conv2d.bias"
    layer = "masknet.dual_mdl.0.intra_mdl.mdl.layers.0.norm1.norm"
    for change, message in (
        ({prelu: None}, f"{prelu} is missing"),
        ({"decoder.extra": np.ones(2)}, "decoder.extra is unexpected"),
        ({bias: np.ones(9)}, rf"{bias} has shape \(9,\), not \(8,\)"),
        ({bias: np.full(8, np.nan)}, f"{bias} holds NaN"),
        (
            {"masknet.dual_mdl.0.intra_mdl.pos_enc.pe": np.ones((1, 2500, 8))},
            "positional",
        ),
        ({f"{layer}.bias": None, prelu: None, bias: None}, f"{bias} is .*; {layer}"),
    ):
        changed = {k: v for k, v in (tensors | change).items() if v is not None}
        write(tmp_path, changed)
        with pytest.raises(InputError, match=message):
            weights.read(tmp_path, TINY)
    with pytest.raises(InputError, match="and [0-9]+ more$"):
        weights.read(tmp_path, SepformerConfig())


def test_folders_that_hold_no_weights(tmp_path, tensors):
    with pytest.raises(InputError, match="nowhere: no such folder"):
        weights.read("nowhere")
    write(tmp_path, tensors)
    (tmp_path / "masknet.ckpt").unlink()
    with pytest.raises(InputError, match="lacks masknet.ckpt; `inr-jax download"):
        weights.read(tmp_path, TINY)
    described = {"model": "sepformer", "config": dataclasses.asdict(TINY)}
    for broken in (
        {"model": "hypersound"},
        {"config": {"depth": 3}},
        {"config": {"channels": "8"}},
        {"config": {"num_heads": 7}},
        {"config": None},
    ):
        folders.save(tmp_path, tensors, described | broken)
        with pytest.raises(InputError, match="no SepFormer: "):
            weights.read(tmp_path)
    with pytest.raises(InputError, match="not given; `inr-jax download` fetches"):
        registry.make("sepformer")


def test_weights_that_change_are_read_again(tmp_path, tensors):
    write(tmp_path, tensors)
    first = weights.load(tmp_path, TINY)
    assert weights.load(tmp_path, TINY) is first
    write(tmp_path, tensors | {"masknet.conv2d.bias": np.ones(8)})
    again = weights.load(tmp_path, TINY)
    leaves = zip(*map(jax.tree.leaves, (first[1], again[1])), strict=True)
    assert sum(not np.array_equal(*pair) for pair in leaves) == 1
