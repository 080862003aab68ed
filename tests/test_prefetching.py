import threading
import time

import pytest

from inr_jax.data.prefetch import Prefetch


def test_items_come_in_order_none_left_out():
    with Prefetch(lambda step: step * step, range(3, 9)) as items:
        assert list(items) == [(step, step * step) for step in range(3, 9)]


def test_stays_no_further_ahead_than_asked():
    made = []
    with Prefetch(made.append, range(100), depth=2) as items:
        next(iter(items))
        time.sleep(0.1)
        assert len(made) <= 4


def test_an_error_reaches_the_consumer_and_the_thread_ends():
    def make(step):
        if step == 2:
            raise OSError("gone")

    before = threading.active_count()
    with pytest.raises(OSError, match="gone"), Prefetch(make, range(5)) as items:
        list(items)
    assert threading.active_count() == before
