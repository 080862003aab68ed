"""Runs a batch of fits: steps in chunks, checkpoints, retries of fits that diverged.

Each kind of fit is a `Problem`, pure functions of one fit. The driver lifts them over the
fits of a batch and over devices. A killed run resumes from its last checkpoint, in which
each fit is found by a fingerprint of all that it depends on.
"""

import abc
import contextlib
import dataclasses
import hashlib
import operator
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging

from inr_jax import audio
from inr_jax.parallel import bucketing, precision, sharding
from inr_jax.parallel.compute import ComputeConfig, over_fits

# Seconds from one checkpoint of a batch to the next; one takes some hundredths.
SAVE_EVERY_S = 20.0
_VERSION = 3  # of the states in checkpoints; rises when they change


class Problem(abc.ABC):
    """A kind of fit, as traceable pure functions of one fit.

    Subclasses are frozen dataclasses of static settings. One of them is `config`, a
    dataclass with a `learning_rate`. `inputs` is a pytree of arrays, the same in shape for
    all fits of a batch: key, target and whatever else fits differ in.
    """

    config: Any

    @property
    def num_steps(self) -> int:
        """Updates of the whole fit."""
        return self.config.num_steps

    @abc.abstractmethod
    def size(self, inputs) -> tuple[int, int]:
        """Units of a layer, and positions where a step computes them.

        Args:
          inputs: Of one fit or of a batch: only the last axes count.
        """

    @abc.abstractmethod
    def init(self, inputs) -> Any:
        """State before the first step, a pytree of arrays."""

    def prepare(self, inputs) -> Any:
        """What `update` takes: computed from the inputs once for a chunk of steps."""
        return inputs

    @abc.abstractmethod
    def update(
        self, state, step: jax.Array, prepared, compute: ComputeConfig
    ) -> tuple[Any, jax.Array]:
        """The state after a step, and the loss before it.

        Args:
          state: Before the step.
          step: Number of steps done before.
          prepared: As from `prepare`.
          compute: Sine, precision and blocks.
        """

    @abc.abstractmethod
    def result(self, state, inputs, compute: ComputeConfig) -> Any:
        """The result of a fit, a pytree of arrays."""

    def diverged(self, losses: np.ndarray) -> bool:
        """Whether losses (steps,) end above their first one, or not finite."""
        return not losses[-1] <= losses[0]

    def cost(self, fitted: "Fitted") -> float:
        """What decides between two fits to one clip: lower is better. The last loss."""
        return fitted.losses[-1] if np.isfinite(fitted.losses[-1]) else np.inf


class Fitted(NamedTuple):
    """A finished fit.

    Attributes:
      result: `Problem.result`, on the host.
      losses: (steps,).
      work_s: Seconds that it took, of a batch its share; with those before a resumption.
    """

    result: Any
    losses: np.ndarray
    work_s: float


def run(
    problem: Problem,
    fits: Sequence[Any],
    compute: ComputeConfig,
    on_steps: Callable[[np.ndarray], None] = lambda steps: None,
    checkpoints: "FitCheckpoints | None" = None,
    slots: int | None = None,
    steps_per_call: int | None = None,
    labels: Sequence[str] | None = None,
) -> list[Fitted]:
    """All steps of a batch of fits.

    A fit that diverged is fitted again by itself at half the rate; the better of both is
    given, and a warning is logged.

    Args:
      problem: What is fitted.
      fits: Inputs of each, at least one.
      compute: Of the batch.
      on_steps: Called with the steps of each fit (fits,) since the last call.
      checkpoints: Where fits under way are kept, and found.
      slots: Of the compiled program, at least as many as fits and a multiple of the
        devices; by default the fewest.
      steps_per_call: Of the compiled program; by default that of `compute`.
      labels: What each fit is called in warnings.
    """
    fitted = _run_once(
        problem, fits, compute, on_steps, checkpoints, slots, steps_per_call
    )
    diverged = [i for i, one in enumerate(fitted) if problem.diverged(one.losses)]
    if not diverged:
        return fitted
    for i in diverged:
        label = labels[i] if labels else f"fit {i}"
        logging.warning("%s: the fit diverged; fitted again at half the rate", label)
    rate = problem.config.learning_rate / 2
    slower = dataclasses.replace(
        problem, config=dataclasses.replace(problem.config, learning_rate=rate)
    )
    # Not checkpointed: the state above would be lost for it.
    again = _run_once(
        slower,
        [fits[i] for i in diverged],
        compute,
        slots=bucketing.num_slots(len(diverged), compute.num_devices),
        steps_per_call=steps_per_call,
    )
    for i, other in zip(diverged, again, strict=True):
        work_s = fitted[i].work_s + other.work_s
        fitted[i] = min(fitted[i], other, key=problem.cost)._replace(work_s=work_s)
    return fitted


def run_clips(
    problem_of: Callable[[int], Problem],
    pieces: Sequence[Any],
    sample_rates: Sequence[int],
    compute: ComputeConfig,
    on_steps: Callable[[float], None],
    checkpoint_dir: str | os.PathLike | None = None,
    steps_per_call: int | None = None,
    *,
    names: Sequence[str],
) -> Iterator[tuple[int, list[tuple[Any, Fitted]]]]:
    """All steps of a fit to each piece of clips of any lengths and rates, in batches.

    Args:
      problem_of: Of a sample rate: what is fitted.
      pieces: As for `bucketing.by_clip`; `piece.inputs(size)` are those of its fit, padded
        to so many samples.
      sample_rates: Hz of each clip.
      compute: Of the batches.
      on_steps: Called with steps done since the last call, times clips; a piece counts as
        its share of a clip.
      checkpoint_dir: Folder for the state of fits under way, which resume from there.
        Deleted when all fits are taken.
      steps_per_call: As for `run`.
      names: Of the clips, for messages.

    Yields:
      Clip and its pieces, each with its fit, as clips finish, shortest first.
    """
    with open_checkpoints(checkpoint_dir) as checkpoints:

        def run_batch(chosen, batch):
            own = chosen[: batch.num_clips]
            shares = np.array([1 / piece.of for piece in own])
            fitted = run(
                problem_of(batch.sample_rate),
                [piece.inputs(batch.size) for piece in own],
                compute,
                lambda steps: on_steps(float(shares @ steps)),
                checkpoints,
                slots=len(chosen),
                steps_per_call=steps_per_call,
                labels=[names[piece.clip] for piece in own],
            )
            return zip(own, fitted, strict=True)

        yield from bucketing.by_clip(
            pieces, sample_rates, compute.batch_samples, compute.num_devices, run_batch
        )


def checked(
    signals: Sequence[Any], names: Sequence[str] | None
) -> tuple[list[np.ndarray], list[str]]:
    """Signals as float32 (samples,), and their names: "signal 0" and so on by default.

    Raises:
      InputError: as `audio.as_signal`.
    """
    names = names or [f"signal {i}" for i in range(len(signals))]
    pairs = zip(signals, names, strict=True)
    return [audio.as_signal(*pair) for pair in pairs], list(names)


def _run_once(
    problem,
    fits,
    compute,
    on_steps=lambda steps: None,
    checkpoints=None,
    slots=None,
    steps_per_call=None,
):
    reported = np.zeros(len(fits), np.int32)
    for batch in chunks(problem, fits, compute, checkpoints, slots, steps_per_call):
        done = batch.done[: len(fits)]
        if done.max() > 0:
            on_steps(done - reported)
        reported = done
    results = results_of(problem, batch, compute)
    return [
        Fitted(
            jax.tree.map(operator.itemgetter(i), results),
            batch.losses[i],
            float(batch.work_s[i]),
        )
        for i in range(len(fits))
    ]


class Batch(NamedTuple):
    """A batch under way; every array has a leading axis of slots.

    Attributes:
      inputs: Of the fits; slots behind them repeat the last one.
      state: Of the fits; the next chunk takes its memory.
      losses: (slots, steps), 0 for steps to come.
      done: Steps done (slots,).
      work_s: Seconds that they took (slots,), each its share of the batch.
    """

    inputs: Any
    state: Any
    losses: np.ndarray
    done: np.ndarray
    work_s: np.ndarray


def chunks(
    problem: Problem,
    fits: Sequence[Any],
    compute: ComputeConfig,
    checkpoints: "FitCheckpoints | None" = None,
    slots: int | None = None,
    steps_per_call: int | None = None,
    in_step: bool = False,
) -> Iterator[Batch]:
    """Runs fits chunk by chunk; arguments as for `run`.

    Args:
      problem: What is fitted.
      fits: Inputs of each.
      compute: Of the batch.
      checkpoints: Where fits under way are kept, and found.
      slots: Of the compiled program.
      steps_per_call: Of a chunk.
      in_step: Whether fits that were found at different steps all start anew.

    Yields:
      The batch before the first chunk and after each. A checkpoint is written when the
      caller comes back for the next, so that it holds nothing that the caller has not
      dealt with.
    """
    count = steps_per_call or compute.steps_per_call
    begun, num_fits = time.monotonic(), len(fits)
    fits = _fill(fits, slots, compute)
    inputs = sharding.put_clips(_stack(fits), compute.num_devices)
    state = _init(inputs, problem, compute)
    losses = np.zeros((len(fits), problem.num_steps), np.float32)
    done = np.zeros(len(fits), np.int32)
    before_s = np.zeros(len(fits))  # those of an earlier run
    if checkpoints:
        fingerprints = [fingerprint(problem, one) for one in fits]
        found = checkpoints.steps(fingerprints)
        if not (in_step and np.ptp(found)):
            host_state, done = jax.tree.map(np.array, state), found
            checkpoints.restore(fingerprints, (host_state, losses, before_s))
            state = sharding.put_clips(host_state, compute.num_devices)
    yield Batch(inputs, state, losses, done, before_s)
    while done.min() < problem.num_steps:
        state, new = _run_chunk(state, inputs, done, problem, compute, count)
        before, done = done, np.minimum(done + count, problem.num_steps)
        for i, values in enumerate(np.asarray(new)):
            losses[i, before[i] : done[i]] = values[: done[i] - before[i]]
        work_s = before_s + (time.monotonic() - begun) / num_fits
        yield Batch(inputs, state, losses, done, work_s)
        if checkpoints and (checkpoints.due or done.min() == problem.num_steps):
            checkpoints.save(fingerprints, (state, losses, work_s), done)


def results_of(problem: Problem, batch: Batch, compute: ComputeConfig) -> Any:
    """`Problem.result` of every slot of a batch, on the host."""
    return jax.device_get(_results(batch.state, batch.inputs, problem, compute))


def compiled_text(problem: Problem, fits: Sequence[Any], compute: ComputeConfig) -> str:
    """The compiled program of a chunk of steps, to look at."""
    fits = _fill(fits, None, compute)
    inputs = sharding.put_clips(_stack(fits), compute.num_devices)
    state, done = _init(inputs, problem, compute), np.zeros(len(fits), np.int32)
    count = compute.steps_per_call
    lowered = _run_chunk.lower(state, inputs, done, problem, compute, count)
    return lowered.compile().as_text()


def _fill(fits, slots, compute):
    slots = slots or -(-len(fits) // compute.num_devices) * compute.num_devices
    return [*fits, *[fits[-1]] * (slots - len(fits))]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class _KeyData:
    """Keys as numbers: a key may be passed to a program only once."""

    data: np.ndarray


def _with_keys(inputs):
    """Inputs with the keys that `_stack` took for numbers, to trace."""

    def key_of(leaf):
        is_data = isinstance(leaf, _KeyData)
        return jax.random.wrap_key_data(leaf.data) if is_data else leaf

    return jax.tree.map(key_of, inputs, is_leaf=lambda x: isinstance(x, _KeyData))


def _stack(fits):
    return jax.tree.map(lambda *leaves: _stack_leaves(leaves), *fits)


def _stack_leaves(leaves):
    if _is_key(leaves[0]):
        return _KeyData(np.stack([jax.random.key_data(key) for key in leaves]))
    return np.stack(leaves)


def _is_key(leaf):
    return jnp.issubdtype(getattr(leaf, "dtype", None), jax.dtypes.prng_key)


@precision.jit(static_argnames=("problem", "compute"))
def _init(inputs, problem, compute):
    init = jax.vmap(lambda inputs: problem.init(_with_keys(inputs)))
    return sharding.over_clips(init, compute.num_devices)(inputs)


@precision.jit(static_argnames=("problem", "compute", "count"), donate_argnames="state")
def _run_chunk(state, inputs, done, problem, compute, count):
    """`count` steps of every fit; a fit that has done all of its steps is left alone."""

    def run(state, inputs, done):
        prepared = problem.prepare(_with_keys(inputs))

        def step(state, i):
            return jax.lax.cond(
                done + i < problem.num_steps,
                lambda: problem.update(state, done + i, prepared, compute),
                lambda: (state, jnp.zeros(())),
            )

        return jax.lax.scan(step, state, jnp.arange(count))

    lifted = over_fits(run, compute, *problem.size(inputs))
    return sharding.over_clips(lifted, compute.num_devices)(state, inputs, done)


@precision.jit(static_argnames=("problem", "compute"))
def _results(state, inputs, problem, compute):
    def result(state, inputs):
        return problem.result(state, _with_keys(inputs), compute)

    lifted = over_fits(result, compute, *problem.size(inputs))
    return sharding.over_clips(lifted, compute.num_devices)(state, inputs)


def fingerprint(problem: Problem, inputs: Any) -> str:
    """Digest of all that a fit depends on: settings, key, target."""
    digest = hashlib.sha256(f"{_VERSION} {problem!r}".encode())
    for leaf in jax.tree.leaves(inputs):
        array = np.asarray(jax.random.key_data(leaf) if _is_key(leaf) else leaf)
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


@contextlib.contextmanager
def open_checkpoints(
    folder: str | os.PathLike | None,
) -> Iterator["FitCheckpoints | None"]:
    """Checkpoints in a folder, deleted where the block ends well; None without one."""
    if folder is None:
        yield None
        return
    checkpoints = FitCheckpoints(folder)
    yield checkpoints
    checkpoints.remove()


class FitCheckpoints:
    """The newest state of one batch, in a folder; fits are found by fingerprint."""

    def __init__(self, folder: str | os.PathLike):
        """Reads what the folder holds; it is made when something is saved."""
        from inr_jax.io.checkpoints import Checkpoints  # takes a second

        self._checkpoints = Checkpoints(folder)
        self._last_save = time.monotonic()
        self._number = max(self._checkpoints.steps(), default=0)
        self._found = self._read() if self._number else {}

    def steps(self, fingerprints: Sequence[str]) -> np.ndarray:
        """Steps that each fit had done when it was saved (fits,), 0 where it was not."""
        nothing = (None, 0)
        steps = [self._found.get(name, nothing)[1] for name in fingerprints]
        return np.array(steps, np.int32)

    def restore(self, fingerprints: Sequence[str], states: Any) -> None:
        """Restores the saved states of fits into a new batch.

        Args:
          fingerprints: Of the fits.
          states: Host arrays (fits, ...) as before the first step, changed in place.
        """
        for i, name in enumerate(fingerprints):
            if name in self._found:
                saved, _ = self._found[name]
                for leaf, value in zip(jax.tree.leaves(states), saved, strict=True):
                    leaf[i] = value

    def save(self, fingerprints: Sequence[str], states: Any, steps: np.ndarray) -> None:
        """Saves this batch, `steps` done of each fit, in place of the last one."""
        self._number += 1
        leaves = jax.tree.leaves(states)
        metadata = {
            "fingerprints": list(fingerprints),
            "steps": [int(n) for n in steps],
            "arrays": [[list(x.shape), np.dtype(x.dtype).name] for x in leaves],
        }
        self._checkpoints.save(self._number, leaves, metadata)
        self._last_save = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether the last save was `SAVE_EVERY_S` ago."""
        return time.monotonic() - self._last_save > SAVE_EVERY_S

    def remove(self) -> None:
        """Deletes the folder."""
        self._checkpoints.remove()

    def _read(self):
        """Arrays and steps of each fit by fingerprint."""
        metadata = self._checkpoints.metadata(self._number) or {}
        if "fingerprints" not in metadata:
            return {}  # of an older version, whose fits start anew
        like = [jax.ShapeDtypeStruct(*array) for array in metadata["arrays"]]
        leaves = jax.device_get(self._checkpoints.load(self._number, like))
        return {
            name: ([leaf[i] for leaf in leaves], metadata["steps"][i])
            for i, name in enumerate(metadata["fingerprints"])
        }
