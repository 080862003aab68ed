"""Target networks of HyperSound: layout, initialisation and evaluation."""

import itertools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from inr_jax.configs.fitting import FitConfig, SirenConfig
from inr_jax.configs.hypersound import HyperSoundConfig
from inr_jax.nn import fourier_mlp, siren


def layer_sizes(config: HyperSoundConfig) -> list[tuple[int, int]]:
    """Input and output units of each layer of the target network."""
    inputs = fourier_mlp.NUM_FEATURES if config.target == "nerf" else 1
    return list(itertools.pairwise((inputs, *[config.width] * config.num_layers, 1)))


def siren_config(config: HyperSoundConfig) -> SirenConfig:
    """The config for `siren.apply`, for targets that are SIRENs."""
    return SirenConfig(
        config.width, config.num_layers - 1, config.first_omega, config.hidden_omega
    )


def evaluate(
    params: siren.Params, times: Float[Array, " n"], config: HyperSoundConfig
) -> Float[Array, " n"]:
    """Values of an emitted network at times in [-1, 1], the ends of the clip."""
    if config.target == "nerf":
        return fourier_mlp.apply(params, times[:, None])[:, 0]
    return siren.apply(params, times[:, None], siren_config(config))[:, 0]


def on_grid(
    params: siren.Params, count: int, config: HyperSoundConfig, upsample: int = 1
) -> Float[Array, " upsampled"]:
    """Values of a network emitted for a clip of `count` samples, upsample * count."""
    times = 2 * jnp.arange(upsample * count) / (upsample * (count - 1)) - 1
    return evaluate(params, times, config)


def sound(
    params: siren.Params,
    noisy: Float[Array, " samples"],
    config: HyperSoundConfig,
    upsample: int = 1,
) -> Float[Array, " upsampled"]:
    """The denoised signal of a network emitted for `noisy`, at the level of `noisy`."""
    return peak(noisy) * on_grid(params, noisy.shape[0], config, upsample)


def finetune(
    params: siren.Params,
    noisy: Float[Array, " samples"],
    config: HyperSoundConfig,
    num_steps: int,
) -> siren.Params:
    """Fine-tunes emitted weights on the noisy signal: Adam, squared error.

    Args:
      params: As emitted for the signal.
      noisy: The signal.
      config: Of the hypernetwork.
      num_steps: Full-batch steps; with many the network overfits the noise.
    """
    optimizer = optax.adam(FitConfig.learning_rate)
    target = noisy / peak(noisy)

    def loss(params):
        return jnp.mean((on_grid(params, noisy.shape[0], config) - target) ** 2)

    def step(state, _):
        params, opt_state = state
        updates, opt_state = optimizer.update(jax.grad(loss)(params), opt_state)
        return (optax.apply_updates(params, updates), opt_state), None

    state = (params, optimizer.init(params))
    return jax.lax.scan(step, state, length=num_steps)[0][0]


def peak(noisy: Float[Array, " samples"]) -> Float[Array, ""]:
    """Peak by which a signal is normalised for the hypernetwork; never 0."""
    return jnp.maximum(jnp.max(jnp.abs(noisy)), 1e-9)


def head_bounds(config: HyperSoundConfig) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of the uniform initialisation of the head's kernel columns and bias.

    "Hyperfan-in" (Chang et al. 2020): emitted weights initially have the variance of a
    directly trained network. For a SIREN the kernel's bounds are a thousandth of that,
    and the bias is one random SIREN, initially shared by all clips.
    """
    kernel, bias = [], []
    for _, (fan_in, fan_out) in emitted_layers(config):
        for count, variance in ((fan_in * fan_out, 1 / fan_in), (fan_out, 1.0)):
            bound = np.sqrt(3 * variance / config.hidden[-1])
            if config.target == "siren":
                kernel.append(np.full(count, 1e-3 * bound))
                bias.append(np.full(count, siren_bound(fan_in, config)))
            else:
                kernel.append(np.full(count, bound))
                bias.append(np.zeros(count))
    return np.concatenate(kernel), np.concatenate(bias)


def emitted_layers(config: HyperSoundConfig) -> list[tuple[int, tuple[int, int]]]:
    """Position and sizes of the layers whose weights the hypernetwork emits."""
    return [
        (i, sizes)
        for i, sizes in enumerate(layer_sizes(config))
        if i not in config.shared_layers
    ]


def shared_bound(fan_in: int, config: HyperSoundConfig) -> float:
    """Bound of the uniform initialisation of a layer shared by all clips."""
    if config.target == "siren":
        return siren_bound(fan_in, config)
    return fan_in**-0.5


def siren_bound(fan_in: int, config: HyperSoundConfig) -> float:
    """Bound of the uniform initialisation of a SIREN layer."""
    return 1.0 if fan_in == 1 else np.sqrt(6 / fan_in) / config.hidden_omega


def split(flat: Float[Array, " weights"], config: HyperSoundConfig) -> siren.Params:
    """Layers from the head's output, laid out as w0 (out, in), b0, w1, ..."""
    layers, start = [], 0
    for _, (fan_in, fan_out) in emitted_layers(config):
        middle, stop = start + fan_in * fan_out, start + (fan_in + 1) * fan_out
        kernel = flat[start:middle].reshape(fan_out, fan_in).T
        layers.append({"kernel": kernel, "bias": flat[middle:stop]})
        start = stop
    return layers


def as_siren(layers: siren.Params, config: HyperSoundConfig) -> siren.Params:
    """HyperSound's sin(W (omega x) + b) as the sin(omega (W x + b)) of `siren.apply`.

    In `siren.apply` omega multiplies biases and not the last layer, in HyperSound's
    code the reverse.
    """
    if config.target == "nerf":
        return layers
    omegas = [config.first_omega] + [config.hidden_omega] * (len(layers) - 1)
    changed = [
        {"kernel": layer["kernel"], "bias": layer["bias"] / omega}
        for layer, omega in zip(layers[:-1], omegas, strict=False)
    ]
    last = {"kernel": omegas[-1] * layers[-1]["kernel"], "bias": layers[-1]["bias"]}
    return [*changed, last]


def uniform_within(bounds) -> Callable:
    """Initializer: uniform in [-bounds, bounds], which broadcast."""

    def init(key, shape, dtype=jnp.float32):
        return jnp.asarray(bounds, dtype) * jax.random.uniform(
            key, shape, dtype, -1.0, 1.0
        )

    return init
