"""Trains hypernetworks: examples, gradients and update on devices.

Each device makes its share of the examples and their gradients, all by one program; the
first sums them up and updates. No device waits for another within the program: on a CPU of
few cores, collectives can wait for each other for ever.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float
from optax.contrib import MuonDimensionNumbers, muon

from inr_jax import audio, losses
from inr_jax.configs.hyper_gain import FieldConfig
from inr_jax.configs.hypernetwork import HypernetworkTraining
from inr_jax.data.datasets import Example
from inr_jax.dsp.stft import istft, sine_window, stft
from inr_jax.enhancement import api, neural
from inr_jax.models import hyper_gain, hyper_siren
from inr_jax.models.hyper_gain import HyperGain
from inr_jax.models.hyper_siren import HyperSiren
from inr_jax.models.hypersound import HyperSound
from inr_jax.parallel import precision, sharding
from inr_jax.training import state as states
from inr_jax.training.state import State

Network = HyperGain | HyperSiren | HyperSound
# Of "one_cycle": the share of the steps in which the rate rises, from a 25th of the
# largest; it ends at a 10,000th of where it began (HyperSound's released code).
_WARMUP_SHARE, _INITIAL_DIVISOR, _FINAL_DIVISOR = 0.05, 25.0, 1e4


def schedule(rate: float, config: HypernetworkTraining) -> optax.Schedule:
    """Learning rate over steps.

    Linear warm-up, constant, linear decay to 0; a rise and a longer fall by cosines with
    "one_cycle".
    """
    if config.optimizer == "one_cycle":
        return optax.cosine_onecycle_schedule(
            config.num_steps, rate, _WARMUP_SHARE, _INITIAL_DIVISOR, _FINAL_DIVISOR
        )
    steady = config.num_steps - config.warmup_steps - config.decay_steps
    parts = [
        optax.linear_schedule(0.0, rate, config.warmup_steps),
        optax.constant_schedule(rate),
        optax.linear_schedule(rate, 0.0, config.decay_steps),
    ]
    ends = [config.warmup_steps, config.warmup_steps + steady]
    return optax.join_schedules(parts, ends)


def adam_b1(num_steps: int) -> optax.Schedule:
    """beta_1 of Adam with "one_cycle": 0.95, down to 0.85 where the rate peaks, and back.

    Smith 2018, arXiv 1803.09820.
    """
    peak = _WARMUP_SHARE * num_steps

    def value(step):
        falling = (num_steps - step) / (num_steps - peak)
        share = jnp.clip(jnp.where(step < peak, step / peak, falling), 0, 1)
        return 0.95 - 0.1 * (1 - jnp.cos(jnp.pi * share)) / 2

    return value


def optimizer(config: HypernetworkTraining) -> optax.GradientTransformation:
    """Muon for kernels of convolutions and dense layers, Adam for the rest; or AdamW."""
    return optax.chain(
        optax.clip_by_global_norm(config.max_gradient_norm), _update_rule(config)
    )


def _update_rule(config):
    adam_rate = schedule(config.adam_rate, config)
    if config.optimizer == "muon":
        return muon(
            schedule(config.muon_rate, config),
            adam_learning_rate=adam_rate,
            weight_decay=config.weight_decay,
            muon_weight_dimension_numbers=_matrices,
        )
    if config.optimizer == "adamw":
        return optax.adamw(adam_rate, weight_decay=config.weight_decay)
    return optax.inject_hyperparams(optax.adamw)(
        adam_rate, b1=adam_b1(config.num_steps), weight_decay=config.weight_decay
    )


def _matrices(params):
    """Which weights Muon takes as matrices, and which of their axes are the output."""

    def of(path, x):
        dense = x.ndim == 2 and path[-1].key == "kernel"
        if x.ndim == 3:  # a matrix for each cell
            return MuonDimensionNumbers((1,), (2,))
        if x.ndim == 4 or dense:
            last = x.ndim - 1
            return MuonDimensionNumbers(tuple(range(last)), (last,))
        return None

    return jax.tree_util.tree_map_with_path(of, params)


def denoise(
    model: Network, params: Any, noisy: Float[Array, " samples"], sample_rate: int
) -> Float[Array, " samples"]:
    """The estimate of a noisy signal; for HyperSound, of `config.num_samples`."""
    if isinstance(model, HyperSound):
        return model.apply(params, noisy)
    if isinstance(model, HyperSiren):
        return hyper_siren.denoise(model, params, noisy)
    window = hyper_gain.window_of(sample_rate, model.config)
    return hyper_gain.denoise(model, params, noisy, window)


# One program for all validations of a training.
_estimate = precision.jit(denoise, static_argnames=("model", "sample_rate"))


def denoise_examples(
    params, examples: Sequence[Example], model: Network
) -> dict[int, np.ndarray]:
    """Estimates (samples,) of examples of one channel, by their positions."""
    if isinstance(model, HyperSound):
        return _in_windows(model, jax.device_get(params), examples)
    return {
        i: np.asarray(
            _estimate(model, params, example.noisy[:, 0], example.sample_rate)
        )
        for i, example in enumerate(examples)
    }


def _in_windows(model, params, examples):
    """Estimates by the method `hypersound`, which cross-fades windows."""
    recordings = [
        audio.Recording(example.noisy, example.sample_rate) for example in examples
    ]
    denoiser = neural.hypersound(model, params)
    estimates = api.denoise_recordings(denoiser, recordings, [0] * len(recordings))
    return {estimate.position: estimate.samples[:, 0] for estimate in estimates}


def fresh_params(key: jax.Array, model: Network) -> dict:
    """Weights of a network that has not been trained."""
    return precision.jit(model.init)(key, jnp.zeros(model.input_shape))


def divide(params: dict, training: HypernetworkTraining) -> tuple[dict, dict]:
    """Weights that are trained, and those that stay as they are."""
    if training.trained == "all":
        return params, {"params": {}}
    rest = dict(params["params"])
    return {"params": {"highs": rest.pop("highs")}}, {"params": rest}


def together(trained: dict, fixed: dict) -> dict:
    """All weights, from what `divide` gave."""
    return {"params": {**fixed["params"], **trained["params"]}}


def init(params: dict, training: HypernetworkTraining) -> State:
    """The state of a training that begins with these weights."""
    return precision.jit(lambda x: states.fresh(x, optimizer(training)))(params)


def compiled_step(
    data: Any,
    examples: Callable[[jax.Array, Any], tuple[jax.Array, jax.Array]],
    model: Network,
    sample_rate: int,
    training: HypernetworkTraining,
    seed: int,
    fixed: dict,
) -> Callable[[State], tuple[State, dict[str, jax.Array]]]:
    """`step(state)` over all devices of this process; takes the state's memory over.

    Args:
      data: What examples are made from, a pytree of arrays.
      examples: Makes them, of keys (examples,) and the data: noisy and clean ones
        (examples, samples).
      model: What is trained.
      sample_rate: Of the examples, Hz.
      training: How it is trained.
      seed: Of the examples.
      fixed: Weights that stay as they are, as from `divide`.

    Returns:
      A function to the next state and `loss`, its terms and `gradient_norm` before it.
    """
    num_devices = sharding.num_local_devices()
    share = training.batch_size // num_devices
    first = jax.local_devices()[0]
    data = sharding.put_on_each(data, num_devices)

    def terms_of(params, noisy, clean):
        estimate = denoise(model, together(params, fixed), noisy, sample_rate)
        if training.trained == "highs":
            window = hyper_gain.window_of(sample_rate, model.config)
            noisy, estimate, clean = (
                above_cells(x, window, model.config.field)
                for x in (noisy, estimate, clean)
            )
            peak = jnp.maximum(jnp.max(jnp.abs(noisy)), 1e-6)
            estimate, clean = estimate / peak, clean / peak
        return losses.terms(estimate, clean, len(clean), sample_rate, training.loss)

    def gradient_of(part, params, step, data):
        key = jax.random.fold_in(jax.random.key(seed), step)
        # the same examples on any number of devices
        keys = jax.random.split(key, training.batch_size)
        keys = jax.lax.dynamic_slice_in_dim(keys, part * share, share)
        noisy, clean = examples(keys, data)

        def mean_loss(params):
            terms = jax.vmap(terms_of, (None, 0, 0))(params, noisy, clean)
            means = jax.tree.map(jnp.mean, terms)
            return sum(means.values()), means

        (loss, terms), gradient = jax.value_and_grad(mean_loss, has_aux=True)(params)
        return {"loss": loss, **terms}, gradient

    gradients = precision.jit(sharding.on_each_device(gradient_of, num_devices))

    @precision.jit(donate_argnums=0)
    def update(state, parts):
        measured, gradient = jax.tree.map(lambda x: jnp.mean(x, axis=0), parts)
        new = states.apply_gradient(
            state, gradient, optimizer(training), training.ema_decay
        )
        return new, {**measured, "gradient_norm": optax.tree.norm(gradient)}

    def step(state):
        shared = sharding.put_on_each((state.params, state.step), num_devices)
        parts = gradients(*shared, data)
        # all on the first device from the first step on, for one program
        return jax.block_until_ready(update(*jax.device_put((state, parts), first)))

    return step


def above_cells(
    signal: Float[Array, " samples"], window: int, config: FieldConfig
) -> Float[Array, " samples"]:
    """The band of a signal above the cells of a field."""
    hop, window = window // 2, sine_window(window)
    spectrum = stft(signal, window, hop)
    is_above = np.arange(spectrum.shape[1]) >= config.num_cells * config.cell_bins
    return istft(spectrum * is_above[None], window, hop, len(signal))
