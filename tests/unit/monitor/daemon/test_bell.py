"""The bell: any thread ends a wait, at once where it is urgent, and no ring is lost."""

import threading
import time

from monitor.daemon.bell import Bell

LONG_SECONDS = 60.0


def rung_from_another_thread(bell: Bell, *, urgent: bool) -> None:
    thread = threading.Thread(target=bell.ring, kwargs={"urgent": urgent})
    thread.start()
    bell.wait(LONG_SECONDS)
    thread.join()


def waited_seconds(bell: Bell, timeout_seconds: float) -> float:
    began = time.monotonic()
    bell.wait(timeout_seconds)
    return time.monotonic() - began


def test_a_ring_ends_the_wait() -> None:
    began = time.monotonic()
    rung_from_another_thread(Bell(), urgent=False)
    assert time.monotonic() - began < LONG_SECONDS / 2


def test_a_ring_before_the_wait_counts_once() -> None:
    bell = Bell()
    bell.ring()
    bell.ring()
    assert waited_seconds(bell, LONG_SECONDS) < LONG_SECONDS / 2
    assert waited_seconds(bell, 0.02) >= 0.02


def test_rings_that_are_not_urgent_end_a_wait_once_in_the_time_to_linger() -> None:
    bell = Bell(linger_seconds=0.05)
    bell.ring()
    bell.wait(LONG_SECONDS)  # the first one: nothing was answered before
    bell.ring()
    assert 0.03 < waited_seconds(bell, LONG_SECONDS) < LONG_SECONDS / 2


def test_lingering_ends_with_the_timeout() -> None:
    bell = Bell(linger_seconds=LONG_SECONDS)
    bell.ring()
    bell.wait(LONG_SECONDS)
    bell.ring()
    assert waited_seconds(bell, 0.02) < LONG_SECONDS / 2


def test_an_urgent_ring_ends_lingering() -> None:
    bell = Bell(linger_seconds=LONG_SECONDS)
    bell.ring()
    bell.wait(LONG_SECONDS)
    bell.ring()
    began = time.monotonic()
    rung_from_another_thread(bell, urgent=True)
    assert time.monotonic() - began < LONG_SECONDS / 2
