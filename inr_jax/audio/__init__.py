"""Audio input and output: decoding, encoding, resampling, loudness."""

from inr_jax.audio.formats import check_writable, encoding, holds_pictures, is_audio
from inr_jax.audio.read import (
    Recording,
    as_array,
    as_signal,
    checked,
    checked_rate,
    read,
    read_file,
)
from inr_jax.audio.resample import resample
from inr_jax.audio.stream import (
    HIGHEST_RATE,
    LOWEST_RATE,
    FileSource,
    error_reason,
)
from inr_jax.audio.video import open_track_writers
from inr_jax.audio.write import check_room, clipping_note, open_writer, write

__all__ = [
    "HIGHEST_RATE",
    "LOWEST_RATE",
    "FileSource",
    "Recording",
    "as_array",
    "as_signal",
    "check_room",
    "check_writable",
    "checked",
    "checked_rate",
    "clipping_note",
    "encoding",
    "error_reason",
    "holds_pictures",
    "is_audio",
    "open_track_writers",
    "open_writer",
    "read",
    "read_file",
    "resample",
    "write",
]
