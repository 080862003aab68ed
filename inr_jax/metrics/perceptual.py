"""PESQ and STOI by the packages `pesq` and `pystoi`; their failures become reasons."""

import contextlib
import warnings

import numpy as np

from inr_jax.metrics.value import Signal, Undefined, metric, require_not_silent

# The package has room for 50 utterances of the reference and checks nothing: more are
# written beyond its arrays. Less than that, as its filters are not repeated here.
_MOST_UTTERANCES = 45
# Frames of 4 ms: pauses that part utterances, and utterances, are at least so long.
_FRAME_S, _UTTERANCE_FRAMES = 0.004, 50


@metric
def pesq(
    reference: Signal, estimate: Signal, sample_rate: int, band: str = "wb"
) -> float:
    """PESQ as MOS-LQO, 1.02 to 4.64 (ITU-T P.862.2, or P.862.1 for narrow band).

    Invariant to the level of both signals. Undefined where the reference has more than
    about 45 utterances, two minutes of speech: the package's arrays are too short.

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
    if _num_utterances(reference, sample_rate) > _MOST_UTTERANCES:
        raise Undefined(
            "too many utterances for PESQ, which is made for 8 to 30 s: score parts"
        )
    try:
        return package.pesq(sample_rate, reference, estimate, band)
    except package.NoUtterancesError:
        raise Undefined("PESQ finds no speech in a signal") from None
    except package.BufferTooShortError:
        raise Undefined("too short for PESQ: needs 0.25 s") from None
    except (package.PesqError, ValueError) as error:
        raise Undefined(f"PESQ failed: {_text(error)}") from None


def _num_utterances(reference, sample_rate) -> int:
    """Utterances that PESQ may find, with and without low frequencies."""
    size = round(_FRAME_S * sample_rate)
    if len(reference) < 2 * size * _UTTERANCE_FRAMES * _MOST_UTTERANCES:
        return 0  # too short for so many
    counts = []
    for signal in (reference - np.mean(reference), np.diff(reference, prepend=0)):
        frames = signal[: len(signal) // size * size].reshape(-1, size)
        power = np.mean(np.square(frames, dtype=np.float64), axis=1)
        threshold = _speech_threshold(power)
        counts += [_num_stretches(power > threshold * x) for x in (0.5, 1, 2)]
    return max(counts)


def _speech_threshold(power) -> float:
    """Power of frames above which PESQ takes them for speech: P.862, its VAD.

    Two deviations above the mean of what is below, 40 dB under the loudest at least.
    """
    power = np.maximum(power, 1e-4 * np.max(power))
    threshold = np.mean(power)
    for _ in range(12):
        below = power[power <= threshold]
        threshold = np.mean(below) + 2 * np.std(below)
    return threshold


def _num_stretches(is_speech) -> int:
    """Stretches of frames, over short gaps, that are no shorter than an utterance."""
    if not np.any(is_speech):
        return 0
    edges = np.flatnonzero(np.diff(is_speech.astype(np.int8), prepend=0, append=0))
    starts, ends = edges[::2], edges[1::2]
    parts = np.flatnonzero(starts[1:] - ends[:-1] > _UTTERANCE_FRAMES)
    first, last = np.r_[0, parts + 1], np.r_[parts, len(ends) - 1]
    return int(np.sum(ends[last] - starts[first] >= _UTTERANCE_FRAMES // 2))


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
