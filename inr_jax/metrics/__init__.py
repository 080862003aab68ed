"""Speech quality and intelligibility against a clean reference, in numpy and float64.

Every function takes (reference, estimate, sample_rate), one-dimensional signals of one
length, and returns a `Value`: a float, NaN with a `reason` where there is none. `dnsmos`
takes no reference and gives several.
"""

from inr_jax.metrics.composite import all_metrics, composite
from inr_jax.metrics.dnsmos import dnsmos
from inr_jax.metrics.perceptual import estoi, pesq, stoi
from inr_jax.metrics.segmental import llr, over_attenuation, ssnr, wss
from inr_jax.metrics.value import Value
from inr_jax.metrics.waveform import gain, high_sdr, lag, si_sdr, snr

__all__ = [
    "Value",
    "all_metrics",
    "composite",
    "dnsmos",
    "estoi",
    "gain",
    "high_sdr",
    "lag",
    "llr",
    "over_attenuation",
    "pesq",
    "si_sdr",
    "snr",
    "ssnr",
    "stoi",
    "wss",
]
