"""What benchmarks share: timing, peak memory, and a description of the machine."""

import importlib.metadata
import os
import pathlib
import platform
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

from inr_jax.io.provenance import processor

REPETITIONS = 5
_PACKAGES = ("inr_jax", "jax", "jaxlib", "flax", "optax", "numpy", "torch")


def seconds(function: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


class Timing(NamedTuple):
    """Seconds of calls that do the same work.

    Attributes:
      compile_s: What the first call, which compiles, took longer than the others.
      seconds: Of each later call.
      work: Of one call.
      unit: Of the work.
    """

    compile_s: float
    seconds: list[float]
    work: float
    unit: str

    @property
    def per_s(self) -> float:
        """Work in a second, of the median call."""
        return self.work / statistics.median(self.seconds)


class Stopwatch:
    """Times calls that do the same work, one after the other.

    Each call must have finished (`jax.block_until_ready`) before its `lap`.
    """

    def __init__(self, until: float = float("inf")):
        """Starts; after `until` of `time.perf_counter` one call after the first will do."""
        self._until, self._marks = until, [time.perf_counter()]

    def lap(self) -> bool:
        """Notes the end of a call; returns whether there have been enough calls."""
        self._marks.append(time.perf_counter())
        later = len(self._marks) - 2
        return later >= REPETITIONS or later >= 1 and self._marks[-1] > self._until

    def timing(self, work: float, unit: str) -> Timing:
        """All calls so far, each of so much work."""
        first, *later = (
            end - start
            for start, end in zip(self._marks, self._marks[1:], strict=False)
        )
        return Timing(max(0.0, first - statistics.median(later)), later, work, unit)


def timed(
    function: Callable[[], object], work: float, unit: str, watch: Stopwatch
) -> Timing:
    """Calls a function, which does so much work, until `watch` has enough of it."""
    function()
    while not watch.lap():
        function()
    return watch.timing(work, unit)


def matrix_product(size: int = 2048) -> tuple[Callable[[], object], float]:
    """A float32 product of square matrices, and its GFLOP: the yardstick of a device."""
    import jax
    import jax.numpy as jnp

    a = jnp.ones((size, size))
    product = jax.jit(lambda a: jnp.dot(a, a, precision="highest"))
    return lambda: product(a).block_until_ready(), 2 * size**3 / 1e9


def machine() -> dict:
    """Processor, devices and versions of the packages that computed."""
    import jax

    found = {}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            pass  # torch is not required
    return {
        "processor": processor(),
        "backend": jax.default_backend(),
        "device": jax.devices()[0].device_kind,
        "num_devices": jax.local_device_count(),
        "python": platform.python_version(),
        **found,
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
    }


def reset_peak() -> float:
    """Resets the peak of resident memory, where the system can; MiB now resident."""
    try:
        pathlib.Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass
    return peak_mib()


def peak_mib() -> float:
    """Peak of resident memory in MiB since `reset_peak`, or since the start."""
    try:
        status = pathlib.Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
