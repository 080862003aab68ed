"""PESQ and STOI by the packages `pesq` and `pystoi`; their failures become reasons."""

import contextlib
import warnings

import numpy as np

from inr_jax.metrics.value import Signal, Undefined, metric, require_not_silent


@metric
def pesq(
    reference: Signal, estimate: Signal, sample_rate: int, band: str = "wb"
) -> float:
    """PESQ as MOS-LQO, 1.02 to 4.64 (ITU-T P.862.2, or P.862.1 for narrow band).

    Invariant to the level of both signals.

    Args:
      reference: Clean speech.
      estimate: As long.
      sample_rate: 16,000 Hz, or 8,000 Hz with band "nb".
      band: "wb" for wide band or "nb" for narrow band.
    """
    import pesq as package

    if sample_rate not in ((16_000,) if band == "wb" else (8_000, 16_000)):
        raise Undefined(f"PESQ {band} is not defined at {sample_rate} Hz")
    require_not_silent("reference", reference)
    require_not_silent("estimate", estimate)
    try:
        return package.pesq(sample_rate, reference, estimate, band)
    except package.NoUtterancesError:
        raise Undefined("PESQ finds no speech in a signal") from None
    except package.BufferTooShortError:
        raise Undefined("too short for PESQ: needs 0.25 s") from None
    except (package.PesqError, ValueError) as error:
        raise Undefined(f"PESQ failed: {_text(error)}") from None


@metric
def stoi(reference: Signal, estimate: Signal, sample_rate: int) -> float:
    """Short-time objective intelligibility (Taal et al. 2011), 0 to 1."""
    return _stoi(reference, estimate, sample_rate, extended=False)


@metric
def estoi(reference: Signal, estimate: Signal, sample_rate: int) -> float:
    """Extended STOI (Jensen and Taal 2016), 0 to 1."""
    return _stoi(reference, estimate, sample_rate, extended=True)


def _stoi(reference, estimate, sample_rate, extended):
    import pystoi

    require_not_silent("reference", reference)
    require_not_silent("estimate", estimate)
    too_short = "too short for STOI: needs 30 frames (0.4 s) that are not silent"
    with warnings.catch_warnings(), _fixed_seed():
        warnings.filterwarnings("error", message="Not enough STFT frames")
        try:
            return pystoi.stoi(reference, estimate, sample_rate, extended=extended)
        except (RuntimeWarning, np.exceptions.AxisError):
            raise Undefined(too_short) from None


@contextlib.contextmanager
def _fixed_seed():
    """pystoi adds random noise, which decides where an estimate is digital silence."""
    state = np.random.get_state()
    np.random.seed(0)
    try:
        yield
    finally:
        np.random.set_state(state)


def _text(error: Exception) -> str:
    text = error.args[0] if error.args else type(error).__name__
    return text.decode() if isinstance(text, bytes) else str(text)
