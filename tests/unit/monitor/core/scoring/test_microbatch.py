"""Windows wait together, never too many and never too long, and leave in the order they came."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.scoring.microbatch import MicroBatch
from monitor.core.windows.stream_windows import WindowBatch

NEVER = float("inf")


def windows(first: int, count: int) -> WindowBatch:
    """Windows that are numbered by their stream, from `first` on."""
    number = np.arange(first, first + count)
    at = number.astype(np.float64)
    return WindowBatch(number, at, at, np.ones(count, np.float32), np.zeros((count, 1, 2), np.float32))


def numbers(batch: WindowBatch | None) -> list[int]:
    return [] if batch is None else batch.stream.tolist()


@given(
    max_windows=st.integers(1, 7),
    steps=st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=20),
    tick=st.floats(0, 0.05),
)
def test_full_batches_leave_at_once_and_every_window_leaves_once_and_in_order(
    max_windows: int, steps: list[tuple[int, bool]], tick: float
) -> None:
    batch, came, left, now = MicroBatch(max_windows, 0.05), 0, [], 0.0
    for count, everything in [*steps, (0, True)]:
        batch.add(windows(came, count), now)
        came += count
        now += tick
        due = everything or now >= batch.deadline_seconds
        ready = numbers(batch.take(now, everything=everything))
        assert due or len(ready) % max_windows == 0
        left += ready
        assert came - len(left) < max_windows  # what would fill a batch does not wait
    assert left == list(range(came))
    assert batch.deadline_seconds == NEVER


def test_a_full_batch_leaves_at_once_and_the_rest_waits() -> None:
    batch = MicroBatch(4, 10.0)
    batch.add(windows(0, 6), 0.0)
    assert numbers(batch.take(0.0)) == [0, 1, 2, 3]
    assert batch.take(1.0) is None
    batch.add(windows(6, 2), 1.0)
    assert numbers(batch.take(1.0)) == [4, 5, 6, 7]


def test_windows_leave_when_the_oldest_has_waited_long_enough() -> None:
    batch = MicroBatch(100, 0.05)
    batch.add(windows(0, 1), 7.0)
    batch.add(windows(1, 1), 7.04)
    assert batch.deadline_seconds == 7.05
    assert batch.take(7.049) is None
    assert numbers(batch.take(7.05)) == [0, 1]


def test_nothing_waits_for_ever() -> None:
    batch = MicroBatch(100, 0.05)
    assert batch.deadline_seconds == NEVER
    assert batch.take(1e9) is None
    batch.add(windows(0, 1), 5.0)
    batch.take(5.0, everything=True)
    assert batch.deadline_seconds == NEVER


def test_without_a_delay_windows_leave_at_the_next_look() -> None:
    batch = MicroBatch(100, 0.0)
    batch.add(windows(0, 3), 5.0)
    assert numbers(batch.take(5.0)) == [0, 1, 2]


def test_what_windows_waited_before_counts_up_to_half_of_the_delay() -> None:
    for waited, deadline in [(0.01, 1.04), (5.0, 1.025), (-5.0, 1.05)]:
        batch = MicroBatch(100, 0.05)
        batch.add(windows(0, 1), 1.0, waited)
        batch.add(windows(1, 1), 1.001, 0.025)  # the oldest is what counts
        assert abs(batch.deadline_seconds - deadline) < 1e-12
