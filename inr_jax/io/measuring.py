"""Times, peak memory, and the matrix product as a yardstick."""

import pathlib
import time
from collections.abc import Callable

from inr_jax.io.provenance import machine, processor  # noqa: F401


def seconds(function: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def matmul_gflops() -> Callable[[], float]:
    """Gives a function that measures GFLOP/s of a float32 product, 2048 cubed."""
    import jax
    import jax.numpy as jnp

    a = jnp.ones((2048, 2048))
    product = jax.jit(lambda a: jnp.dot(a, a, precision="highest"))
    product(a).block_until_ready()
    return lambda: 2 * 2048**3 / seconds(lambda: product(a).block_until_ready()) / 1e9


def reset_peak() -> float:
    """Starts the peak of resident memory anew, where the system can; MiB now resident."""
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
