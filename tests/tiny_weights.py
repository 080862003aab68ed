"""Tiny HyperGains with untrained weights, also kept as the shipped ones are."""

import dataclasses

import jax
import jax.numpy as jnp

from inr_jax.configs.hyper_gain import FieldConfig, HyperGainConfig
from inr_jax.models import pretrained
from inr_jax.models.hyper_gain import HyperGain

CONFIG = HyperGainConfig(
    field=FieldConfig(num_cells=3, high_edges_hz=(750, 850, 1000)),
    channels=4,
    dilations_before=((1, 2),),
    dilations_after=((2, 1),),
    frame_channels=8,
    frame_dilations=(1, 2),
    level_frames=20,
)
CAUSAL = dataclasses.replace(CONFIG, causal=True)


def fresh(config, scale=2.0):
    """Weights that do something."""
    bins = config.field.num_cells * config.field.cell_bins
    params = jax.jit(HyperGain(config).init)(jax.random.key(0), jnp.zeros((4, bins)))
    return jax.tree.map(lambda x: scale * x, params)


def save(folder, config, step=0):
    """Writes them; the folder."""
    pretrained.save(folder, config, fresh(config), step)
    return folder
