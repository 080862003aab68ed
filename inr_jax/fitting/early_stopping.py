"""Where to stop fitting a SIREN to noisy samples, told without the clean ones.

"discrepancy": where the energy of the residual reaches that of the noise (Morozov 1966).
"sure": where Stein's unbiased risk estimate is least; its divergence comes from a second
fit of the same first weights to the samples plus a little known noise (Ramani et al. 2008,
"Monte-Carlo SURE").
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from inr_jax.configs.fitting import FitConfig
from inr_jax.fitting import stepping, sweep
from inr_jax.fitting.fitting import Signal
from inr_jax.parallel import bucketing
from inr_jax.parallel.compute import ComputeConfig, default_compute

RULES = ("discrepancy", "sure")
# Steps between looks.
EVERY = 25
# Deviation of the added noise over that of the noise. Smaller ones drown in what rounding
# does to a path of Adam: at .1 the estimate was off by up to .3, at .3 by .05.
_PROBE = 0.3


class Stopped(NamedTuple):
    """A fit at the step that a rule chose: estimate (samples,) at the clip's level.

    `criteria` holds step to what the rule minimises: for "sure" the estimated mean
    squared error over the variance of the noise, for "discrepancy" how far the residual
    is from that variance, relatively.
    """

    estimate: np.ndarray
    step: int
    criteria: dict[int, float]


def fit_many(
    keys: Sequence[jax.Array],
    signals: Sequence[np.ndarray],
    sample_rates: Sequence[int],
    noise_variances: Sequence[float],
    config: FitConfig,
    rule: str,
    on_clips: Callable[[float], None] = lambda clips: None,
    compute: ComputeConfig | None = None,
) -> Iterator[tuple[int, Stopped]]:
    """Fits each clip for all steps of `config` and returns the best look by a rule.

    Args:
      keys: One for each clip.
      signals: Noisy clips (samples,) of at least one sample.
      sample_rates: Hz of each.
      noise_variances: Of white noise in each, as `noise_psd.white` tells it.
      config: The same for all; `segment_s` is not heeded.
      rule: One of `RULES`.
      on_clips: Called with clips done since the last call; looks count as shares.
      compute: By default what suits the device.

    Yields:
      Position in `signals` and result.

    Raises:
      ValueError: unknown rule, or a signal is empty, not one-dimensional or not finite.
    """
    if rule not in RULES:
        raise ValueError(f"rule must be one of {', '.join(RULES)}, got {rule!r}")
    compute = compute or default_compute()
    signals = [bucketing.checked(i, signal) for i, signal in enumerate(signals)]
    lengths = [len(signal) for signal in signals]
    for batch in bucketing.plan(lengths, sample_rates, compute.batch_samples):
        own = batch.clips[: batch.num_clips]
        clips = [_Clip.of(keys[i], signals[i], noise_variances[i]) for i in batch.clips]
        fits = _fits(clips, batch, config, rule)
        best: dict[int, Stopped] = {}
        for step, found in sweep.trajectories(
            fits, batch.sample_rate, config, EVERY, compute
        ):
            for clip, i, estimates in zip(
                clips,
                own,
                np.asarray(found).reshape(len(clips), -1, batch.size),
                strict=False,
            ):
                estimates = estimates[:, : len(clip.samples)]
                best[i] = _better(best.get(i), step, clip, estimates, rule)
            on_clips(len(own) * EVERY / config.num_steps)
        yield from best.items()


class _Clip(NamedTuple):
    key: jax.Array
    samples: np.ndarray  # scaled to a peak of 1
    scale: float
    variance: float  # of the noise, scaled as well
    probe: np.ndarray

    @classmethod
    def of(cls, key, signal, variance):
        scale = float(np.max(np.abs(signal))) or 1.0
        variance = float(variance) / scale**2
        probe = jax.random.rademacher(
            jax.random.fold_in(key, 1), signal.shape, np.float32
        )
        probe = np.asarray(probe) * np.float32(_PROBE * np.sqrt(variance))
        return cls(key, signal / np.float32(scale), scale, variance, probe)


def _fits(clips, batch, config, rule):
    """Each clip once, or for "sure" twice: the second with the probe added."""
    twins = [[clip.samples] for clip in clips]
    if rule == "sure":
        twins = [[clip.samples, clip.samples + clip.probe] for clip in clips]
    count = len(twins[0])
    samples = [twin for pair in twins for twin in pair]
    siren = config.siren_at(batch.sample_rate)
    return sweep.Fits(
        # the same first weights for both, whatever the position in the batch
        stepping.stack_keys([clip.key for clip in clips for _ in range(count)]),
        Signal(
            jnp.asarray(bucketing.pad(samples, batch.size)),
            jnp.array([len(one) for one in samples]),
        ),
        jnp.full(len(samples), siren.first_omega, jnp.float32),
        jnp.full(len(samples), config.learning_rate, jnp.float32),
    )


def _better(best, step, clip, estimates, rule):
    """The best look so far; `estimates` (1 or 2, samples) are those of this look."""
    residual = float(np.mean((clip.samples - estimates[0]) ** 2)) / clip.variance
    if rule == "sure":
        slope = clip.probe * (estimates[1] - estimates[0]) / _PROBE**2 / clip.variance
        criterion = residual - 1 + 2 * float(np.mean(slope))
    else:
        criterion = abs(residual - 1)
    criteria = {} if best is None else best.criteria
    criteria[step] = criterion
    if best is not None and criterion >= best.criteria[best.step]:
        return best
    return Stopped(estimates[0] * np.float32(clip.scale), step, criteria)
