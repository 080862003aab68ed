"""Settings given as text over those of a dataclass."""

import ast
import dataclasses
from collections.abc import Sequence
from typing import Any


def apply(config: Any, settings: Sequence[str]) -> Any:
    """The same dataclass with some of its fields, or of theirs, given as text.

    Args:
      config: A frozen dataclass, with others in it.
      settings: Each as "name=value" or "field.name=value", the value as in Python; also
        true and false, and tuples without brackets.

    Raises:
      ValueError: an unknown name or a value of another kind; names the text.
    """
    changes: dict = {}
    for text in settings:
        path, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"{text!r}: must be name=value")
        of, place = config, changes
        *outer, name = path.split(".")
        for part in outer:
            of, place = _field(of, part, text), place.setdefault(part, {})
        place[name] = _like(_field(of, name, text), value, text)
    return _replaced(config, changes)


def _field(config, name, text):
    names = [f.name for f in dataclasses.fields(config)] if _has_fields(config) else ()
    if name not in names:
        raise ValueError(f"{text!r}: there is no setting {name!r}")
    return getattr(config, name)


def _has_fields(value):
    return dataclasses.is_dataclass(value)


def _replaced(config, changes):
    """All at once, since one setting may fit only beside another."""
    values = {
        name: _replaced(getattr(config, name), value)
        if _has_fields(getattr(config, name))
        else value
        for name, value in changes.items()
    }
    return dataclasses.replace(config, **values)


def _like(old, value, text):
    if isinstance(old, str):
        return value
    if isinstance(old, bool):
        value = value.capitalize()
    try:
        new = ast.literal_eval(value)
    except (SyntaxError, ValueError):
        new = None
    if old is None:  # a number, or any text
        return value if new is None and value != "None" else new
    if isinstance(old, float) and type(new) is int:
        new = float(new)
    if isinstance(old, tuple) and type(new) is int:
        new = (new,)
    if type(new) is not type(old):
        raise ValueError(f"{text!r}: must be like {old!r}")
    return new
