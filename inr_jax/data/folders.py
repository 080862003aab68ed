"""The audio files below a folder, and the files that are left out."""

import os
import pathlib
from collections.abc import Iterator
from typing import NamedTuple

from inr_jax import audio
from inr_jax.errors import listed

# Sound and video that people have, whether or not there is a reader for it here.
_MEDIA = (
    "3g2 3ga 3gp aa aac aax ac3 adts aif aifc aiff alac amr ape asf asx au avi avr "
    "awb caf dff dsf dss dv eac3 f4v flac flv gsm it m2ts m4a m4b m4p m4r m4v mka mkv "
    "mlp mov mp1 mp2 mp3 mp4 mpc mpeg mpg mpga mts mxf oga ogg ogm ogv opus pcm qcp "
    "ra raw rf64 rm rmvb sd2 shn snd sph spx svx tak tta vob voc vox vqf w64 wav wave "
    "wax webm wma wmv wv"
)


class Contents(NamedTuple):
    """Files below a folder.

    Attributes:
      sound: Files of sound by their extension, sorted.
      unreadable: Files that look like sound or video, but whose format cannot be read.
      hidden: Files and folders whose name begins with a dot, which are left out: macOS
        keeps resources of `a.wav` in `._a.wav`.
      closed: Folders that may not be read.
    """

    sound: list[pathlib.Path]
    unreadable: list[pathlib.Path]
    hidden: list[pathlib.Path]
    closed: list[pathlib.Path]

    def problems(self, root: pathlib.Path) -> list[str]:
        """A line for each kind of what cannot be read."""
        kinds = (
            (self.unreadable, "sound or video of formats that cannot be read"),
            (self.closed, "folders that may not be read"),
        )
        return [
            f"{root}: left out {what}: {listed(_below(paths, root))}"
            for paths, what in kinds
            if paths
        ]


def _below(paths, root):
    return [path.relative_to(root) for path in paths]


def contents(root: pathlib.Path) -> Contents:
    """All files below a folder.

    Folders that are links are followed, but each folder is looked into once, by its own
    path where it has one below `root`.
    """
    found, media = Contents([], [], [], []), set(_MEDIA.split())
    for path in _files(root, found):
        if path.name.startswith("."):
            found.hidden.append(path)
        elif audio.is_audio(path):
            found.sound.append(path)
        elif path.suffix[1:].lower() in media:
            found.unreadable.append(path)
    for paths in found:
        paths.sort()
    return found


def _files(root, found) -> Iterator[pathlib.Path]:
    # a link to where the search came from would lead round in a circle
    real = pathlib.Path(os.path.realpath(root))
    seen, links = {*map(str, real.parents)}, [root]
    while links:
        top = links.pop(0)
        for place, folders, names in os.walk(top, onerror=_note(found.closed)):
            identity = os.path.realpath(place)
            if identity in seen:
                folders.clear()
                continue
            seen.add(identity)
            here = pathlib.Path(place)
            found.hidden.extend(here / name for name in folders if name[0] == ".")
            folders[:] = sorted(name for name in folders if name[0] != ".")
            # after all that is reached without links
            links += [here / name for name in folders if os.path.islink(here / name)]
            yield from (here / name for name in names)


def _note(closed):
    return lambda error: closed.append(pathlib.Path(error.filename))
