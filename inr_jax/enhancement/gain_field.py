"""Gain field: SIRENs over time and frequency that denoise one clip without training data.

A SIREN maps the time and the frequency of a bin of the spectrum, and the power of bins
around it, to a gain in (0, 1). It is fitted to the noisy clip alone, by Stein's unbiased
estimate of the squared error (Stein 1981), which needs the noise power but no clean
signal. The estimate is exact, divergence included, because a network never sees its own
bin nor one whose noise is correlated with it ("blind"); what the bin itself tells enters
by a closed form with a known derivative. The gains of several networks are averaged.
"""

import jax
import jax.numpy as jnp
import optax

from inr_jax.configs.fitting import GainFieldConfig
from inr_jax.nn import siren
from inr_jax.parallel.compute import ComputeConfig

# Bins around (frames, bins): frames less than four away overlap, and within a frame the
# window spreads noise over one bin to each side.
CONTEXT = (
    *((0, df) for df in (-6, -4, -3, -2, 2, 3, 4, 6)),
    *((s * 4, df) for s in (-1, 1) for df in range(-3, 4)),
    *((s * 6, df) for s in (-1, 1) for df in range(-2, 3)),
    *((s * 9, df) for s in (-1, 1) for df in (-2, 0, 2)),
)
_MARGIN = tuple(max(abs(offset[axis]) for offset in CONTEXT) for axis in (0, 1))
NUM_INPUTS = 2 + len(CONTEXT)
# Posterior ratios are held below this: gains there are 1 but for half a percent.
LARGEST_RATIO = 200.0


def gain_of(field: jax.Array, ratio: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Gain of one bin and its derivative by the bin's own posterior ratio.

    The logit of the gain is a line in log(1 + ratio), rising.

    Args:
      field: (2,) what a network says of the bin: offset and slope, unbounded.
      ratio: Power over noise power.
    """
    slope = jax.nn.softplus(field[1] - 1)
    gain = jax.nn.sigmoid(field[0] + slope * (jnp.log1p(ratio) - 1))
    return gain, gain * (1 - gain) * slope / (1 + ratio)


def unbiased_risk(
    field: jax.Array, ratio: jax.Array, divergence: bool = True
) -> jax.Array:
    """Unbiased estimate of |gain * noisy - clean|**2 / noise power of one bin.

    For complex Gaussian noise (Stein 1981): (1 - G)^2 r + 2 (G + r dG/dr) - 1. Without
    the `divergence` by the bin's own power, r dG/dr, it is biased.
    """
    gain, slope = gain_of(field, ratio)
    if not divergence:
        slope = 0
    return (1 - gain) ** 2 * ratio + 2 * (gain + ratio * slope) - 1


def inputs(
    padded: jax.Array, frame: jax.Array, bin_: jax.Array, scales: jax.Array
) -> jax.Array:
    """What a network sees of one bin, (NUM_INPUTS,).

    Args:
      padded: Context (frames, bins) with `_MARGIN` more at all sides.
      frame: Index of the bin in time.
      bin_: Index of the bin in frequency.
      scales: (2,) inputs for a frame and for a bin.
    """
    at = jnp.array(CONTEXT) + jnp.array(_MARGIN)[None, :]
    around = padded[frame + at[:, 0], bin_ + at[:, 1]]
    return jnp.concatenate([jnp.stack([frame, bin_]) * scales, around])


def fit(
    key: jax.Array,
    ratios: jax.Array,
    num_frames: jax.Array,
    seconds_per_frame: float,
    khz_per_bin: float,
    config: GainFieldConfig,
    compute: ComputeConfig | None = None,
) -> jax.Array:
    """Gains (frames, bins) of one clip by one network fitted to it.

    Pure and traceable: jit it, or map it over clips and keys.

    Args:
      key: Draws first weights and bins.
      ratios: (frames, bins) power over noise power.
      num_frames: How many of the frames belong to the clip.
      seconds_per_frame: Hop.
      khz_per_bin: Frequency resolution.
      config: Networks and fit.
      compute: By default what suits the device.
    """
    ratios = jnp.minimum(ratios, LARGEST_RATIO)
    context = config.context_scale * jnp.log10(1 + ratios)
    padded = jnp.pad(context, [(m, m) for m in _MARGIN], mode="edge")
    scales = jnp.array(
        [config.time_scale * seconds_per_frame, config.frequency_scale * khz_per_bin]
    )

    def field_at(params, frame, bin_):
        x = jax.vmap(lambda f, b: inputs(padded, f, b, scales))(frame, bin_)
        return siren.apply(params, x, config.siren, compute)

    params = _fit_field(key, field_at, ratios, num_frames, config)

    def of_frame(frame):
        bins = jnp.arange(ratios.shape[1])
        field = field_at(params, jnp.full_like(bins, frame), bins)
        return jax.vmap(gain_of)(field, ratios[frame])[0]

    return jax.lax.map(of_frame, jnp.arange(ratios.shape[0]), batch_size=16)


def _fit_field(key, field_at, ratios, num_frames, config):
    """Weights of one network."""
    init_key, frame_key, bin_key = jax.random.split(key, 3)
    params = siren.init(init_key, config.siren, NUM_INPUTS, 2)
    # uniform within 1/2 whatever the number of inputs, as for time and frequency alone
    params[0]["kernel"] *= NUM_INPUTS / 2
    tx = optax.adam(optax.cosine_decay_schedule(config.learning_rate, config.num_steps))

    def risk(params, frame, bin_):
        field = field_at(params, frame, bin_)
        risks = jax.vmap(lambda f, r: unbiased_risk(f, r, config.divergence))
        return jnp.mean(risks(field, ratios[frame, bin_]))

    def step(carry, drawn):
        params, state = carry
        updates, state = tx.update(jax.grad(risk)(params, *drawn), state)
        return (optax.apply_updates(params, updates), state), None

    shape = (config.num_steps, config.num_bins)
    frames = jax.random.randint(frame_key, shape, 0, num_frames)
    bins = jax.random.randint(bin_key, shape, 0, ratios.shape[1])
    return jax.lax.scan(step, (params, tx.init(params)), (frames, bins))[0][0]
