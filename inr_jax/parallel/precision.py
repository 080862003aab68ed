"""Programs in 32 bits, whatever the user's `jax_enable_x64` says.

The networks, fits and trainings here are made for float32: with 64 bits their sums would
have other results, types that do not fit each other, and take twice the memory.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax


def in_32_bits(function: Callable) -> Callable:
    """A function that is called, and traced, as if `jax_enable_x64` were off.

    Arguments of 64 bits are rounded to 32. Not for generators, whose caller would run with
    the setting as well.
    """

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if not jax.config.jax_enable_x64:
            return function(*args, **kwargs)
        with jax.enable_x64(False):
            return function(*args, **kwargs)

    return call


def jit(function: Callable | None = None, **settings: Any) -> Callable:
    """`jax.jit` whose programs are in 32 bits."""
    if function is None:
        return functools.partial(jit, **settings)
    compiled = jax.jit(function, **settings)
    call = in_32_bits(compiled)
    call.lower = in_32_bits(compiled.lower)
    return call
