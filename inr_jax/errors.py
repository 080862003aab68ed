"""Errors that the caller can put right, as one line each."""


class InputError(ValueError):
    """Bad input from outside; its message is one line that names the culprit."""


def one_line(error: InputError | OSError) -> str:
    """The message; of what the system refuses, the file and the reason."""
    if isinstance(error, InputError):
        return str(error)
    parts = (error.filename, error.strerror or type(error).__name__)
    return ": ".join(str(part) for part in parts if part)
