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
    "clip_figures",
    "configs",
    "coords",
    "corpus",
    "datasets",
    "denoise_files",
    "denoisers",
    "denoising",
    "device_flags",
    "devices",
    "disturbance",
    "dnp",
    "dnp_fits",
    "download",
    "early_stopping",
    "engine",
    "evaluating",
    "evaluation",
    "evaluation_figures",
    "evaluation_report",
    "evaluation_results",
    "figures",
    "fit_many",
    "fitting",
    "frame_targets",
    "gain_denoiser",
    "gain_field",
    "gate_network",
    "hub",
    "hypersound",
    "hypersound_target",
    "local_hypersound",
    "long_files",
    "losses",
    "loudness",
    "measuring",
    "method_flags",
    "metrics",
    "mixing",
    "model_configs",
    "nerf",
    "noise",
    "noise_power",
    "noisy_sets",
    "peers",
    "prefetching",
    "pretrained",
    "reference_steps",
    "report",
    "report_takes",
    "score_figures",
    "scoring",
    "segments",
    "sepformer",
    "sepformer_denoiser",
    "sepformer_mapping",
    "sepformer_weights",
    "sine",
    "siren",
    "sound_files",
    "spectral",
    "spectral_hypernetwork",
    "stepping",
    "stft",
    "sweep_curves",
    "sweeping",
    "table1",
    "tables",
    "torch_checkpoint",
    "trained_denoiser",
    "training",
    "training_configs",
    "training_curves",
    "training_flags",
    "training_loop",
    "training_run",
    "validation",
    "wave_u_net",
)
__all__ = list(_SUBMODULES)
__all__ += ["denoise"]


def __getattr__(name):
    if name == "denoise":
        return importlib.import_module(f"{__name__}.denoising").denoise
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
