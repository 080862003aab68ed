"""DNP: masks from the fluctuations of a network that is fitted to the noisy clip.

Michelashvili and Wolf, "Speech denoising by accumulating per-frequency modeling
fluctuations" (arXiv 1904.07612), with the constants of its released code. A U-Net is
fitted to the noisy clip from noise. Bins of its output that keep fluctuating from step to
step hold what it cannot fit: noise. The fluctuations add up to a score, the score gives a
gain for each bin.
"""

import dataclasses
import math
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import logging
from jaxtyping import Array, Float, Int

from inr_jax.configs.fitting import DnpConfig
from inr_jax.dsp import stft
from inr_jax.enhancement import classical
from inr_jax.fitting import driver
from inr_jax.fitting.siren import Signal
from inr_jax.models.wave_unet import WaveUNet
from inr_jax.parallel import bucketing
from inr_jax.parallel.compute import ComputeConfig, default_compute

WINDOW, HOP = 512, 128  # samples
OVERLAP = WINDOW // HOP
# Sound that is removed: below so many Hz, the first three bins at the published 16 kHz,
# and the last bin.
LOWEST_HZ, HIGH_BINS = 90.0, 1
# Of the score, after every step.
LOW_PERCENTILE, HIGH_PERCENTILE = 10, 90
# Steps before the fluctuations count.
WARM_UP = 48
SMALLEST_GAIN = 1e-3
# Of magnitudes that fluctuations are relative to.
_EPSILON = float(np.finfo(np.float32).eps)


class State(NamedTuple):
    """All that changes from step to step of one fit.

    Attributes:
      params: Of the network.
      opt_state: Of Adam.
      input_noise: Fixed input (samples,) of the network, uniform in [-1, 1).
      previous: Magnitudes (frames, bins) of the last output.
      score: Accumulated fluctuations (frames, bins).
    """

    params: dict
    opt_state: optax.OptState
    input_noise: jax.Array
    previous: jax.Array
    score: jax.Array


def num_frames(num_samples: Any) -> Any:
    """Number of whole frames of a clip."""
    return (num_samples - WINDOW) // HOP + 1


def init(key: jax.Array, num_samples: int, config: DnpConfig) -> State:
    """State before the first step.

    Args:
      key: Draws weights and the input noise.
      num_samples: Of the padded clip, a multiple of `HOP` and of 2^levels.
      config: As in `update`.
    """
    params_key, noise_key = jax.random.split(key)
    params = WaveUNet(config).init(params_key, jnp.zeros(num_samples), num_samples)
    noise = jax.random.uniform(noise_key, (num_samples,), minval=-1.0)
    zeros = jnp.zeros((num_frames(num_samples), WINDOW // 2 + 1))
    return State(params, _optimizer(config).init(params), noise, zeros, zeros)


def update(
    state: State, step: jax.Array, signal: Signal, config: DnpConfig
) -> tuple[State, jax.Array]:
    """One step of Adam on all samples; also returns the loss before it.

    Args:
      state: Before the step.
      step: Steps done before.
      signal: The noisy clip, `num_samples` a multiple of 2^levels.
      config: Network and rate.
    """

    def loss_fn(params):
        output = WaveUNet(config).apply(params, state.input_noise, signal.num_samples)
        valid = jnp.arange(output.shape[0]) < signal.num_samples
        output = jnp.where(valid, output, 0)
        error = jnp.sum((output - signal.samples) ** 2, where=valid)
        return error / signal.num_samples, output

    (loss, output), grads = jax.value_and_grad(loss_fn, has_aux=True)(state.params)
    updates, opt_state = _optimizer(config).update(grads, state.opt_state)
    params = optax.apply_updates(state.params, updates)
    now = magnitudes(output)
    frames = num_frames(signal.num_samples)
    score = accumulate(state.score, state.previous, now, frames)
    score = jnp.where(step < WARM_UP, state.score, score)
    return State(params, opt_state, state.input_noise, now, score), loss


def _optimizer(config):
    return optax.adam(config.learning_rate)


def magnitudes(samples: Float[Array, " samples"]) -> Float[Array, "frames bins"]:
    """Magnitudes of the STFT, of whole frames alone."""
    return jnp.abs(
        jnp.fft.rfft(stft.frame(samples, WINDOW, HOP) * stft.hann(WINDOW)[None])
    )


def accumulate(
    score: Float[Array, "frames bins"],
    previous: Float[Array, "frames bins"],
    now: Float[Array, "frames bins"],
    num_frames: Int[Array, ""] | int,
) -> Float[Array, "frames bins"]:
    """The score with one step more, held between its own percentiles.

    Args:
      score: Of all steps before.
      previous: Magnitudes of the step before.
      now: Those of this step.
      num_frames: Frames that count.
    """
    score += jnp.abs(now - previous) / (now + _EPSILON)
    count = num_frames * score.shape[1]
    valid = jnp.arange(score.shape[0])[:, None] < num_frames
    ordered = jnp.sort(jnp.where(valid, score, jnp.inf), axis=None)
    # held from below first, which leaves the upper percentile where it was
    low, high = (
        _percentile(ordered, count, p) for p in (LOW_PERCENTILE, HIGH_PERCENTILE)
    )
    return jnp.clip(score, low, high)


def _percentile(ordered, count, percent):
    """Of the first `count` of an ascending array, linear between neighbours."""
    place = (count - 1) * (percent / 100)
    below = jnp.floor(place).astype(jnp.int32)
    low, high = ordered[below], ordered[jnp.minimum(below + 1, count - 1)]
    return low + (place - below) * (high - low)


class Fluctuations(NamedTuple):
    """Result of the fit to one clip.

    Attributes:
      scores: By number of steps, fluctuations (whole frames, bins); no frames for a clip
        under a window.
      losses: (steps,), each before its update.
      work_s: Seconds that it took, of a batch its share.
    """

    scores: dict[int, np.ndarray]
    losses: np.ndarray
    work_s: float

    @property
    def score(self) -> np.ndarray:
        """The score after all steps."""
        return self.scores[max(self.scores)]


def fit_batch(
    keys: Sequence[jax.Array],
    signals: Sequence[np.ndarray],
    config: DnpConfig,
    on_clips: Callable[[float], None] = lambda clips: None,
    checkpoint_dir: str | os.PathLike | None = None,
    compute: ComputeConfig | None = None,
    earlier: Sequence[int] = (),
    names: Sequence[str] | None = None,
) -> Iterator[tuple[int, Fluctuations]]:
    """Fits each clip, cut to a multiple of 2^levels samples; clips share nothing.

    Clips are padded to few lengths, which changes none of them. A fit that ends worse than
    it began is fitted again at half the rate.

    Args:
      keys: One for each clip.
      signals: Noisy (samples,) of at least one sample, full scale 1: published values
        are for this scale, whatever the level.
      config: The same for all.
      on_clips: Called with clips done since the last call, shares of clips too.
      checkpoint_dir: Folder for the state of fits under way. Called again with the same
        clips, or those of them that are left, fits resume from there. Deleted when all
        fits are taken.
      compute: By default what suits the device.
      earlier: Numbers of steps after which the score is kept as well: that of a fit of so
        many steps.
      names: Of the clips, for messages, as for `batch.fit_batch`.

    Yields:
      Position in `signals` and fit, as clips finish, shortest first.

    Raises:
      InputError: a signal is empty, not one-dimensional or not finite.
      ValueError: `earlier` are not numbers below that of all steps.
    """
    compute = compute or default_compute()
    if not all(0 < steps < config.num_steps for steps in earlier):
        raise ValueError(f"earlier must be from 1 to {config.num_steps - 1}: {earlier}")
    signals, names = driver.checked(signals, names)
    problem = DnpProblem(config, tuple(earlier))
    clips = []
    for i, signal in enumerate(signals):
        cut = len(signal) // 2**config.num_levels * 2**config.num_levels
        if cut >= WINDOW:
            clips.append(_Clip(i, keys[i], signal[:cut]))
        else:
            logging.warning(
                "%s: too short for %d levels; it stays as it is",
                *(names[i], config.num_levels),
            )
            on_clips(1)
            none = np.zeros((0, WINDOW // 2 + 1))
            yield i, Fluctuations(dict.fromkeys(problem.steps, none), np.zeros(0), 0.0)
    for i, [(clip, fitted)] in driver.run_clips(
        lambda rate: problem,
        clips,
        [0] * len(signals),  # its constants are in samples, whatever the rate
        compute,
        lambda steps: on_clips(steps / config.num_steps),
        checkpoint_dir,
        names=names,
    ):
        frames = num_frames(len(clip.samples))
        scores = (score[:frames].copy() for score in fitted.result)
        found = dict(zip(problem.steps, scores, strict=True))
        yield i, Fluctuations(found, fitted.losses, fitted.work_s)


class Inputs(NamedTuple):
    """What the fits of a batch differ in: key and noisy clip."""

    key: jax.Array
    signal: Signal


@dataclasses.dataclass(frozen=True)
class DnpProblem(driver.Problem):
    """Fits of DNP's network; gives scores (numbers of steps, frames, bins).

    Attributes:
      config: Of the whole fit.
      earlier: Numbers of steps after which scores are kept, besides that at the end.
    """

    config: DnpConfig
    earlier: tuple[int, ...] = ()

    @property
    def steps(self) -> tuple[int, ...]:
        """Numbers of steps after which scores are kept."""
        return (*self.earlier, self.config.num_steps)

    def size(self, inputs):
        return self.config.num_filters, inputs.signal.samples.shape[-1]

    def init(self, inputs):
        state = init(inputs.key, inputs.signal.samples.shape[0], self.config)
        return state, jnp.zeros((len(self.steps), *state.score.shape))

    def update(self, state, step, prepared, compute):
        del compute
        state, kept = state
        state, loss = update(state, step, prepared.signal, self.config)
        is_due = step + 1 == np.array(self.steps)
        kept = jnp.where(is_due[:, None, None], state.score[None], kept)
        return (state, kept), loss

    def result(self, state, inputs, compute):
        _, kept = state
        return kept


class _Clip(NamedTuple):
    clip: int
    key: jax.Array
    samples: np.ndarray
    of: int = 1  # pieces of this clip

    def inputs(self, size) -> Inputs:
        (padded,) = bucketing.pad([self.samples], size)
        return Inputs(self.key, Signal(padded, np.int32(len(self.samples))))


def attenuation(
    score: Float[np.ndarray, "frames bins"],
) -> Float[np.ndarray, "frames bins"]:
    """Wiener-like gains in [`SMALLEST_GAIN`, 1] of a score."""
    score = np.asarray(score, np.float64)
    spread = np.ptp(score)
    if spread == 0:  # nothing ever fluctuated: a silent clip
        return np.ones_like(score)
    return np.maximum((np.max(score) - score) / spread, SMALLEST_GAIN)


def lsa_gain(
    attenuation: Float[np.ndarray, "*frames bins"],
) -> Float[np.ndarray, "*frames bins"]:
    """Gains of the log-spectral amplitude estimator for attenuations in [0, 1].

    Its a posteriori ratio is taken from the attenuation.
    """
    posterior = 1 / np.maximum((1 - attenuation) ** 2, 1e-10)
    prior = np.maximum(posterior - 1, 1e-3)
    wiener = prior / (1 + prior)
    # where much is speech, its integral is left out
    gain = classical.log_mmse_gain(prior, posterior)
    return np.where(wiener * posterior > 5, wiener, gain)


GAINS = {"wiener": lambda found: found, "lsa": lsa_gain}


def apply_mask(
    noisy: Float[np.ndarray, " samples"],
    score: Float[np.ndarray, "frames bins"],
    mask: str,
    sample_rate: int,
) -> Float[np.ndarray, " samples"]:
    """The noisy clip with the gains of its score, float64.

    Beside the first and the last whole frame the windows sum to little: there the frames
    that reach over the ends have the gains of these two. Behind the last whole frame the
    noisy samples stay.

    Args:
      noisy: As fitted, uncut.
      score: Of its whole frames; without any, the clip stays as it is.
      mask: A name of `GAINS`.
      sample_rate: Hz; windows have as many samples at any.
    """
    if not len(score):
        return np.array(noisy, np.float64)
    gains = GAINS[mask](attenuation(score))
    gains[:, : math.ceil(LOWEST_HZ * WINDOW / sample_rate)] = 0
    gains[:, gains.shape[1] - HIGH_BINS :] = 0
    count = WINDOW + (len(score) - 1) * HOP
    margin = WINDOW - HOP
    padded = np.pad(np.asarray(noisy[:count], np.float64), margin)
    gains = np.pad(gains, ((OVERLAP - 1, OVERLAP - 1), (0, 0)), mode="edge")
    window = stft.hann(WINDOW).astype(np.float64)[None]
    noisy_frames = stft.frame(padded, WINDOW, HOP)
    frames = np.fft.irfft(np.fft.rfft(noisy_frames * window) * gains) * window
    # the squared windows laid over each other sum to 1.5
    inner = stft.overlap_add(frames, HOP)[margin : margin + count] / 1.5
    return np.concatenate([inner, noisy[count:]])
