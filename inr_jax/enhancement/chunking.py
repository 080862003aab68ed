"""Denoises long sound files piece by piece, in memory that does not grow with them.

For methods whose estimate depends on so many seconds around it and no more: with these as
a margin around each piece, all pieces together are what the whole would be.
"""

import contextlib
import math
from collections.abc import Callable, Iterator

import numpy as np
import soundfile

from inr_jax import audio
from inr_jax.enhancement import api
from inr_jax.enhancement.files import PIPE, DryWetMix, Job
from inr_jax.enhancement.registry import Denoiser, ReceptiveField
from inr_jax.errors import InputError

LONG_S = 600  # what is shorter is heard at once
PIECE_S = 120
# Beyond what a method hears: what resampling hears.
_RESAMPLING_S = 0.2


def is_long(job: Job) -> bool:
    """Whether a job is of a long file; a pipe, or what cannot be read, is not."""
    if PIPE in (job.source, job.target):
        return False
    try:
        with audio.opened(job.source) as binary:
            return soundfile.info(binary).duration > LONG_S
    except (soundfile.LibsndfileError, OSError):
        return False


def denoise(
    denoiser: Denoiser,
    reach: ReceptiveField,
    job: Job,
    mix: DryWetMix,
    seed: int,
    on_clips: Callable[[float], None] = lambda clips: None,
) -> str:
    """Reads, denoises and writes one file.

    Args:
      denoiser: Of a method that hears no further than `reach`.
      reach: As from `registry.receptive_field`.
      job: What to read and write.
      mix: What is done with estimates.
      seed: Of methods that draw.
      on_clips: Called with shares of the file.

    Returns:
      A remark for the user, or nothing.

    Raises:
      InputError: a file cannot be read or written; then nothing is.
    """
    margin_s = _up(reach.seconds + _RESAMPLING_S, reach.alignment_s)
    piece_s = _up(PIECE_S, reach.alignment_s)
    clipped = 0
    with contextlib.ExitStack() as stack:
        add, add_removed = None, None
        for piece, lead, count, share in _pieces(job.source, piece_s, margin_s):
            if add is None:
                add, add_removed = _open(stack, job, mix, piece)
            ((_, estimate),) = api.denoise_recordings(denoiser, [piece], [seed])
            finer = (mix.output_rate or piece.sample_rate) / piece.sample_rate
            kept = slice(round(finer * lead), round(finer * (lead + count)))
            noisy = piece.samples[lead : lead + count]
            output = mix.apply(noisy, estimate[kept])
            clipped += add(output)
            if add_removed:
                add_removed(noisy - output)
            on_clips(share)
    return audio.clipping_note(job.target, clipped)


def _up(seconds, alignment_s):
    return alignment_s * math.ceil(seconds / alignment_s)


def _open(stack, job, mix, piece):
    """Functions that add to the output and to what was removed, if that is asked for."""
    channels = piece.samples.shape[1]
    rate = mix.output_rate or piece.sample_rate

    def opened(path, rate):
        file = audio.open_writer(path, rate, channels, piece.subtype)
        return stack.enter_context(file)

    return (
        opened(job.target, rate),
        opened(job.residual, piece.sample_rate) if job.residual else None,
    )


def _pieces(
    source: str, piece_s: int, margin_s: int
) -> Iterator[tuple[audio.Recording, int, int, float]]:
    """Recordings with margins; of each, which sample is the first after the margin, how
    many follow before the next margin, and which share of the file that is."""
    done = 0
    try:
        with audio.opened(source) as binary, soundfile.SoundFile(binary) as file:
            rate, total = file.samplerate, file.frames
            piece, margin = piece_s * rate, margin_s * rate
            held, lead = _read(file, piece + margin), 0
            while len(held) > lead:
                count = min(piece, len(held) - lead)
                found = audio.Recording(held, rate, file.subtype, source)
                yield audio.checked(found), lead, count, count / total
                done += count
                before = min(margin, lead + count)
                held = np.concatenate(
                    [held[lead + count - before :], _read(file, piece)]
                )
                lead = before
    except (soundfile.LibsndfileError, OSError, TypeError) as error:
        why = audio.error_reason(error)
        raise InputError(f"{source}: cannot read: {why}") from None
    audio.check_not_truncated(source, done, total)


def _read(file, frames):
    return file.read(frames, dtype="float32", always_2d=True)
