"""The fit of a clip as an object: evaluated at any time and rate, saved and loaded."""

import dataclasses
import functools
import json
import os
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import Array, Float, Key, Num, Real

from inr_jax import audio
from inr_jax.configs import from_json
from inr_jax.configs.fitting import FitConfig
from inr_jax.dsp import overlap_add
from inr_jax.errors import InputError
from inr_jax.fitting.siren import Signal, evaluate, init, update
from inr_jax.io import atomic
from inr_jax.nn import siren
from inr_jax.parallel import bucketing, precision
from inr_jax.parallel.compute import STANDARD, ComputeConfig, default_compute

FORMAT = 1  # of the JSON file; rises when older versions would misread it


class SegmentFit(NamedTuple):
    """The fit of one segment, or of a whole clip.

    Attributes:
      params: Weights that represent the segment divided by `scale`.
      losses: (steps,) on the scaled segment.
      scale: Its peak, 1 for silence.
    """

    params: siren.Params
    losses: np.ndarray
    scale: float


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["segments", "computed"],
    meta_fields=["num_samples", "sample_rate", "config"],
    drop_fields=["work_s"],
)
@dataclasses.dataclass(frozen=True)
class ClipFit:
    """SIRENs that represent one clip: one of them, or one for each of its segments.

    A pytree of its weights and losses.

    Attributes:
      segments: In order of time; see `dsp.overlap_add` for where they lie.
      num_samples: Of the clip.
      sample_rate: Its rate in Hz.
      config: How it was fitted.
      computed: The clip at its own rate where it was evaluated already.
      work_s: Seconds that the fit took, of a batch its share; NaN of a saved one. It is no
        part of the pytree.
    """

    segments: Sequence[SegmentFit] = dataclasses.field(repr=False)
    num_samples: int
    sample_rate: int
    config: FitConfig
    computed: Any = dataclasses.field(default=None, repr=False)
    work_s: float = dataclasses.field(default=float("nan"), init=False, compare=False)

    def __call__(
        self, times: Real[Any, " times"] | Sequence[float]
    ) -> Float[np.ndarray, " times"]:
        """Values at any times, float32 at the level of the clip.

        Args:
          times: Seconds from the first sample of the clip.

        Raises:
          ValueError: a time is not finite, before the clip or behind its end.
          InputError: these are the fits of a vmap.
        """
        times = np.asarray(times, np.float64)
        if times.size and not (
            np.min(times) >= 0 and np.max(times) * self.sample_rate < self.num_samples
        ):
            raise ValueError(
                f"times must lie in the clip, from 0 to {self.duration_s:g} s"
            )
        return self._at(times * self.sample_rate)

    def at_rate(self, sample_rate: int | np.integer) -> Float[np.ndarray, " samples"]:
        """The clip at any rate; above its own, frequencies may be new.

        Raises:
          InputError: the rate is no positive whole number, or these are the fits of a
            vmap.
        """
        sample_rate = audio.checked_rate(sample_rate)
        count = -(-self.num_samples * sample_rate // self.sample_rate)
        position = np.arange(count) * (self.sample_rate / sample_rate)
        return self._at(position)

    @functools.cached_property
    def estimate(self) -> Float[Any, " samples"]:
        """The clip at its own rate."""
        if self.computed is not None:
            return self.computed
        return self.at_rate(self.sample_rate)

    @property
    def losses(self) -> Float[np.ndarray, "segments steps"]:
        """Losses before each step, on a segment that is divided by its `scale`."""
        return np.stack([segment.losses for segment in self.segments])

    @property
    def duration_s(self) -> float:
        """Seconds of the clip."""
        return self.num_samples / self.sample_rate

    @property
    def num_params(self) -> int:
        """Numbers that the weights hold, all segments together."""
        return sum(siren.num_params(segment.params) for segment in self.segments)

    def _at(self, position):
        """Values at sample positions (n,), which may be fractions."""
        self._require_one()
        length = segment_length(self.config, self.num_samples, self.sample_rate)
        starts = overlap_add.segment_starts(self.num_samples, length)
        total, weights = np.zeros((2, len(position)), np.float32)
        order = np.argsort(position, kind="stable")
        # up to a sample behind the last one there is the last segment alone
        inside = np.minimum(position, self.num_samples - 1)
        # where a segment has weight
        first = np.searchsorted(inside, starts - 0.5, "right", sorter=order)
        end = np.searchsorted(inside, starts + length - 0.5, "left", sorter=order)
        for i in np.flatnonzero(end > first):
            here, start = order[first[i] : end[i]], starts[i]
            weight = overlap_add.fade(inside[here] - start, length)
            values = self._segment_at(self.segments[i], position[here] - start, length)
            total[here] += weight * values
            weights[here] += weight
        return total / weights

    def _segment_at(self, segment, position, length):
        # few sizes compile, whatever grid is asked for
        padded = np.zeros(bucketing.bucket_size(len(position)), np.float32)
        padded[: len(position)] = position
        compute = default_compute()
        values = _values(
            segment.params, padded, length, self.sample_rate, self.config, compute
        )
        return np.asarray(values)[: len(position)] * np.float32(segment.scale)

    def save(self, path: str | os.PathLike) -> None:
        """Writes `PATH.safetensors`, the weights, and `PATH.json`, what they mean.

        A tensor holds one layer's kernels or biases of all segments, (segments, ...).

        Raises:
          InputError: these are the fits of a vmap.
        """
        self._require_one()
        tensors = {
            f"{i}.{name}": np.stack(
                [np.asarray(s.params[i][name]) for s in self.segments]
            )
            for i in range(len(self.segments[0].params))
            for name in ("kernel", "bias")
        }
        tensors["losses"] = np.stack([s.losses for s in self.segments])
        tensors["scale"] = np.array([s.scale for s in self.segments], np.float32)
        described = {
            "format": FORMAT,
            "num_samples": self.num_samples,
            "sample_rate": self.sample_rate,
            "config": dataclasses.asdict(self.config),
        }
        with atomic.replacing(_with_suffix(path, ".safetensors")) as temporary:
            safetensors.numpy.save_file(tensors, temporary)
            described["sha256"] = atomic.sha256(temporary)
        atomic.write_json(_with_suffix(path, ".json"), described)

    def _require_one(self):
        """Refuses the fits of a vmap, whose arrays have an axis more."""
        kernel = self.segments[0].params[0]["kernel"]
        if np.ndim(kernel) > 2:
            raise InputError(
                f"these are {len(kernel)} fits as one pytree; take one of them, "
                "jax.tree.map(lambda leaf: leaf[i], fits)"
            )


_values = precision.jit(evaluate, static_argnames=("sample_rate", "config", "compute"))


def fit(
    key: Key[Array, ""],
    signal: Num[Any, " samples"] | Sequence[float],
    sample_rate: int,
    config: FitConfig,
    compute: ComputeConfig = STANDARD,
) -> ClipFit:
    """Fits one SIREN to one signal with Adam, every step on all samples.

    Pure and traceable: jit it, or vmap it over keys and signals. The fits of a vmap are
    one pytree; `jax.tree.map(lambda leaf: leaf[i], fits)` is the fit of signal i.

    Args:
      key: Draws the first weights.
      signal: Of any dtype that `audio.read` takes, floating-point where it is traced; a
        peak of about 1 suits the published learning rate.
      sample_rate: In Hz.
      config: Network, loss, coordinates, rate and number of steps.
      compute: Sine, precision and block; `compute.default_compute()` suits the device.

    Raises:
      InputError: `config.segment_s` is set: `fit_batch` fits segments; the rate is no
        positive whole number; or a signal that is not traced is empty, not
        one-dimensional or not finite.
    """
    sample_rate = audio.checked_rate(sample_rate)
    if config.segment_s is not None:
        raise InputError("fit takes a whole signal: use fit_batch, or segment_s=None")
    if not isinstance(signal, jax.core.Tracer):  # integers have a full scale
        signal = audio.as_signal(signal)
    samples = jnp.asarray(signal, jnp.float32)
    target = Signal(samples, len(samples))

    def step(state, _):
        return update(state, target, sample_rate, config, compute)

    state, values = jax.lax.scan(step, init(key, config), length=config.num_steps)
    segment = SegmentFit(state.params, values, 1.0)
    return ClipFit((segment,), len(samples), sample_rate, config)


def load_fit(path: str | os.PathLike) -> ClipFit:
    """The fit that `ClipFit.save` wrote.

    Args:
      path: As given to it, or that of one of its two files.

    Raises:
      InputError: a file is missing, of a later format, or no fit.
    """
    path = pathlib.Path(path)
    if path.suffix in (".safetensors", ".json"):
        path = path.with_suffix("")
    try:
        described = json.loads(_with_suffix(path, ".json").read_text())
        if described["format"] != FORMAT:
            raise ValueError(f"its format {described['format']!r} is not {FORMAT}")
        config = from_json.build(FitConfig, described["config"])
        weights = _with_suffix(path, ".safetensors")
        tensors = safetensors.numpy.load_file(weights)
        # fits of earlier versions have none
        if described.get("sha256", digest := atomic.sha256(weights)) != digest:
            raise ValueError("its weights are not those that its .json was saved with")
        clip = described["num_samples"], described["sample_rate"]
        length = segment_length(config, *clip)
        count = len(overlap_add.segment_starts(clip[0], length))
        return ClipFit(_segments(tensors, config, count), *clip, config)
    except FileNotFoundError:
        raise InputError(
            f"{path}: no saved fit: its .json and .safetensors are both needed"
        ) from None
    except (
        *(OSError, safetensors.SafetensorError),
        *(ValueError, KeyError, TypeError, ArithmeticError),
    ) as e:
        reason = getattr(e, "strerror", "") or " ".join(str(e).split())
        reason = reason or type(e).__name__
        raise InputError(f"{path}: no saved fit: {reason}") from None


def _with_suffix(path, suffix):
    return pathlib.Path(f"{os.fspath(path)}{suffix}")


def _segments(tensors, config, count):
    layers = range(config.siren.depth + 2)
    fresh = jax.eval_shape(lambda: siren.init(jax.random.key(0), config.siren))
    for name in ("scale", "losses"):
        if len(tensors[name]) != count:
            raise ValueError(f"{name} is not of {count} segments")
    for i in layers:
        for name, like in fresh[i].items():
            found = tensors[f"{i}.{name}"]
            if found.shape != (count, *like.shape) or not np.all(np.isfinite(found)):
                raise ValueError(f"{i}.{name} does not fit the config")
    return [
        SegmentFit(
            [{n: tensors[f"{i}.{n}"][k] for n in ("kernel", "bias")} for i in layers],
            tensors["losses"][k],
            float(tensors["scale"][k]),
        )
        for k in range(count)
    ]


def segment_length(config: FitConfig, num_samples: int, sample_rate: int) -> int:
    """Samples of each segment of a clip; all of it where it has one SIREN."""
    if config.segment_s is None:
        return num_samples
    seconds = min(config.segment_s, num_samples / sample_rate)
    return min(num_samples, max(2, round(seconds * sample_rate)))
