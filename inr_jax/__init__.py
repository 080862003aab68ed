"""Implicit neural representations that denoise speech, in JAX.

Submodules load on first use, so that `import inr_jax` computes nothing, opens no
device and stays fast for scripts that only print their help.
"""

import importlib

_SUBMODULES = (
    "audio",
    "baselines",
    "batching",
    "checkpoints",
    "classical",
    "configs",
    "coords",
    "corpus",
    "datasets",
    "denoise_files",
    "denoisers",
    "download",
    "early_stopping",
    "engine",
    "evaluation",
    "figures",
    "fit_many",
    "fitting",
    "gain_denoiser",
    "gain_field",
    "hypersound",
    "local_hypersound",
    "losses",
    "loudness",
    "measuring",
    "metrics",
    "mixing",
    "model_configs",
    "nerf",
    "noise",
    "noise_power",
    "prefetching",
    "peers",
    "pretrained",
    "reference_steps",
    "report",
    "report_takes",
    "scoring",
    "segments",
    "sine",
    "siren",
    "spectral",
    "stft",
    "sweep_curves",
    "sweeping",
    "tables",
    "trained_denoiser",
    "training",
    "training_curves",
    "training_loop",
    "training_run",
    "validation",
)
__all__ = list(_SUBMODULES)
__all__ += ["denoise"]


def __getattr__(name):
    if name == "denoise":
        return importlib.import_module(f"{__name__}.denoisers").denoise
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
