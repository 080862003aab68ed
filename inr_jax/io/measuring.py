"""What a machine does: times, memory, and the matrix product as a yardstick."""

import os
import pathlib
import platform
import time
from collections.abc import Callable


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


def machine() -> dict[str, str]:
    """Version of jax and the device that it chose."""
    import jax

    device = jax.devices()[0]
    return {"jax": jax.__version__, "backend": device.platform, "device": str(device)}


def processor() -> str:
    """Name of the processor, and how many cores of it there are."""
    name = platform.processor() or platform.machine()
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text()
        name = text.split("model name")[1].split(":", 1)[1].split("\n")[0].strip()
    except (OSError, IndexError):
        pass  # not Linux, or a kind that does not say
    return f"{name}, {os.cpu_count()} cores"


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
