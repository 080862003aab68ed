"""Composite measures CSIG, CBAK and COVL, and all metrics at once."""

import numpy as np

from inr_jax.metrics.perceptual import estoi, pesq, stoi
from inr_jax.metrics.segmental import llr, ssnr, wss
from inr_jax.metrics.value import Signal, Value
from inr_jax.metrics.waveform import gain, lag, si_sdr

# Regression weights of (1, PESQ, LLR, WSS, SSNR) in the MATLAB file `composite.m` that
# the field uses; the table printed in Hu and Loizou 2008 differs.
_WEIGHTS = {
    "csig": (3.093, 0.603, -1.029, -0.009, 0),
    "cbak": (1.634, 0.478, 0, -0.007, 0.063),
    "covl": (1.594, 0.805, -0.512, -0.007, 0),
}


def composite(parts: dict[str, Value]) -> dict[str, Value]:
    """CSIG, CBAK and COVL from wide-band PESQ, LLR, WSS and SSNR of one clip.

    Returns `csig`, `cbak` and `covl`, clipped to [1, 5], and unclipped as `csig_raw` and
    so on: in loud noise the clipped ones are all 1.
    """
    scores = {}
    for name, (constant, *weights) in _WEIGHTS.items():
        used = [
            (weight, parts[part])
            for weight, part in zip(
                weights, ("pesq", "llr", "wss", "ssnr"), strict=True
            )
            if weight
        ]
        reason = next((value.reason for _, value in used if value.reason), "")
        raw = constant + sum(weight * value for weight, value in used)
        scores[name] = Value(np.clip(raw, 1, 5), reason)
        scores[f"{name}_raw"] = Value(raw, reason)
    return scores


def all_metrics(
    reference: Signal, estimate: Signal, sample_rate: int
) -> dict[str, Value]:
    """The metrics of one clip at 16 kHz by name, composites from wide-band PESQ.

    Raises:
      ValueError: the lengths differ.
    """
    functions = (ssnr, stoi, estoi, pesq, si_sdr, llr, wss, lag, gain)
    parts = {f.__name__: f(reference, estimate, sample_rate) for f in functions}
    return parts | composite(parts)
