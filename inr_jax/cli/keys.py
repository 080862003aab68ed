"""Keys that are pressed while a command runs."""

import contextlib
import os
import select
import sys
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def pressed() -> Iterator[Callable[[], str]]:
    """A context that yields a function for the keys since the last call.

    Standard input must be a terminal of a system with termios; elsewhere there are none,
    and none for a job in the background, which would be stopped for asking.
    """
    try:
        import termios
        import tty
    except ImportError:
        yield lambda: ""
        return
    try:
        terminal = sys.stdin.fileno()
        before = termios.tcgetattr(terminal)
        in_front = os.tcgetpgrp(terminal) == os.getpgrp()
    except (OSError, ValueError, AttributeError, termios.error):
        in_front = False
    if not in_front:
        yield lambda: ""
        return
    tty.setcbreak(terminal)  # keys without Enter; Ctrl-C still interrupts

    def keys():
        ready, _, _ = select.select([terminal], [], [], 0)
        return os.read(terminal, 64).decode(errors="ignore") if ready else ""

    try:
        yield keys
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
