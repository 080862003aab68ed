"""The one exception that means: the caller can put this right."""


class InputError(ValueError):
    """Bad input from outside; its message is one line that names the culprit."""
