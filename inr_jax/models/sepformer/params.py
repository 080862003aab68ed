"""Maps the tensors of SpeechBrain's SepFormer to the weights of `Sepformer`.

Names begin with the file that holds the tensor, e.g. `masknet.conv1d.weight`.
"""

import jax
import numpy as np

from inr_jax.configs.sepformer import SepformerConfig

# Positional encoding: no weight, but part of the checkpoints.
TABLE = "pos_enc.pe"
_TABLE_ROWS = 2500

Tensors = dict[str, np.ndarray]


def shapes(config: SepformerConfig) -> dict[str, tuple[int, ...]]:
    """Shape of every tensor of the three files, positional encodings included."""
    width, hidden = config.channels, config.hidden
    layer = {  # * expands to weight, of this shape, and bias
        "self_att.att.in_proj_*": (3 * width, width),
        "self_att.att.out_proj.*": (width, width),
        "pos_ffn.ffn.0.*": (hidden, width),
        "pos_ffn.ffn.3.*": (width, hidden),
        "norm1.norm.*": (width,),
        "norm2.norm.*": (width,),
    }
    transformer = {
        **_repeated("mdl.layers", config.num_layers, layer),
        "mdl.norm.norm.*": (width,),
        TABLE: (1, _TABLE_ROWS, width),
    }
    block = {
        **{f"intra_mdl.{name}": shape for name, shape in transformer.items()},
        **{f"inter_mdl.{name}": shape for name, shape in transformer.items()},
        "intra_norm.*": (width,),
        "inter_norm.*": (width,),
    }
    masknet = {
        "norm.*": (width,),
        "conv1d.weight": (width, width, 1),
        **_repeated("dual_mdl", config.num_blocks, block),
        "conv2d.*": (width, width, 1, 1),
        "end_conv1x1.weight": (width, width, 1),
        "prelu.weight": (1,),
        "output.0.*": (width, width, 1),
        "output_gate.0.*": (width, width, 1),
    }
    patterns = {
        "encoder.conv1d.weight": (width, 1, config.kernel),
        **{f"masknet.{name}": shape for name, shape in masknet.items()},
        "decoder.weight": (width, 1, config.kernel),
    }
    return {
        pattern.replace("*", kind): shape if kind == "weight" else shape[:1]
        for pattern, shape in patterns.items()
        for kind in (("weight", "bias") if "*" in pattern else ("weight",))
    }


def _repeated(name, count, patterns):
    return {f"{name}.{i}.{p}": s for i in range(count) for p, s in patterns.items()}


def to_params(tensors: Tensors, config: SepformerConfig) -> dict:
    """Weights of `Sepformer` from tensors by SpeechBrain's names."""
    width = config.channels
    blocks = [
        {
            "intra": _transformer(tensors, f"masknet.dual_mdl.{i}.intra_mdl", config),
            "inter": _transformer(tensors, f"masknet.dual_mdl.{i}.inter_mdl", config),
            "intra_norm": _norm(tensors, f"masknet.dual_mdl.{i}.intra_norm"),
            "inter_norm": _norm(tensors, f"masknet.dual_mdl.{i}.inter_norm"),
        }
        for i in range(config.num_blocks)
    ]
    masknet = {
        "norm": _norm(tensors, "masknet.norm"),
        "bottleneck": _dense(tensors, "masknet.conv1d"),
        "blocks": _stacked(blocks),
        "slope": {"negative_slope": tensors["masknet.prelu.weight"][0]},
        "widen": _dense(tensors, "masknet.conv2d"),
        "output": _dense(tensors, "masknet.output.0"),
        "gate": _dense(tensors, "masknet.output_gate.0"),
        "end": _dense(tensors, "masknet.end_conv1x1"),
    }
    encoder = tensors["encoder.conv1d.weight"].reshape(width, config.kernel).T
    decoder = tensors["decoder.weight"].reshape(width, config.kernel)
    return {
        "params": {
            "encoder": {"kernel": encoder},
            "masknet": masknet,
            "decoder": {"kernel": decoder},
        }
    }


def _transformer(tensors, name, config):
    layers = [
        _layer(tensors, f"{name}.mdl.layers.{i}", config)
        for i in range(config.num_layers)
    ]
    return {
        "layers": _stacked(layers),
        "norm": _norm(tensors, f"{name}.mdl.norm.norm"),
    }


def _layer(tensors, name, config):
    attention = f"{name}.self_att.att"
    heads = (config.num_heads, config.channels // config.num_heads)
    weights = np.split(tensors[f"{attention}.in_proj_weight"], 3)
    biases = np.split(tensors[f"{attention}.in_proj_bias"], 3)
    projections = {
        which: {"kernel": weight.T.reshape(-1, *heads), "bias": bias.reshape(heads)}
        for which, weight, bias in zip(
            ("query", "key", "value"), weights, biases, strict=True
        )
    }
    out = _dense(tensors, f"{attention}.out_proj")
    out["kernel"] = out["kernel"].reshape(*heads, -1)
    return {
        "attention": {**projections, "out": out},
        "attention_norm": _norm(tensors, f"{name}.norm1.norm"),
        "up": _dense(tensors, f"{name}.pos_ffn.ffn.0"),
        "down": _dense(tensors, f"{name}.pos_ffn.ffn.3"),
        "up_norm": _norm(tensors, f"{name}.norm2.norm"),
    }


def _dense(tensors, name):
    """A linear layer or a convolution of kernel size 1."""
    weight = tensors[f"{name}.weight"]
    layer = {"kernel": weight.reshape(weight.shape[:2]).T}
    if f"{name}.bias" in tensors:
        layer["bias"] = tensors[f"{name}.bias"]
    return layer


def _norm(tensors, name):
    return {"scale": tensors[f"{name}.weight"], "bias": tensors[f"{name}.bias"]}


def _stacked(trees):
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)
