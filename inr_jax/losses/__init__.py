"""Differentiable losses between an estimated and a target signal."""

from inr_jax.losses.pmsqe import pmsqe
from inr_jax.losses.pointwise import l1, mse, per_sample, smooth_l1
from inr_jax.losses.snr import negative_segmental_snr, negative_snr
from inr_jax.losses.spectral import (
    compressed_spectrum,
    multi_resolution_mel,
    multi_resolution_stft,
)
from inr_jax.losses.stoi import negative_stoi
from inr_jax.losses.weighted import LOSSES, terms, total

__all__ = [
    "LOSSES",
    "compressed_spectrum",
    "l1",
    "mse",
    "multi_resolution_mel",
    "multi_resolution_stft",
    "negative_segmental_snr",
    "negative_snr",
    "negative_stoi",
    "per_sample",
    "pmsqe",
    "smooth_l1",
    "terms",
    "total",
]
