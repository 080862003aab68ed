"""Makes the next items in a thread while the device works on this one."""

import collections
import concurrent.futures
from collections.abc import Callable, Iterator


class Prefetch:
    """Items of `make(step)` for a range of steps, in order; a context manager."""

    def __init__(self, make: Callable[[int], object], steps: range, depth: int = 2):
        """Starts a thread, which stays `depth` items ahead."""
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
            made = item.result()
            for following in todo:
                ahead.append((following, self._pool.submit(self._make, following)))
                break
            yield step, made
