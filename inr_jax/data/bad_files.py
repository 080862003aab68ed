"""How many files of a set may be unusable: one, or a tenth; more where that is allowed."""

from inr_jax.errors import InputError

MOST = 0.1  # share of the files


class TooManyBadFiles(InputError):
    """More than a tenth of the files cannot be used, which the user may allow."""


class Tally:
    """Counts files that cannot be used, as they are found.

    Attributes:
      problems: A line for each.
    """

    def __init__(self, name: object, total: int, allow: bool = False):
        """Begins with none.

        Args:
          name: Of the set, for messages.
          total: Files of the set.
          allow: Whether all but one may be bad.
        """
        self.problems: list[str] = []
        self._name, self._total, self._allow = name, total, allow

    def add(self, problem: str) -> None:
        """Notes a file.

        Raises:
          TooManyBadFiles: too many of the set are bad by now.
          InputError: all are.
        """
        self.problems.append(problem)
        count, first = len(self.problems), f"the first: {self.problems[0]}"
        if count == self._total:
            raise InputError(
                f"{self._name}: none of its {count} files can be used; {first}"
            )
        if count > max(1, MOST * self._total) and not self._allow:
            raise TooManyBadFiles(
                f"{self._name}: {count} of {self._total} files cannot be used, more than "
                f"a tenth; {first}"
            )
