"""Flags from frozen dataclasses, and dataclasses from flags."""

import dataclasses
import functools
import re
import typing
from collections.abc import Collection, Mapping
from typing import Any

from absl import flags

from inr_jax.errors import InputError

# Flags belong to the module that asks for them, whose --help lists them.
flags.disclaim_key_flags()
_DEFINE = {
    bool: flags.DEFINE_bool,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
    tuple: flags.DEFINE_list,
}


def define(
    config: Any, skip: Collection[str] = (), prefix: str = "", suffix: str = ""
) -> dict[str, Any]:
    """Defines a flag for each field of a dataclass.

    Fields may be numbers, names, booleans, tuples of numbers or names, or dataclasses,
    whose own fields become flags `field.name`. Any but a tuple or dataclass may be None.

    Args:
      config: A dataclass with defaults for all fields, or an instance, whose values are
        the defaults of the flags.
      skip: Fields without a flag.
      prefix: Before the name of each field.
      suffix: Behind it.

    Returns:
      A flag by the name of each field; such a dict again for a field that is a
      dataclass.
    """
    config = config() if isinstance(config, type) else config
    kinds, texts = _kinds(type(config)), _texts(type(config))
    defined: dict[str, Any] = {}
    for name, kind in kinds.items():
        default = getattr(config, name)
        if name in skip:
            continue
        if dataclasses.is_dataclass(kind):
            defined[name] = define(default, (), f"{prefix}{name}.", suffix)
            continue
        if kind is tuple:
            default = [str(x) for x in default]
        text = texts.get(name, f"{type(config).__name__}.{name}.")
        defined[name] = _DEFINE[kind](f"{prefix}{name}{suffix}", default, text)
    return defined


def build(config: Any, given: Mapping[str, Any], **others: Any) -> Any:
    """The dataclass that flags describe.

    Args:
      config: As given to `define`.
      given: What `define` returned.
      **others: Fields that have no flags; those left have their defaults.

    Raises:
      InputError: the settings make no sense.
    """
    config = config() if isinstance(config, type) else config
    for name, flag in given.items():
        if isinstance(flag, Mapping):
            others[name] = build(getattr(config, name), flag)
        elif isinstance(flag.value, list):
            others[name] = _tuple(type(config), name, flag)
        else:
            others[name] = flag.value
    try:
        return dataclasses.replace(config, **others)
    except ValueError as error:
        raise InputError(str(error)) from None


def _tuple(config_class, name, flag):
    kind = typing.get_args(typing.get_type_hints(config_class)[name])[0]
    try:
        return tuple(kind(text) for text in flag.value)
    except ValueError:
        what = "whole numbers" if kind is int else "numbers"
        raise InputError(
            f"--{flag.name} must be {what}: {','.join(flag.value)}"
        ) from None


@functools.cache
def _kinds(config_class) -> dict[str, type]:
    """Of each field its type, without None and without that of a tuple's items."""
    hints = typing.get_type_hints(config_class)
    kinds = {}
    for field in dataclasses.fields(config_class):
        hint = hints[field.name]
        (kind,) = [t for t in typing.get_args(hint) if t is not type(None)][:1] or [
            hint
        ]
        if typing.get_origin(hint) is tuple:
            kind = tuple
        kinds[field.name] = kind
    return kinds


@functools.cache
def _texts(config_class) -> dict[str, str]:
    """What docstrings say of attributes, those of base classes included."""
    texts: dict[str, str] = {}
    for each in reversed(config_class.__mro__):
        _, _, attributes = (each.__doc__ or "").partition("Attributes:\n")
        lines = re.split(r"^ {6}(?=\w+: )", attributes, flags=re.MULTILINE)
        for line in lines[1:]:
            name, _, text = line.partition(": ")
            texts[name] = " ".join(text.split())
    return texts
