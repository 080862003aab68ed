"""Fetches small LibriSpeech subsets (Panayotov et al. 2015, CC BY 4.0), checked."""

import os
import pathlib
import tarfile
import tempfile
from typing import BinaryIO

from inr_jax.errors import InputError

# SHA-256 of the archives.
SUBSETS = {
    "dev-clean": "76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3",
    "test-clean": "39fde525e59672dc6d1551919b1478f724438a95aa55f874b576be21967e6c23",
}
MAX_BYTES = 2**29  # of an archive; they have 340 MB
MIRRORS = (
    "https://www.openslr.org/resources/12",
    "https://us.openslr.org/resources/12",
    "https://openslr.elda.org/resources/12",
    "https://openslr.magicdatatech.com/resources/12",
)


def librispeech(subset: str, cache: str | os.PathLike | None = None) -> pathlib.Path:
    """Folder of a LibriSpeech subset, fetched (about 340 MB) on first use.

    Mirrors are tried in turn; an archive with another checksum is refused and removed.

    Args:
      subset: "dev-clean" or "test-clean".
      cache: Where it is kept; the user's cache folder by default.

    Raises:
      InputError: unknown subset, or no mirror gave the archive.
    """
    import pooch

    if subset not in SUBSETS:
        raise InputError(f"LibriSpeech {subset!r}: know only {', '.join(SUBSETS)}")
    cache = pathlib.Path(cache or pooch.os_cache("inr_jax"))
    folder = cache / "LibriSpeech" / subset
    if not folder.is_dir():
        _extract(_fetch(subset, cache), folder, cache)
    return folder


def _fetch(subset: str, cache: pathlib.Path) -> pathlib.Path:
    import pooch

    failures = []
    for mirror in MIRRORS:
        try:
            archive = pooch.retrieve(
                f"{mirror}/{subset}.tar.gz",
                f"sha256:{SUBSETS[subset]}",
                fname=f"{subset}.tar.gz",
                path=cache,
                downloader=lambda url, path, _: to_file(url, path, MAX_BYTES),
            )
            return pathlib.Path(archive)
        except (OSError, ValueError) as error:
            failures.append(f"{mirror}: {type(error).__name__}")
    raise InputError(
        f"LibriSpeech {subset}: no mirror gave the archive ({'; '.join(failures)}); "
        "fetch it by other means and name its folder"
    )


def to_file(url: str, path: str | os.PathLike, max_bytes: int) -> None:
    """Fetches a file of at most so many bytes, with a progress bar.

    Raises:
      OSError: it cannot be fetched.
      ValueError: it is larger.
    """
    import pooch

    bar = Bar(f"fetching {url.rsplit('/', 1)[-1]}")
    try:
        with open(path, "wb") as file:
            fetch = pooch.HTTPDownloader(bar, chunk_size=2**16)
            fetch(url, Limited(file, max_bytes), None)
    finally:
        bar.close()


def _extract(archive: pathlib.Path, folder: pathlib.Path, cache: pathlib.Path) -> None:
    """Unpacks aside and renames, so that a folder that is there is complete."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as aside:
        with tarfile.open(archive) as tar:
            tar.extractall(aside, filter="data")
        (pathlib.Path(aside) / "LibriSpeech" / folder.name).rename(folder)
    archive.unlink()


class Limited:
    """A file to write to that takes so many bytes and no more.

    Raises:
      ValueError: more are written; a server may send without end.
    """

    def __init__(self, file: BinaryIO, max_bytes: int):
        self._file, self._left = file, max_bytes

    def write(self, data: bytes) -> int:
        """As of a file."""
        self._left -= len(data)
        if self._left < 0:
            raise ValueError("more bytes than there are to be")
        return self._file.write(data)

    def flush(self) -> None:
        """As of a file."""
        self._file.flush()


class Bar:
    """The progress bar that pooch asks for, drawn by rich on stderr."""

    def __init__(self, text: str):
        from rich import console, progress

        self.total = 0
        self._bar = progress.Progress(
            *progress.Progress.get_default_columns(),
            progress.DownloadColumn(),
            console=console.Console(stderr=True),
        )
        self._task = self._bar.add_task(text)

    def update(self, num_bytes: int) -> None:
        self._bar.start()
        self._bar.update(self._task, total=self.total, advance=num_bytes)

    def reset(self) -> None:
        """pooch calls it at the end, only to fill the bar once more."""
        self._bar.reset(self._task)

    def close(self) -> None:
        self._bar.stop()
