"""`config.json` of a folder of results, which refuses results of other settings."""

import contextlib
import json
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

from inr_jax.errors import InputError
from inr_jax.io import atomic, provenance

NAME = "config.json"
# The files that an evaluation is of.
MANIFEST = "manifest.json"
# Settings of trainings that those of earlier versions did not keep.
_LATER = ("valid_dir", "valid_noise_dir")
# Decoded sound in a folder of results, which is none of them.
DECODED = "decoded"


def keep_settings(
    folder: pathlib.Path,
    settings: Mapping[str, Any],
    process: int = 0,
    methods: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Writes `config.json`: settings, those of methods, and versions.

    Args:
      folder: Where to.
      settings: All that the results depend on, as JSON.
      process: Of those that share the folder; the first writes.
      methods: Settings of methods by their labels. The folder may hold results of
        others, whose settings stay recorded.

    Raises:
      InputError: the folder holds results of other settings.
    """
    path = folder / NAME
    known = {}
    # settings without results are those of a run that failed at once
    if path.exists() and _has_results(folder):
        before = _read(folder)
        if methods is not None and "methods" not in before:
            raise InputError(
                f"{folder}: holds results of an earlier version, without settings of "
                "methods; choose another folder"
            )
        known = before.get("methods", {})
        same = {label: methods[label] for label in known if label in (methods or {})}
        refuse_others(folder, before["settings"], settings)
        refuse_others(folder, {label: known[label] for label in same}, same)
    if process == 0:
        parts = {} if methods is None else {"methods": {**known, **methods}}
        described = {"settings": settings, **parts, "versions": provenance.versions()}
        atomic.write_json(path, described)


@contextlib.contextmanager
def filled(
    folder: pathlib.Path,
    settings: Mapping[str, Any],
    process: int = 0,
    methods: Mapping[str, Mapping[str, Any]] | None = None,
) -> Iterator[None]:
    """Keeps settings around a block that fills the folder, as `keep_settings` does.

    A block that fails before its first result leaves nothing behind but decoded sound.
    """
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    ours = [NAME] if (folder / MANIFEST).exists() else [NAME, MANIFEST]
    keep_settings(folder, settings, process, methods)
    try:
        yield
    except BaseException:
        if process == 0 and not _has_results(folder):
            for name in ours:
                (folder / name).unlink(missing_ok=True)
            for path in new:
                with contextlib.suppress(OSError):  # others may use it
                    path.rmdir()
        raise


def read_settings(folder: pathlib.Path) -> dict[str, Any]:
    """The settings that `keep_settings` wrote.

    Raises:
      InputError: there are none.
    """
    return _read(folder)["settings"]


def read_methods(folder: pathlib.Path) -> dict[str, dict[str, Any]]:
    """The settings of methods that `keep_settings` wrote, by label.

    Raises:
      InputError: there are none.
    """
    return _read(folder).get("methods", {})


def _has_results(folder):
    return bool({path.name for path in folder.iterdir()} - {NAME, MANIFEST, DECODED})


def _read(folder) -> dict[str, Any]:
    path = folder / NAME
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        dict(value["settings"])
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{path}: holds no settings of results") from None
    methods = value.get("methods", {})
    if not isinstance(methods, dict) or not all(
        isinstance(settings, dict) for settings in methods.values()
    ):
        raise InputError(f"{path}: methods are not settings by label")
    return value


def refuse_others(
    folder: pathlib.Path, before: Mapping[str, Any], after: Mapping[str, Any]
) -> None:
    """Raises InputError where the settings of a folder's results are not those given."""
    old, new = (dict(leaves(json.loads(json.dumps(x)))) for x in (before, after))
    for name in sorted({*old, *new}):
        # a setting that came later: off, or not known of what was begun before
        if name not in old and (not new[name] or name in _LATER):
            continue
        if old.get(name) != new.get(name):
            raise InputError(
                f"{folder}: holds results with {name} = {old.get(name)}, "
                f"not {new.get(name)}; choose another folder"
            )


def leaves(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Names and values, those of nested settings as `name.name`."""
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
