"""When an accelerator runs out of memory: smaller batches, and at last the CPU."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import jax
from absl import logging

_OUT = "RESOURCE_EXHAUSTED"  # as XLA says it
# Gives a result for each item, with its position, in any order.
Run = Callable[[Sequence[Any]], Iterable[tuple[int, Any]]]


def is_out(error: Exception) -> bool:
    """Whether an error says that a device has too little memory."""
    return _OUT in str(error)


def run(function: Run, items: Sequence[Any]) -> Iterator[tuple[int, Any]]:
    """Positions and results of a batch, in parts where it does not fit into memory.

    Args:
      function: What is to be run.
      items: The batch.

    Raises:
      JaxRuntimeError: a single item fits nowhere, or whatever else goes wrong.
    """
    left = dict(enumerate(items))
    try:
        for position, result in function(list(items)):
            del left[position]
            yield position, result
        return
    except jax.errors.JaxRuntimeError as error:
        if not is_out(error):
            raise
    yield from run_smaller(function, left)


def run_smaller(function: Run, left: Mapping[int, Any]) -> Iterator[tuple[int, Any]]:
    """What is left of a batch that did not fit: in halves, one item on the CPU.

    Args:
      function: As for `run`.
      left: Items by their positions in the batch.
    """
    positions = list(left)
    if len(positions) == 1:
        with on_cpu():  # no caller runs in it
            results = [result for _, result in function(list(left.values()))]
        yield from zip(positions, results, strict=True)
        return
    logging.warning("out of memory: a batch of %d is done in halves", len(positions))
    middle = len(positions) // 2
    for half in (positions[:middle], positions[middle:]):
        for i, result in run(function, [left[position] for position in half]):
            yield half[i], result


@contextlib.contextmanager
def on_cpu() -> Iterator[None]:
    """Computes on the CPU what does not fit into an accelerator, with a warning.

    Raises:
      JaxRuntimeError: there is no accelerator, so that this is the CPU.
    """
    if not _has_accelerator():
        raise jax.errors.JaxRuntimeError(f"{_OUT}: not even one at a time fits")
    logging.warning("out of memory: one alone does not fit; it is done on the CPU")
    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        yield


def _has_accelerator():
    return jax.default_backend() != "cpu"
