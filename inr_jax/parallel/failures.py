"""Messages for failures of devices and for want of memory."""

import os

import jax

from inr_jax.errors import InputError
from inr_jax.parallel import memory


def require_device() -> None:
    """Raises InputError where JAX finds no device of the kind that it is asked for."""
    try:
        jax.local_devices()
    except (RuntimeError, AssertionError) as error:
        if "JAX_PLATFORMS" not in os.environ:
            raise
        asked = os.environ["JAX_PLATFORMS"]
        raise InputError(
            f"JAX finds no device for JAX_PLATFORMS={asked}; install what it needs, as "
            "pip install 'jax[cuda12]' for GPUs of NVIDIA, or unset JAX_PLATFORMS"
        ) from error


def explained(error: Exception) -> str | None:
    """One line on a device or a machine without memory, and what to do; None for others."""
    if isinstance(error, MemoryError):
        return (
            f"this machine has too little memory for this ({error or 'MemoryError'}); "
            "take smaller settings, shorter recordings or fewer of them"
        )
    if memory.is_out(error):
        return (
            "the device has too little memory for this; take a smaller batch or fewer "
            "clips, or compute on the CPU with JAX_PLATFORMS=cpu"
        )
    return None
