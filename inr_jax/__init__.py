"""Implicit neural representations that denoise speech, in JAX.

Everything loads on first use, so that `import inr_jax` computes nothing, opens no device
and stays fast for commands that only print their help. The exports are listed in
`__init__.pyi`, which type checkers read as well.
"""

import importlib.metadata

import lazy_loader

__version__ = importlib.metadata.version("inr_jax")
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
