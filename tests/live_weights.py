"""Untrained weights of a tiny causal HyperGain, kept as the shipped ones are."""

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
    causal=True,
)


def save(folder):
    """Writes them; the folder."""
    params = jax.jit(HyperGain(CONFIG).init)(jax.random.key(0), jnp.zeros((4, 33)))
    pretrained.save(folder, CONFIG, jax.tree.map(lambda x: 2 * x, params), 0)
    return folder
