"""Gain field: SIRENs over time and frequency that denoise one clip without training data.

A SIREN maps the time and the frequency of an STFT bin, and the power of bins around it, to
a gain in (0, 1). It is fitted to the noisy clip alone, by Stein's unbiased risk estimate
(Stein 1981), which needs the noise PSD but no clean signal. The network is a blind-spot
network (Noise2Void, Krull et al. 2019; Laine et al. 2019): its inputs leave out its own bin
and those whose noise is correlated with it, so that the divergence in the estimate is known
exactly; but for the outermost bins (3 % of 4 s of sound), whose context beyond
the edge is the edge itself. The bin itself enters by a closed form with a known derivative.
The gain that is applied is the geometric mean of those of several networks.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from inr_jax.configs.fitting import GainFieldConfig
from inr_jax.enhancement.classical import OVERLAP, window_of
from inr_jax.fitting import driver
from inr_jax.nn import siren
from inr_jax.parallel import bucketing
from inr_jax.parallel.compute import ComputeConfig, default_compute

# Bins around (frames, bins): frames less than four away overlap, and within a frame the
# window spreads noise over one bin to each side.
CONTEXT = (
    *((0, df) for df in (-6, -4, -3, -2, 2, 3, 4, 6)),
    *((s * 4, df) for s in (-1, 1) for df in range(-3, 4)),
    *((s * 6, df) for s in (-1, 1) for df in range(-2, 3)),
    *((s * 9, df) for s in (-1, 1) for df in (-2, 0, 2)),
)
MARGIN = tuple(max(abs(offset[axis]) for offset in CONTEXT) for axis in (0, 1))
NUM_INPUTS = 2 + len(CONTEXT)
# Posterior SNRs are held below this: gains there are 1 but for half a percent.
LARGEST_RATIO = 200.0


def gain_of(
    field: Float[Array, " 2"], ratio: Float[Array, ""]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Gain of one bin and its derivative by the bin's own posterior SNR.

    The logit of the gain is linear in log(1 + ratio), rising.

    Args:
      field: Outputs of a network for the bin: offset and slope, unbounded.
      ratio: Posterior SNR: power over noise power.
    """
    slope = jax.nn.softplus(field[1] - 1)
    gain = jax.nn.sigmoid(field[0] + slope * (jnp.log1p(ratio) - 1))
    return gain, gain * (1 - gain) * slope / (1 + ratio)


def unbiased_risk(
    field: Float[Array, " 2"], ratio: Float[Array, ""], divergence: bool = True
) -> Float[Array, ""]:
    """Unbiased estimate of |gain * noisy - clean|**2 / noise power of one bin.

    For complex Gaussian noise (Stein 1981): (1 - G)^2 r + 2 (G + r dG/dr) - 1. Without
    the `divergence` by the bin's own power, r dG/dr, it is biased. Of linked channels it
    is that of noise that all of them share: where each has its own, less would count.
    """
    gain, slope = gain_of(field, ratio)
    if not divergence:
        slope = 0
    return (1 - gain) ** 2 * ratio + 2 * (gain + ratio * slope) - 1


def features(
    padded: Float[Array, "frames bins"],
    frame: Int[Array, ""],
    bin_: Int[Array, ""],
    scales: Float[Array, " 2"],
) -> Float[Array, " inputs"]:
    """The `NUM_INPUTS` inputs of a network for one bin.

    Args:
      padded: Context, with `MARGIN` more at all sides.
      frame: Index of the bin in time.
      bin_: Index of the bin in frequency.
      scales: Inputs for a frame and for a bin.
    """
    at = jnp.array(CONTEXT) + jnp.array(MARGIN)[None, :]
    around = padded[frame + at[:, 0], bin_ + at[:, 1]]
    return jnp.concatenate([jnp.stack([frame, bin_]) * scales, around])


def fit_gains(
    keys: Sequence[jax.Array],
    ratios: Float[np.ndarray, "clips frames bins"],
    num_frames: Int[np.ndarray, " clips"],
    sample_rate: int,
    config: GainFieldConfig,
    compute: ComputeConfig | None = None,
) -> Float[np.ndarray, "clips frames bins"]:
    """Fits an ensemble of gain fields to each clip; clips share nothing.

    Args:
      keys: One for each clip.
      ratios: Posterior SNRs: power over noise power, padded to one length.
      num_frames: How many frames belong to each clip.
      sample_rate: In Hz.
      config: Networks and fit.
      compute: By default what suits the device.

    Returns:
      Gains: the geometric mean over the networks of a clip.
    """
    compute = compute or default_compute()
    ratios = np.asarray(ratios, np.float32)
    fits = [
        Inputs(key, np.int32(field), ratio, np.int32(count))
        for key, ratio, count in zip(keys, ratios, num_frames, strict=True)
        for field in range(config.num_fields)
    ]
    fitted = driver.run(
        GainFieldProblem(config, sample_rate),
        fits,
        compute,
        slots=bucketing.num_slots(len(fits), compute.num_devices),
        steps_per_call=config.num_steps,  # each call draws all bins anew
        labels=[
            f"clip {i}, network {field}"
            for i in range(len(ratios))
            for field in range(config.num_fields)
        ],
    )
    gains = np.stack([one.result for one in fitted])
    gains = gains.reshape(len(ratios), config.num_fields, *ratios.shape[1:])
    with np.errstate(divide="ignore"):  # a gain of 0 stays one
        return np.exp(np.mean(np.log(gains), axis=1))


class Inputs(NamedTuple):
    """What the fits of a batch differ in.

    Attributes:
      key: Of the clip.
      field: Number of the network in the ensemble of the clip.
      ratios: (frames, bins) power over noise power.
      num_frames: How many of the frames belong to the clip.
    """

    key: jax.Array
    field: jax.Array
    ratios: jax.Array
    num_frames: jax.Array

    def keys(self) -> jax.Array:
        """For first weights, frames and bins."""
        return jax.random.split(jax.random.fold_in(self.key, self.field), 3)


class State(NamedTuple):
    """Everything that changes from step to step of one network."""

    params: siren.Params
    opt_state: optax.OptState


class Prepared(NamedTuple):
    """What the steps of a fit take.

    Attributes:
      ratios: (frames, bins), held below `LARGEST_RATIO`.
      context: Their logarithm, the inputs of a network, with `MARGIN` more at all sides.
      frames: Of the bins that each step draws, (steps, bins drawn).
      bins: The same.
    """

    ratios: jax.Array
    context: jax.Array
    frames: jax.Array
    bins: jax.Array


@dataclasses.dataclass(frozen=True)
class GainFieldProblem(driver.Problem):
    """Fits of one network to each clip by Stein's risk; gives gains (frames, bins).

    Attributes:
      config: Networks and fit.
      sample_rate: In Hz.
    """

    config: GainFieldConfig
    sample_rate: int

    def size(self, inputs):
        return self.config.siren.width, self.config.num_bins

    def init(self, inputs):
        params = siren.init(inputs.keys()[0], self.config.siren, NUM_INPUTS, 2)
        # uniform within 1/2 whatever the number of inputs, as for time and frequency alone
        params[0]["kernel"] *= NUM_INPUTS / 2
        return State(params, self._optimizer().init(params))

    def prepare(self, inputs):
        ratios, context = self._capped(inputs)
        _, frame_key, bin_key = inputs.keys()
        shape = (self.config.num_steps, self.config.num_bins)
        frames = jax.random.randint(frame_key, shape, 0, inputs.num_frames)
        bins = jax.random.randint(bin_key, shape, 0, ratios.shape[1])
        return Prepared(ratios, context, frames, bins)

    def update(self, state, step, prepared, compute):
        frame, bin_ = prepared.frames[step], prepared.bins[step]
        ratio = prepared.ratios[frame, bin_]

        def risk(params):
            field = self._field_at(params, prepared.context, frame, bin_, compute)
            risks = jax.vmap(lambda f, r: unbiased_risk(f, r, self.config.divergence))
            return jnp.mean(risks(field, ratio))

        value, grads = jax.value_and_grad(risk)(state.params)
        updates, opt_state = self._optimizer().update(grads, state.opt_state)
        return State(optax.apply_updates(state.params, updates), opt_state), value

    def result(self, state, inputs, compute):
        ratios, context = self._capped(inputs)

        def of_frame(frame):
            bins = jnp.arange(ratios.shape[1])
            frames = jnp.full_like(bins, frame)
            field = self._field_at(state.params, context, frames, bins, compute)
            return jax.vmap(gain_of)(field, ratios[frame])[0]

        return jax.lax.map(of_frame, jnp.arange(ratios.shape[0]), batch_size=16)

    def diverged(self, losses):
        """Each step draws other bins, so that a risk may end above its first one."""
        return not np.isfinite(losses[-1])

    def _optimizer(self):
        rate, steps = self.config.learning_rate, self.config.num_steps
        return optax.adam(optax.cosine_decay_schedule(rate, steps))

    def _capped(self, inputs):
        """Ratios held below the largest, and their context with margins."""
        ratios = jnp.minimum(inputs.ratios, LARGEST_RATIO)
        context = self.config.context_scale * jnp.log10(1 + ratios)
        return ratios, jnp.pad(context, [(m, m) for m in MARGIN], mode="edge")

    def _field_at(self, params, context, frame, bin_, compute):
        """Outputs of a network for bins, (bins, 2)."""
        config, window = self.config, window_of(self.sample_rate)
        seconds_per_frame = window / OVERLAP / self.sample_rate
        khz_per_bin = self.sample_rate / window / 1000
        scales = jnp.array(
            [
                config.time_scale * seconds_per_frame,
                config.frequency_scale * khz_per_bin,
            ]
        )
        x = jax.vmap(lambda f, b: features(context, f, b, scales))(frame, bin_)
        return siren.apply(params, x, config.siren, compute)
