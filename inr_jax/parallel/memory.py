"""When an accelerator runs out of memory: smaller batches, finally the CPU."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jax
from absl import logging

_OUT = ("RESOURCE_EXHAUSTED", "Out of memory")  # as XLA says it
# Gives a result for each item, with its position, in any order.
Run = Callable[[Sequence[Any]], Iterable[tuple[int, Any]]]


def is_out(error: Exception) -> bool:
    """Whether an error says that a device has too little memory."""
    return any(words in str(error) for words in _OUT)


def run(
    function: Run,
    items: Sequence[Any],
    on_smaller: Callable[[int], None] = lambda count: None,
) -> Iterator[tuple[int, Any]]:
    """Positions and results of a batch: in halves where it does not fit into memory.

    An item that does not fit alone is done on the CPU.

    Args:
      function: What is to be run.
      items: The batch.
      on_smaller: Called with the size of the halves.

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
    positions = list(left)
    half = max(1, len(positions) // 2)
    on_smaller(half)
    if len(positions) == 1:
        with on_cpu():  # no caller runs in it
            results = [result for _, result in function(list(left.values()))]
        yield from zip(positions, results, strict=True)
        return
    logging.warning("out of memory: a batch of %d is done in halves", len(positions))
    for part in (positions[:half], positions[half:]):
        for i, result in run(function, [left[p] for p in part], on_smaller):
            yield part[i], result


@contextlib.contextmanager
def on_cpu() -> Iterator[None]:
    """Computes on the CPU what does not fit into an accelerator, with a warning.

    Raises:
      JaxRuntimeError: there is no accelerator, so that this is the CPU.
    """
    if jax.default_backend() == "cpu":
        raise jax.errors.JaxRuntimeError(f"{_OUT[0]}: not even one at a time fits")
    logging.warning("out of memory: one alone does not fit; it is done on the CPU")
    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        yield
