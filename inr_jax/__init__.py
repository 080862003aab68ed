"""Implicit neural representations that denoise speech, in JAX.

Subpackages load on first use, so that `import inr_jax` computes nothing, opens no
device and stays fast for scripts that only print their help.
"""

import importlib

__all__ = [
    "audio",
    "cli",
    "configs",
    "data",
    "denoise",
    "dsp",
    "enhancement",
    "errors",
    "evaluation",
    "fitting",
    "io",
    "losses",
    "metrics",
    "models",
    "nn",
    "parallel",
    "plots",
    "training",
]


def __getattr__(name):
    if name == "denoise":
        return importlib.import_module(f"{__name__}.enhancement.api").denoise
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
