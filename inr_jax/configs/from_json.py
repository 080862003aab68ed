"""Frozen dataclasses from JSON."""

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any


def build(kind: type, values: Mapping[str, Any]) -> Any:
    """The dataclass `kind`, and those in it, from `dataclasses.asdict` through JSON.

    Args:
      kind: Its class.
      values: By field; fields that are left out have their defaults.

    Raises:
      TypeError: a field is unknown, or `values` is no mapping.
      ValueError: values make no sense.
    """
    hints = typing.get_type_hints(kind)
    given = dict(values)
    return kind(**{name: _value(hints.get(name), x) for name, x in given.items()})


def _value(kind, value):
    if isinstance(value, list):
        return tuple(_value(None, x) for x in value)
    return build(kind, value) if dataclasses.is_dataclass(kind) else value
