"""Matroska, WebM, ASF and whatever else FFmpeg reads, by PyAV.

A file is written anew with its packets as they are.
"""

import os
from fractions import Fraction
from typing import IO

from inr_jax.audio import ffmpeg
from inr_jax.audio.metadata.model import Marker, Metadata, Picture, replacing

FAMILY = "container"
_NAMES = {
    "TRACK": "TRACKNUMBER",
    "PART_NUMBER": "TRACKNUMBER",
    "DISC": "DISCNUMBER",
    "ALBUM_ARTIST": "ALBUMARTIST",
    "DATE_RELEASED": "DATE",
}
_KEYS = {
    "TRACKNUMBER": "track",
    "DISCNUMBER": "disc",
    "ALBUMARTIST": "album_artist",
}
_PICTURES = {"mjpeg": "image/jpeg", "png": "image/png", "bmp": "image/bmp"}
_WITH_ATTACHMENTS = {"matroska"}
_MS = Fraction(1, 1000)


def read(file: IO[bytes]) -> Metadata:
    """What a file holds."""
    found = Metadata(FAMILY)
    read_into(file, found)
    return found


def read_into(file: IO[bytes], found: Metadata) -> None:
    """Adds what FFmpeg finds and is not there yet."""
    more = Metadata(FAMILY)
    try:
        opened = ffmpeg.opened(file)
    except ValueError:  # not a kind that FFmpeg knows
        return
    with found.reading("tags"), opened:
        sound = opened.streams.audio[:1]
        for tags in (opened.metadata, *(stream.metadata for stream in sound)):
            for key, value in tags.items():
                if (key, value) != ("language", "und"):
                    more.tag(_NAMES.get(key.upper(), key), value)
        if "DATE" not in more.tags:
            more.tag("DATE", more.tags.get("CREATION_TIME", [""])[0])
        more.markers = _markers(opened)
        if any(stream.type == "attachment" for stream in opened.streams):
            found.others.append("attachments")
        for stream in opened.streams.video:
            if ffmpeg.is_cover(stream):
                more.pictures += _pictures(opened, stream)
    found.add(more)


def _markers(opened):
    markers = []
    for chapter in opened.chapters():
        base = chapter["time_base"]
        start, end = chapter["start"] * base, chapter["end"] * base
        label = chapter["metadata"].get("title", "")
        markers.append(Marker(Fraction(start), label, max(Fraction(0), end - start)))
    return sorted(markers)


def _pictures(opened, stream):
    """The picture of a stream that has one."""
    mime = _PICTURES.get(stream.codec_context.name)
    for packet in opened.demux(stream):
        if packet.size and mime:
            yield Picture(mime, bytes(packet))
            return


def write(path: str | os.PathLike, found: Metadata) -> list[str]:
    """Puts it into a finished file; returns names of what does not go in.

    A film is left alone: who copied its other tracks has copied the rest.
    """
    with open(path, "rb") as file:
        form = _format(file)
    lost = found.without_place()
    if found.pictures and form not in _WITH_ATTACHMENTS:
        lost.append("cover art")
    with open(path, "rb") as file, ffmpeg.opened(file) as old:
        kept = [stream for stream in old.streams if _is_kept(stream)]
        if len(kept) > 1:
            return []
        rate = old.streams.audio[0].rate
        with replacing(path) as temporary, ffmpeg.created(temporary, form, rate) as new:
            _describe(new, old, found, form)
            streams = {stream: new.add_stream_from_template(stream) for stream in kept}
            for packet in ffmpeg.packets(old, streams):
                new.mux(packet)
    return lost


def _describe(new, old, found, form):
    """All that is no packet."""
    new.metadata.update(old.metadata)
    for tag, values in found.tags.items():
        new.metadata[_KEYS.get(tag, tag.lower())] = "; ".join(values)
    markers = _chapters(found.markers, old.duration) if found.markers else None
    new.set_chapters(markers or old.chapters())
    if form in _WITH_ATTACHMENTS:
        for i, picture in enumerate(found.pictures):
            name = f"cover{i or ''}.{picture.mime.split('/')[-1]}"
            new.add_attachment(name, picture.mime, picture.data)


def _is_kept(stream):
    """All but pictures, which are written anew, and the track of chapters."""
    is_sort = stream.type in ("audio", "video", "subtitle")
    return is_sort and not ffmpeg.is_cover(stream)


def _format(file):
    """FFmpeg's name of the format to write a file of this kind."""
    head = file.read(64)
    if head[:4] == b"\x1aE\xdf\xa3":
        return "webm" if b"webm" in head else "matroska"
    if head[4:8] == b"ftyp":
        return {b"M4A ": "ipod", b"M4B ": "ipod", b"qt  ": "mov"}.get(head[8:12], "mp4")
    return "asf"


def _chapters(markers, duration):
    """Chapters as PyAV takes them; each ends where it says or the next begins."""
    ends = [marker.start for marker in markers[1:]]
    ends.append(max(markers[-1].start, Fraction(duration or 0, 1_000_000)))
    return [
        {
            "id": i,
            "start": round(marker.start / _MS),
            "end": round(
                (marker.start + marker.length if marker.length else end) / _MS
            ),
            "time_base": _MS,
            "metadata": {"title": marker.label} if marker.label else {},
        }
        for i, (marker, end) in enumerate(zip(markers, ends, strict=True), 1)
    ]
