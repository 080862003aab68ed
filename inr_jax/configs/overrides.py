"""Overrides fields of a dataclass by settings given as text."""

import ast
import dataclasses
import numbers
import os
import types
import typing
from collections.abc import Mapping, Sequence
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
        _field(of, name, text)
        place[name] = _value(typing.get_type_hints(type(of))[name], value, text)
    return _replaced(config, changes)


def check(config: Any, settings: Mapping[str, Any]) -> None:
    """Refuses values that are not of the types of a dataclass's fields.

    Args:
      config: The dataclass.
      settings: Values by name of the field; paths may stand for text, and whole numbers
        for numbers.

    Raises:
      ValueError: names the field and what it must be.
    """
    for name, value in settings.items():
        hint = typing.get_type_hints(type(config))[name]
        kinds = typing.get_args(hint) if _is_union(hint) else (hint,)
        if value is None and len(kinds) > 1:
            continue
        (kind,) = [kind for kind in kinds if kind is not type(None)]
        kind = typing.get_origin(kind) or kind
        is_number = kind in (int, float)
        if not isinstance(value, _TAKEN.get(kind, kind)) or (
            is_number and isinstance(value, bool)
        ):
            raise ValueError(f"{name} must be {_name(kind)}, got {value!r}")


def _field(config, name, text):
    names = [f.name for f in dataclasses.fields(config)] if _has_fields(config) else ()
    if name not in names:
        there = ", ".join(names) or "none"
        raise ValueError(f"{text!r}: there is no setting {name!r}; there are: {there}")
    return getattr(config, name)


def _has_fields(value):
    return dataclasses.is_dataclass(value)


def _replaced(config, changes):
    """All at once, since one setting may be valid only together with another."""
    values = {
        name: _replaced(getattr(config, name), value)
        if _has_fields(getattr(config, name))
        else value
        for name, value in changes.items()
    }
    return dataclasses.replace(config, **values)


def _value(hint, value, text):
    """The value that a text describes, of the type of a field."""
    kinds = typing.get_args(hint) if _is_union(hint) else (hint,)
    (kind,) = [kind for kind in kinds if kind is not type(None)]
    if len(kinds) > 1 and value == "None":
        return None
    if kind is str:
        return value
    try:
        new = ast.literal_eval(value.capitalize() if kind is bool else value)
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        new = None
    if kind is float and type(new) is int:
        new = float(new)
    if typing.get_origin(kind) is tuple:
        kind = tuple
        if type(new) in (int, float):
            new = (new,)
    if type(new) is not kind or (kind is tuple and not _fits(hint, new)):
        must = "name.name=value" if _has_fields(kind) else _name(kind)
        raise ValueError(f"{text!r}: must be {must}")
    return new


def _fits(hint, value):
    """Whether a value, and the items of a tuple, are of their types; numbers may be whole."""
    items = typing.get_args(hint)
    if _is_union(hint):
        return any(_fits(kind, value) for kind in items)
    if typing.get_origin(hint) is not tuple:
        return type(value) is hint or hint is float and type(value) is int
    if type(value) is not tuple:
        return False
    if items[1:] == (...,):
        items = items[:1] * len(value)
    return len(items) == len(value) and all(map(_fits, items, value))


def _is_union(hint):
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def _name(kind):
    return _NAMES.get(kind, f"of type {kind.__name__}")


# Types of values that do for a field.
_TAKEN = {
    int: numbers.Integral,
    float: numbers.Real,
    str: (str, os.PathLike),
    tuple: (tuple, list),
}
_NAMES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    tuple: "a list as 1,2",
}
