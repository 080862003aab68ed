import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import TINY

from inr_jax.models import mask_net
from inr_jax.models.stft_mask import StftMaskNet

SMALL = StftMaskNet(TINY)


@pytest.mark.slow
def test_a_larger_model_goes_on_from_a_smaller_one():
    small = SMALL.init(jax.random.key(0), jnp.zeros(1024))
    config = dataclasses.replace(
        SMALL.config, dilations=(1, 2, 4), band_dilations=(1, 2)
    )
    large = StftMaskNet(config)
    noisy, clean = jax.random.normal(jax.random.key(2), (2, 1024))
    drawn = large.init(jax.random.key(1), noisy)
    expanded = mask_net.expand_params(small, drawn)
    np.testing.assert_allclose(
        large.apply(expanded, noisy), SMALL.apply(small, noisy), atol=1e-6
    )
    assert jax.tree.structure(expanded) == jax.tree.structure(drawn)

    def loss(params):
        return jnp.mean((large.apply(params, noisy) - clean) ** 2)

    state = expanded
    for _ in range(2):  # behind a kernel of 0 the first step moves nothing
        slope = jax.grad(loss)(state)
        state = jax.tree.map(lambda x, dx: x - 0.1 * dx, state, slope)
    moved = jax.tree.map(lambda a, b: jnp.any(a != b), state, expanded)
    assert all(jax.tree.leaves(moved))
    with pytest.raises(ValueError, match="no place for .*_1"):
        mask_net.expand_params(drawn, small)
