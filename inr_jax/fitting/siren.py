"""Steps of the fit of one SIREN to one signal, as pure functions to jit, vmap or map."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int, Key

from inr_jax import losses
from inr_jax.configs.fitting import FitConfig
from inr_jax.fitting import driver
from inr_jax.nn import coords, siren
from inr_jax.parallel.compute import STANDARD, ComputeConfig


class Signal(NamedTuple):
    """A padded target: float32 samples (padded,), of which `num_samples` count."""

    samples: jax.Array
    num_samples: jax.Array


class State(NamedTuple):
    """Everything that changes from step to step of one fit."""

    params: siren.Params
    opt_state: optax.OptState


def init(key: Key[Array, ""], config: FitConfig) -> State:
    """State before the first step."""
    params = siren.init(key, config.siren)
    return State(params, _optimizer(config).init(params))


def update(
    state: State,
    signal: Signal,
    sample_rate: int,
    config: FitConfig,
    compute: ComputeConfig = STANDARD,
) -> tuple[State, Float[Array, ""]]:
    """One step; also returns the loss before it."""
    loss_and_grad = (
        _whole_loss_and_grad if config.loss.spectral else _blockwise_loss_and_grad
    )
    value, grads = loss_and_grad(state.params, signal, sample_rate, config, compute)
    updates, opt_state = _optimizer(config).update(grads, state.opt_state)
    return State(optax.apply_updates(state.params, updates), opt_state), value


def evaluate(
    params: siren.Params,
    index: Float[Array, " positions"],
    num_samples: Int[ArrayLike, ""],
    sample_rate: int,
    config: FitConfig,
    compute: ComputeConfig = STANDARD,
) -> Float[Array, " positions"]:
    """The signal that one fitted SIREN represents, in bounded memory.

    Args:
      params: Weights.
      index: Positions in samples; fractions lie between samples, so that a finer grid
        gives a higher rate.
      num_samples: Length of the clip that was fitted.
      sample_rate: Its rate in Hz.
      config: As it was fitted.
      compute: Sine, precision and block; `compute.default_compute()` suits the device.
    """

    @jax.checkpoint
    def block(positions):
        return _values(params, positions, num_samples, sample_rate, config, compute)

    return jax.lax.map(block, _blocks(index, compute)).reshape(-1)[: index.shape[0]]


class Inputs(NamedTuple):
    """What the fits of a batch differ in.

    Attributes:
      key: Draws the first weights.
      signal: What to fit, scaled to a peak of about 1.
      start: Weights to begin with, instead of those.
    """

    key: jax.Array
    signal: Signal
    start: siren.Params | None = None


@dataclasses.dataclass(frozen=True)
class SirenProblem(driver.Problem):
    """Fits of one SIREN to each signal; gives weights and the signal (padded,).

    Attributes:
      config: Of all fits.
      sample_rate: In Hz.
    """

    config: FitConfig
    sample_rate: int

    def size(self, inputs):
        return self.config.siren.width, inputs.signal.samples.shape[-1]

    def config_of(self, inputs) -> FitConfig:
        """The settings of one fit."""
        del inputs
        return self.config

    def init(self, inputs):
        state = init(inputs.key, self.config)
        if inputs.start is None:
            return state
        # a copy, as the state's memory is given away with each step
        return state._replace(params=jax.tree.map(jnp.copy, inputs.start))

    def update(self, state, step, prepared, compute):
        del step  # the optimiser counts
        config = self.config_of(prepared)
        return update(state, prepared.signal, self.sample_rate, config, compute)

    def result(self, state, inputs, compute):
        return state.params, on_samples(
            state.params, inputs.signal, self.sample_rate, self.config, compute
        )


def on_samples(
    params: siren.Params,
    signal: Signal,
    sample_rate: int,
    config: FitConfig,
    compute: ComputeConfig,
) -> Float[Array, " padded"]:
    """The estimate of a fitted signal."""
    index = jnp.arange(signal.samples.shape[0], dtype=jnp.float32)
    return evaluate(params, index, signal.num_samples, sample_rate, config, compute)


def _optimizer(config):
    rate = config.learning_rate
    if config.schedule == "cosine":
        rate = optax.cosine_decay_schedule(rate, config.num_steps)
    return optax.adam(rate)


def _whole_loss_and_grad(params, signal, sample_rate, config, compute):
    """For losses that see the whole signal: activations of a block are recomputed."""
    index = jnp.arange(signal.samples.shape[0], dtype=jnp.float32)

    def loss_fn(params):
        estimate = evaluate(
            params, index, signal.num_samples, sample_rate, config, compute
        )
        return losses.total(estimate, *signal, sample_rate, config.loss)

    return jax.value_and_grad(loss_fn)(params)


def _blockwise_loss_and_grad(params, signal, sample_rate, config, compute):
    """For pointwise losses: summed over blocks, nothing is computed twice."""
    targets = _blocks(signal.samples, compute)
    index = jnp.arange(targets.size, dtype=jnp.float32).reshape(targets.shape)

    def block_loss(params, positions, target):
        count = signal.num_samples
        estimate = _values(params, positions, count, sample_rate, config, compute)
        loss = losses.per_sample(estimate, target, config.loss)
        return jnp.sum(loss, where=positions < count) / count

    def add_block(i, total):
        new = jax.value_and_grad(block_loss)(params, index[i], targets[i])
        return jax.tree.map(jnp.add, total, new)

    zero = (jnp.zeros((), jnp.float32), jax.tree.map(jnp.zeros_like, params))
    # blocks of nothing but padding are left out
    num_blocks = -(-signal.num_samples // targets.shape[1])
    return jax.lax.fori_loop(0, num_blocks, add_block, zero)


def _values(params, index, num_samples, sample_rate, config, compute):
    t = coords.time_coords(index, num_samples, config.coordinates, sample_rate)
    return siren.apply(params, t[:, None], config.siren_at(sample_rate), compute)[:, 0]


def _blocks(x: jax.Array, compute: ComputeConfig) -> jax.Array:
    """(n,) as (blocks, block), zeros behind."""
    block = min(compute.block_samples, x.shape[0])
    return jnp.pad(x, (0, -x.shape[0] % block)).reshape(-1, block)
