"""Provenance of results: versions, commit, processor and device."""

import importlib.metadata
import os
import pathlib
import platform
import subprocess

_PACKAGES = ("inr_jax", "jax", "numpy", "librosa", "soxr", "pesq", "pystoi")


def versions() -> dict[str, str]:
    """Versions of the packages that results depend on."""
    return {name: importlib.metadata.version(name) for name in _PACKAGES}


def commit() -> str | None:
    """Commit of the source; None where it is no git checkout, or there is no git."""
    here = pathlib.Path(__file__)
    # an installed package may lie within the repository of another project
    if not _git(here.parent, "ls-files", here.name):
        return None
    return _git(here.parent, "describe", "--always", "--dirty")


def _git(folder, *args):
    try:
        done = subprocess.run(
            ["git", "-C", folder, *args], capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return done.stdout.strip() or None


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
        pass  # not Linux, or a processor without this line
    return f"{name}, {os.cpu_count()} cores"
