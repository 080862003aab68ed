"""Makes the next batches in a thread while the device works on this one."""

import collections
import concurrent.futures
import time
from collections.abc import Callable, Iterator


class Prefetch:
    """Items of `make(step)` for a range of steps, in order; a context manager.

    Attributes:
      waited_s: Seconds that the consumer has waited for items so far.
    """

    def __init__(self, make: Callable[[int], object], steps: range, depth: int = 2):
        """Starts a thread, which stays `depth` items ahead."""
        self.waited_s = 0.0
        self._make, self._steps, self._depth = make, steps, depth
        self._pool = concurrent.futures.ThreadPoolExecutor(1)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._pool.shutdown(cancel_futures=True)

    def __iter__(self) -> Iterator[tuple[int, object]]:
        """Yields step and item; an error of `make` is raised here."""
        todo = iter(self._steps)
        ahead = collections.deque(
            (step, self._pool.submit(self._make, step))
            for _, step in zip(range(self._depth), todo, strict=False)
        )
        while ahead:
            step, item = ahead.popleft()
            start = time.monotonic()
            made = item.result()
            self.waited_s += time.monotonic() - start
            for following in todo:
                ahead.append((following, self._pool.submit(self._make, following)))
                break
            yield step, made
