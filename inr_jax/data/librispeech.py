"""Fetches small LibriSpeech subsets (Panayotov et al. 2015, CC BY 4.0), checked."""

import os
import pathlib
import tempfile

from inr_jax.errors import InputError

# SHA-256 of the archives.
SUBSETS = {
    "dev-clean": "76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3",
    "test-clean": "39fde525e59672dc6d1551919b1478f724438a95aa55f874b576be21967e6c23",
}
MIRRORS = (
    "https://www.openslr.org/resources/12",
    "https://us.openslr.org/resources/12",
    "https://openslr.elda.org/resources/12",
    "https://openslr.magicdatatech.com/resources/12",
)


def fetch(subset: str, cache: str | os.PathLike | None = None) -> pathlib.Path:
    """Folder of a LibriSpeech subset, fetched (about 340 MB) on first use.

    Mirrors are tried in turn; an archive with another checksum is refused.

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
        cache.mkdir(parents=True, exist_ok=True)
        # renamed when it is whole
        with tempfile.TemporaryDirectory(dir=cache) as part:
            _fetch(subset, part)
            folder.parent.mkdir(exist_ok=True)
            try:
                (pathlib.Path(part) / "LibriSpeech" / subset).rename(folder)
            except OSError:
                if not folder.is_dir():  # no other process was sooner
                    raise
    return folder


def _fetch(subset, folder):
    import pooch

    failures = []
    for mirror in MIRRORS:
        try:
            return pooch.retrieve(
                f"{mirror}/{subset}.tar.gz",
                f"sha256:{SUBSETS[subset]}",
                fname=f"{subset}.tar.gz",
                path=folder,
                processor=pooch.Untar(extract_dir=folder),
            )
        except (OSError, ValueError) as error:
            failures.append(f"{mirror}: {type(error).__name__}")
    raise InputError(
        f"LibriSpeech {subset}: no mirror gave the archive ({'; '.join(failures)}); "
        "fetch it by other means and name its folder"
    )
