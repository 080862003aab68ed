"""What all commands share: flags, one clear line for a mistake, a progress bar."""

import collections
import contextlib
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from absl import app, flags, logging

from inr_jax.errors import InputError, listed, one_line

COMPILATION_CACHE = flags.DEFINE_string(
    "compilation_cache",
    None,
    "Folder that keeps compiled programs from run to run; inr_jax/compiled in the "
    "user's cache folder by default, none where empty.",
)
_RATE_OVER_S = 120.0  # progress shows the rate of the last two minutes
_RESUMED_WITHIN_S = 1.0  # what is reported so soon was done before a resumption
EXIT_USAGE = 2  # exit code of bad input
EXIT_INTERRUPTED = 130


def run(main: Callable[..., int | None], takes_arguments: bool = False) -> None:
    """Parses flags, runs `main` and exits with what it returns.

    Arguments that are no flags are given to `main` as a list if it takes them. Bad flags,
    `InputError` and what the system refuses (a full disk, a folder that may not be
    written) end with one line on stderr and exit code 2.
    """

    def guarded(argv: list[str]) -> int:
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.WARNING)
        try:
            if takes_arguments:
                return main(argv[1:]) or 0
            if len(argv) > 1:
                raise InputError(f"unexpected argument {argv[1]!r}: all are flags")
            return main() or 0
        except (InputError, OSError) as error:
            return print_error(one_line(error))
        except (RuntimeError, MemoryError) as error:
            return _print_failure(error)
        except KeyboardInterrupt:
            print("interrupted: the same command does what is left", file=sys.stderr)
            return EXIT_INTERRUPTED

    app.run(guarded, flags_parser=_parse)


def _print_failure(error: RuntimeError | MemoryError) -> int:
    """One line for want of memory or devices; other errors are raised again."""
    from inr_jax.parallel import failures

    line = failures.explained(error)
    if line is None:
        raise error
    return print_error(line)


def start_jax() -> None:
    """Opens devices; compiled programs are kept in the folder of --compilation_cache.

    Raises:
      InputError: there is no device of the kind that is asked for.
    """
    import jax
    import pooch

    from inr_jax.parallel import failures

    failures.require_device()

    folder = COMPILATION_CACHE.value
    if folder is None:
        folder = str(pooch.os_cache("inr_jax") / "compiled")
    if folder:
        jax.config.update("jax_compilation_cache_dir", folder)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def print_error(message: str) -> int:
    """Prints one line on stderr; returns the exit code for a mistake."""
    print("error: " + " ".join(message.split()), file=sys.stderr)
    return EXIT_USAGE


def print_problems(problems: Sequence[str], most: int = 20) -> int:
    """Prints the first lines and how many more there are; returns the exit code."""
    for problem in problems[:most]:
        print_error(problem)
    if len(problems) > most:
        print_error(f"{len(problems) - most} more problems like these")
    return EXIT_USAGE if problems else 0


def print_hidden(paths: Sequence[object]) -> None:
    """Prints which files and folders are left out because their names begin with a dot."""
    if paths:
        print(f"left out {len(paths)} hidden ({listed(paths)})", file=sys.stderr)


def parse_numbers(flag: flags.FlagHolder, kind=float, minimum: float = 1e-12) -> list:
    """The numbers of a list flag.

    Raises:
      InputError: one is not a number of this kind, or below `minimum`.
    """
    try:
        values = [kind(text) for text in flag.value]
    except ValueError:
        values = []
    if not values or not all(minimum <= value < math.inf for value in values):
        what = "whole numbers" if kind is int else "numbers"
        what = f"{what} of at least {minimum}" if minimum <= 0 else f"positive {what}"
        raise InputError(f"--{flag.name} must be {what}: {','.join(flag.value)}")
    return values


def _parse(argv: list[str]) -> list[str]:
    if any(arg in ("-h", "--h", "-help", "--help") for arg in argv[1:]):
        app.usage(shorthelp=True, writeto_stdout=True)
        sys.exit(0)
    try:
        rest = flags.FLAGS(argv)
        for name in flags.FLAGS:
            value = flags.FLAGS[name].value
            if isinstance(value, float) and not math.isfinite(value):
                raise flags.IllegalFlagValueError(f"--{name} must be finite: {value}")
        return rest
    except flags.Error as error:
        sys.exit(print_error(str(error).removeprefix("ERROR:: ")))


@contextlib.contextmanager
def progress(
    verb: str, num_items: int, noun: str, num_steps: int | None = None
) -> Iterator[Callable[[float], None]]:
    """Shows items done and time left; a line now and then if there is no terminal.

    Args:
      verb: What is done, as "fitting".
      num_items: Items in all.
      noun: What they are, as "clips".
      num_steps: Steps of an item, to show steps per second.

    Yields:
      A function to call with the items done since the last call, shares too.
    """
    from rich import progress

    bar = progress.Progress(
        progress.TextColumn(verb),
        progress.BarColumn(),
        progress.TextColumn("{task.fields[text]}"),
        progress.TextColumn("time left"),
        progress.TimeRemainingColumn(),
        console=_stderr(),
        refresh_per_second=2,
    )
    task = bar.add_task(verb, total=num_items, text=f"0/{num_items} {noun}")
    start, done = time.monotonic(), 0.0
    last_line = start
    # so that what was done before a resumption soon counts no more
    marks = collections.deque([(start, done)])

    def on_items(share: float) -> None:
        nonlocal last_line, done
        if share == 0:
            return
        done += share
        now = time.monotonic()
        if now - start < _RESUMED_WITHIN_S:
            marks.clear()
        while len(marks) > 1 and marks[1][0] < now - _RATE_OVER_S:
            marks.popleft()
        marks.append((now, done))
        since, before = marks[0]
        rate = (done - before) / max(now - since, 1e-9)
        text = f"{int(done + 1e-3)}/{num_items} {noun}"
        if num_steps and rate:
            text += f", {rate * num_steps:.1f} steps/s"
        bar.update(task, completed=done, text=text)
        finished = done > num_items - 1e-3
        if not bar.console.is_terminal and (now - last_line > 10 or finished):
            left = f", {max(0, num_items - done) / rate:.0f} s left" if rate else ""
            print(f"{verb} {text}{left}", file=sys.stderr, flush=True)
            last_line = now

    if not bar.console.is_terminal:
        yield on_items
        return
    with bar:
        yield on_items


def _stderr():
    from rich import console

    return console.Console(stderr=True)
