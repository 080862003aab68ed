"""One step of the published fit as it is first written, to measure and test against.

Full batch, one SIREN a clip, mean squared error, Adam 1e-4: in plain JAX, and in PyTorch
(not required; compiled, it also needs a C++ compiler).
"""

import itertools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax

from inr_jax.configs.fitting import SirenConfig
from inr_jax.nn.siren import Params

LEARNING_RATE = 1e-4


def plain_jax(
    params: Params, signals: np.ndarray, config: SirenConfig
) -> Callable[[], jax.Array]:
    """Gives a function that makes one step of all clips, the same each time.

    `jnp.sin`, all samples at once, `vmap` over clips.

    Args:
      params: First weights, stacked (clips, ...).
      signals: (clips, samples).
      config: Frequencies of the networks.

    Returns:
      Function without arguments; gives the losses (clips,) before the step.
    """
    t = jnp.linspace(-1, 1, signals.shape[1])[:, None]
    tx = optax.adam(LEARNING_RATE)

    def loss_fn(params, target):
        x, omega = t, config.first_omega
        for layer in params[:-1]:
            x = jnp.sin(omega * (x @ layer["kernel"] + layer["bias"][None]))
            omega = config.hidden_omega
        estimate = x @ params[-1]["kernel"] + params[-1]["bias"][None]
        return jnp.mean((estimate[:, 0] - target) ** 2)

    def step(params, state, target):
        loss, grads = jax.value_and_grad(loss_fn)(params, target)
        updates, state = tx.update(grads, state)
        return optax.apply_updates(params, updates), state, loss

    args = (params, jax.vmap(tx.init)(params), jnp.asarray(signals))
    compiled = jax.jit(jax.vmap(step)).lower(*args).compile()
    return lambda: jax.block_until_ready(compiled(*args))[2]


def pytorch(
    params: Params,
    signals: np.ndarray,
    config: SirenConfig,
    compiled: bool = False,
    device: str = "cpu",
) -> Callable[[], np.ndarray]:
    """Like `plain_jax`, in PyTorch, clip after clip; its weights move with each call.

    Args:
      params: First weights of every clip, not stacked.
      signals: (clips, samples).
      config: Frequencies of the network.
      compiled: Through `torch.compile` instead of eagerly.
      device: PyTorch's name of where to compute; losses come to the host at the end.

    Raises:
      ImportError: PyTorch is not installed.
    """
    import torch

    layers = [
        tuple(
            torch.tensor(np.array(array), device=device, requires_grad=True)
            for array in (layer["kernel"].T, layer["bias"])
        )
        for layer in params
    ]
    t = torch.linspace(-1, 1, signals.shape[1], device=device)[:, None]
    targets = torch.tensor(signals, device=device)[:, :, None]
    optimizer = torch.optim.Adam(itertools.chain(*layers), LEARNING_RATE)

    def loss_fn(target):
        x, omega = t, config.first_omega
        for layer in layers[:-1]:
            x = torch.sin(omega * torch.nn.functional.linear(x, *layer))
            omega = config.hidden_omega
        estimate = torch.nn.functional.linear(x, *layers[-1])
        return torch.mean((estimate - target) ** 2)

    forward = torch.compile(loss_fn) if compiled else loss_fn

    def step(target):
        loss = forward(target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return lambda: torch.stack([step(x) for x in targets]).numpy(force=True)
