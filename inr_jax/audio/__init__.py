"""Audio input and output: decoding, encoding, resampling, loudness."""

from inr_jax.audio.read import (
    HIGHEST_RATE,
    LOWEST_RATE,
    Recording,
    check_not_truncated,
    checked,
    is_audio,
    opened,
    read,
)
from inr_jax.audio.resample import resample
from inr_jax.audio.write import (
    check_writable,
    clipping_note,
    error_reason,
    open_writer,
    write,
    write_stream,
)

__all__ = [
    "HIGHEST_RATE",
    "LOWEST_RATE",
    "Recording",
    "check_not_truncated",
    "check_writable",
    "checked",
    "clipping_note",
    "error_reason",
    "is_audio",
    "open_writer",
    "opened",
    "read",
    "resample",
    "write",
    "write_stream",
]
