"""The processor and the devices of this machine."""

import os
import pathlib
import platform


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
