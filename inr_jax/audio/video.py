"""Videos, and files of several tracks: new sound, all other packets are copied."""

import contextlib
import heapq
import os
import pathlib
import tempfile
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from inr_jax.audio import edits, ffmpeg, formats
from inr_jax.audio.stream import FileSource
from inr_jax.audio.write import naming, open_writer
from inr_jax.io.atomic import replacing

Add = Callable[[np.ndarray], int]


@contextlib.contextmanager
def open_track_writers(
    path: str | os.PathLike,
    tracks: Sequence[FileSource],
    sample_rates: Sequence[int],
    remarks: list[str],
    finish: Callable[[pathlib.Path], None] = lambda file: None,
    name: str | os.PathLike | None = None,
) -> Iterator[list[Add]]:
    """A context that yields functions which append samples, as `audio.open_writer`.

    Where the file can hold the other streams of its source, each track
    has a function, and pictures, subtitles, chapters and attachments are copied when the
    context ends; else the first track has one.

    Args:
      path: Of the file; its extension names the format.
      tracks: The sound of one source, of which all is read when the context ends.
      sample_rates: Hz of what is written, for each track.
      remarks: Lines on what cannot be kept are added to it.
      finish: Called with a finished file of sound alone, before it appears: others have
        the tags of their source.
      name: In messages, instead of the path.

    Raises:
      InputError: as `audio.open_writer`.
    """
    first, name = tracks[0], name or path
    has_more = first.has_pictures or first.num_tracks > 1
    if not has_more or not formats.holds_pictures(path):
        if has_more:
            remarks.append(f"{name}: holds the sound alone, of one track")
        remarks.append(_remark(path, first, sample_rates[0], name))
        with _writer(path, first, sample_rates[0], name, finish) as add:
            yield [add]
        return
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as sounds:
        ending, adds = pathlib.Path(path).suffix, []
        paths = [pathlib.Path(folder) / f"{i}{ending}" for i in range(len(tracks))]
        for sound, track, rate in zip(paths, tracks, sample_rates, strict=True):
            remarks.append(_remark(path, track, rate, name))
            adds.append(sounds.enter_context(_writer(sound, track, rate, name)))
        yield adds
        sounds.close()
        with naming(name), replacing(path) as temporary:
            left_out = _remux(paths, tracks, temporary, path)
        if left_out:
            remarks.append(f"{name}: cannot hold {', '.join(left_out)} of the source")
        if first.num_parts > 1:
            remarks.append(f"{name}: has the pictures of the first joined file alone")


def _remark(path, track, rate, name):
    found = formats.encoding(path, rate, track.num_channels, track.subtype)
    return found.remark.replace(os.fspath(path), os.fspath(name), 1)


def _writer(path, track, rate, name, finish=lambda file: None):
    form = rate, track.num_channels, track.subtype
    return open_writer(path, *form, finish, track.bit_rate, name)


def _remux(sounds, tracks, temporary, path):
    """Copies all but the sound of a source, and the sound of other files.

    Returns:
      Kinds of streams that the format cannot hold.
    """
    with ffmpeg.refusing():
        for skipped in ((), ("data",), ("data", "attachment", "subtitle")):
            try:
                return _remux_without(skipped, sounds, tracks, temporary, path)
            except _CannotHoldError:
                continue
    raise ValueError("it cannot hold the pictures of its source")


class _CannotHoldError(Exception):
    """A format refuses a stream."""


def _remux_without(skipped, sounds, tracks, temporary, path):
    container, _ = formats.ffmpeg_format(path)
    primings = {}
    with contextlib.ExitStack() as files:

        def opened(file):
            return files.enter_context(ffmpeg.opened(file))

        old, new = opened(files.enter_context(tracks[0].first_part())), iter(sounds)
        rate = tracks[0].sample_rate
        output = files.enter_context(ffmpeg.created(temporary, container, rate))
        output.metadata.update(old.metadata)
        output.set_chapters(old.chapters())
        targets, attached, left_out, packets = {}, {}, set(), []
        for stream in old.streams:
            if stream.type == "audio":
                sound = next(new)
                start_s, priming_s = _start_and_priming_s(sound)
                offset_s = tracks[len(packets)].start_s - start_s
                sound = opened(files.enter_context(open(sound, "rb")))
                target = _copied(output, sound.streams.audio[0], stream)
                if offset_s > 0 and container in edits.CONTAINERS:
                    offset_s += priming_s
                    primings[target.index] = round(priming_s * target.rate)
                packets.append(_shifted(sound, target, offset_s))
            elif stream.type == "data" and stream.name == "bin_data" and old.chapters():
                continue  # MP4's track of chapters, which its writer makes anew
            elif stream.type in skipped:
                left_out.add(stream.type)
            else:
                having = attached if stream.type == "attachment" else targets
                try:
                    having[stream] = _copied(output, stream, stream)
                except ffmpeg.errors():
                    left_out.add(stream.type)
        try:
            output.start_encoding()
        except ffmpeg.errors() as error:
            raise _CannotHoldError from error
        if targets:
            copied = ffmpeg.packets(old, targets)
            packets.append((_time_s(packet), packet) for packet in copied)
        # by time, so that the muxer need not keep many of one stream
        for _, packet in heapq.merge(*packets, key=lambda item: item[0]):
            output.mux_one(packet)
    edits.skip_samples(temporary, primings)
    return sorted(left_out)


def _copied(output, template, described):
    """A stream of the output like `template`, with the words about `described`."""
    stream = output.add_stream_from_template(template)
    stream.metadata.update(described.metadata)
    stream.disposition = described.disposition
    return stream


def _start_and_priming_s(path):
    """Time of the first sample that is decoded, and how long the encoder's are."""
    with open(path, "rb") as file:
        reader = ffmpeg.Reader(file)
        next(reader.blocks(1))
        with ffmpeg.opened(file) as sound:
            first_s = _time_s(next(sound.demux(audio=0)))
        return reader.start_s, max(0.0, reader.start_s - first_s)


def _shifted(sound, target, offset_s):
    for packet in ffmpeg.packets(sound, {sound.streams.audio[0]: target}):
        ticks = round(offset_s / packet.time_base)
        packet.pts += ticks
        packet.dts += ticks
        yield _time_s(packet), packet


def _time_s(packet):
    time = packet.pts if packet.dts is None else packet.dts
    return float((time or 0) * packet.time_base)
