"""Errors that the caller can put right, as one line each."""

from collections.abc import Sequence


class InputError(ValueError):
    """Bad input from outside; its message is one line that names the culprit."""


def one_line(error: InputError | OSError) -> str:
    """The message; of what the system refuses, the file and the reason."""
    if isinstance(error, InputError):
        return str(error)
    parts = (error.filename, error.strerror or type(error).__name__)
    return ": ".join(str(part) for part in parts if part)


def listed(names: Sequence[object], most: int = 3) -> str:
    """The first names and how many more there are, for one line."""
    shown = ", ".join(str(name) for name in names[:most])
    more = len(names) - most
    return f"{shown} and {more} more" if more > 0 else shown
