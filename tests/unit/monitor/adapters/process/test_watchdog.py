"""The watchdog notices what does not move, says where it hangs, and is not fooled by a machine that slept."""

import threading
from collections.abc import Iterator

import pytest

from monitor.adapters.process.watchdog import Hang, Part, Watchdog
from tests.broker import wait_until


class Clock:
    """A monotonic clock that a test turns."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


class Moving:
    """Two parts, and a watchdog that looks every second."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.moved = {"pipeline": 0, "network": 0}
        parts = [
            Part("pipeline", "nobody", lambda: self.moved["pipeline"], 8.0),
            Part("network", "nobody", lambda: self.moved["network"], 20.0),
        ]
        self.watchdog = Watchdog(parts, lambda hang: None, self.clock)

    def after(self, seconds: float, *moving: str) -> Hang | None:
        self.clock.seconds += seconds
        for name in moving:
            self.moved[name] += 1
        return self.watchdog.look()


def test_what_moves_is_left_alone() -> None:
    parts = Moving()
    assert [parts.after(1.0, "pipeline", "network") for _ in range(100)] == [None] * 100


def test_what_stands_still_for_its_limit_hangs() -> None:
    parts = Moving()
    assert [parts.after(1.0, "network") for _ in range(7)] == [None] * 7
    hang = parts.after(1.0, "network")
    assert hang is not None
    assert (hang.part, hang.seconds) == ("pipeline", 8.0)


def test_each_part_has_a_limit_of_its_own() -> None:
    parts = Moving()
    assert [parts.after(1.0, "pipeline") for _ in range(19)] == [None] * 19
    hang = parts.after(1.0, "pipeline")
    assert hang is not None
    assert hang.part == "network"


def test_one_move_starts_the_count_anew() -> None:
    parts = Moving()
    for _ in range(5):
        assert [parts.after(1.0, "network") for _ in range(7)] == [None] * 7
        assert parts.after(1.0, "network", "pipeline") is None


def test_a_machine_that_slept_for_hours_hangs_not() -> None:
    parts = Moving()
    assert parts.after(10_000.0) is None
    assert parts.after(1.0, "pipeline", "network") is None


@pytest.fixture
def stuck() -> Iterator[threading.Thread]:
    release = threading.Event()

    def waits_for_ever() -> None:
        release.wait()

    thread = threading.Thread(target=waits_for_ever, name="stuck-one")
    thread.start()
    yield thread
    release.set()
    thread.join()


def test_the_stack_says_where_a_thread_hangs(stuck: threading.Thread) -> None:
    found: list[Hang] = []
    watchdog = Watchdog([Part("worker", "stuck-one", lambda: 0.0, 0.05)], found.append)
    watchdog.start()
    wait_until(lambda: bool(found), "found")
    watchdog.stop()
    assert any("waits_for_ever" in frame for frame in found[0].stack)
    assert found[0].reason.startswith("the worker has not moved for")
    assert len(found) == 1


def test_a_thread_that_ended_is_told_apart() -> None:
    found: list[Hang] = []
    watchdog = Watchdog([Part("worker", "no such thread", lambda: 0.0, 0.05)], found.append)
    watchdog.start()
    wait_until(lambda: bool(found), "found")
    watchdog.stop()
    assert found[0].reason.startswith("the worker has no thread any more")
