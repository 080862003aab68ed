"""Early stopping: where to stop fitting a SIREN to a noisy clip, without the clean one.

"discrepancy": where the energy of the residual reaches that of the noise (Morozov 1966).
"sure": where Stein's unbiased risk estimate is least; its divergence comes from a second
fit of the same first weights to the samples plus a little known noise (Ramani et al. 2008,
"Monte-Carlo SURE").
"""

import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from inr_jax.configs.fitting import STEPS_PER_LOOK, FitConfig, require_stoppable
from inr_jax.errors import InputError
from inr_jax.fitting import driver, siren
from inr_jax.fitting.siren import Signal
from inr_jax.parallel import bucketing
from inr_jax.parallel.compute import ComputeConfig, default_compute, over_fits

RULES = ("discrepancy", "sure")
# Deviation of the added noise over that of the noise. Smaller ones drown in what rounding
# does to a path of Adam: at 0.1 the estimate was off by up to 0.3, at 0.3 by
# 0.05.
_PROBE = 0.3


class Stopped(NamedTuple):
    """A fit at the step that a rule chose.

    Attributes:
      estimate: At the level of the clip.
      step: Number of steps.
      criteria: What the rule minimises, by number of steps: for "sure" the estimated mean
        squared error over the variance of the noise, for "discrepancy" the relative
        distance of the residual from that variance.
      work_s: Seconds that it took, of a batch its share.
    """

    estimate: Float[np.ndarray, " samples"]
    step: int
    criteria: dict[int, float]
    work_s: float


def fit_batch(
    keys: Sequence[jax.Array],
    signals: Sequence[np.ndarray],
    sample_rates: Sequence[int],
    noise_variances: Sequence[float],
    config: FitConfig,
    rule: str,
    on_clips: Callable[[float], None] = lambda clips: None,
    checkpoint_dir: str | os.PathLike | None = None,
    compute: ComputeConfig | None = None,
    names: Sequence[str] | None = None,
) -> Iterator[tuple[int, Stopped]]:
    """Fits each clip for all steps of `config` and returns the best look by a rule.

    Args:
      keys: One for each clip.
      signals: Noisy clips (samples,) of at least one sample.
      sample_rates: Hz of each.
      noise_variances: Of white noise in each, as `noise_psd.white` estimates it.
      config: The same for all: steps a multiple of `STEPS_PER_LOOK`, no
        `segment_s`.
      rule: One of `RULES`.
      on_clips: Called with clips done since the last call; looks count as shares.
      checkpoint_dir: Folder for the state of fits under way, as for `batch.fit_batch`.
      compute: By default what suits the device.
      names: Of the clips, for messages, as for `batch.fit_batch`.

    Yields:
      Position in `signals` and result, as clips finish, shortest first.

    Raises:
      ValueError: unknown rule.
      InputError: `config` has segments or steps that end between two looks, or a signal is
        empty, not one-dimensional or not finite.
    """
    if rule not in RULES:
        raise ValueError(f"rule must be one of {', '.join(RULES)}, got {rule!r}")
    try:
        require_stoppable(config)
    except ValueError as error:
        raise InputError(str(error)) from None
    compute = compute or default_compute()
    signals, names = driver.checked(signals, names)
    clips = [
        _Clip.of_signal(i, keys[i], signal, noise_variances[i])
        for i, signal in enumerate(signals)
    ]
    num_looks = config.num_steps // STEPS_PER_LOOK
    for i, [(clip, fitted)] in driver.run_clips(
        lambda rate: StoppingProblem(config, rate, rule),
        clips,
        sample_rates,
        compute,
        lambda looks: on_clips(looks / num_looks),
        checkpoint_dir,
        steps_per_call=max(1, compute.steps_per_call // STEPS_PER_LOOK),
        names=names,
    ):
        yield i, clip.stopped(fitted)


class Inputs(NamedTuple):
    """What the fits of a batch differ in.

    Attributes:
      key: Draws the first weights.
      signal: The noisy clip, scaled to a peak of 1.
      variance: Of the noise, scaled as well.
    """

    key: jax.Array
    signal: Signal
    variance: jax.Array


class Prepared(NamedTuple):
    """What the steps of a fit take.

    Attributes:
      signal: The noisy clip, scaled to a peak of 1.
      variance: Of the noise, scaled as well.
      probe: Noise (padded,) that the second fit of "sure" adds to the clip.
    """

    signal: Signal
    variance: jax.Array
    probe: jax.Array


class State(NamedTuple):
    """What changes from look to look.

    Attributes:
      fits: States of one or two SIRENs, a leading axis of fits.
      estimate: Signal (padded,) of the best look so far, scaled; NaN before one.
      criteria: Of each look, infinite for looks to come.
    """

    fits: siren.State
    estimate: jax.Array
    criteria: jax.Array


@dataclasses.dataclass(frozen=True)
class StoppingProblem(driver.Problem):
    """A fit that keeps its best look; its steps are looks, of `STEPS_PER_LOOK` steps
    of Adam each.

    Its losses are energies of the residual over that of the noise.

    Attributes:
      config: Of the SIREN.
      sample_rate: In Hz.
      rule: One of `RULES`.
    """

    config: FitConfig
    sample_rate: int
    rule: str

    @property
    def num_steps(self):
        return self.config.num_steps // STEPS_PER_LOOK

    @property
    def num_fits(self):
        return 2 if self.rule == "sure" else 1

    def size(self, inputs):
        return self.num_fits * self.config.siren.width, inputs.signal.samples.shape[-1]

    def init(self, inputs):
        # the same first weights for both
        first = siren.init(inputs.key, self.config)
        fits = jax.tree.map(lambda leaf: jnp.stack([leaf] * self.num_fits), first)
        estimate = jnp.full_like(inputs.signal.samples, jnp.nan)
        return State(fits, estimate, jnp.full(self.num_steps, jnp.inf))

    def prepare(self, inputs):
        samples, num_samples = inputs.signal
        key = jax.random.fold_in(inputs.key, 1)
        signs = jax.random.rademacher(key, samples.shape, jnp.float32)
        valid = jnp.arange(samples.shape[0]) < num_samples
        probe = jnp.where(valid, signs * _PROBE * jnp.sqrt(inputs.variance), 0)
        return Prepared(inputs.signal, inputs.variance, probe)

    def update(self, state, step, prepared, compute):
        samples, num_samples = prepared.signal
        targets = jnp.stack([samples, samples + prepared.probe][: self.num_fits])

        def advance(fit, target):
            signal = Signal(target, num_samples)
            rest = signal, self.sample_rate, self.config, compute
            fit, _ = jax.lax.scan(
                lambda fit, _: siren.update(fit, *rest), fit, length=STEPS_PER_LOOK
            )
            return fit, siren.on_samples(fit.params, *rest)

        width, size = self.config.siren.width, samples.shape[0]
        lifted = over_fits(advance, compute, width, size)
        fits, estimates = lifted(state.fits, targets)
        residual, criterion = self._criterion(estimates, prepared)
        better = criterion < jnp.nanmin(state.criteria)
        estimate = jnp.where(better, estimates[0], state.estimate)
        criteria = state.criteria.at[step].set(criterion)
        return State(fits, estimate, criteria), residual

    def _criterion(self, estimates, prepared):
        """Energy of the residual over that of the noise, and what the rule minimises."""
        samples, num_samples = prepared.signal
        valid = jnp.arange(samples.shape[0]) < num_samples
        energy = jnp.sum((samples - estimates[0]) ** 2, where=valid)
        residual = energy / num_samples / prepared.variance
        if self.rule == "discrepancy":
            return residual, jnp.abs(residual - 1)
        slope = jnp.sum(prepared.probe * (estimates[1] - estimates[0])) / num_samples
        return residual, residual - 1 + 2 * slope / _PROBE**2 / prepared.variance

    def result(self, state, inputs, compute):
        return state.estimate, state.criteria

    def cost(self, fitted):
        """The criterion of the look that is kept."""
        _, criteria = fitted.result
        return np.min(np.where(np.isnan(criteria), np.inf, criteria))


class _Clip(NamedTuple):
    clip: int
    key: jax.Array
    samples: np.ndarray  # scaled to a peak of 1
    scale: float
    variance: float  # of the noise, scaled as well
    of: int = 1  # pieces of this clip

    @classmethod
    def of_signal(cls, clip, key, signal, variance):
        scale = float(np.max(np.abs(signal))) or 1.0
        samples = signal / np.float32(scale)
        return cls(clip, key, samples, scale, float(variance) / scale**2)

    def inputs(self, size) -> Inputs:
        (samples,) = bucketing.pad([self.samples], size)
        signal = Signal(samples, np.int32(len(self.samples)))
        return Inputs(self.key, signal, np.float32(self.variance))

    def stopped(self, fitted: driver.Fitted) -> Stopped:
        estimate, criteria = fitted.result
        estimate = estimate[: len(self.samples)] * np.float32(self.scale)
        steps = [STEPS_PER_LOOK * (look + 1) for look in range(len(criteria))]
        best = np.argmin(np.where(np.isnan(criteria), np.inf, criteria))
        criteria = dict(zip(steps, map(float, criteria), strict=True))
        return Stopped(estimate, steps[best], criteria, fitted.work_s)
