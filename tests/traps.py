"""Files that stop a reader who does not look first, and a bound on the time that a test may take with one."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

SPARSE_BYTES = 3 * 2**30  # which take no room on the disk


def fifo(path: Path) -> None:
    """A FIFO that nobody writes to: opening it waits for ever."""
    os.mkfifo(path)


def sparse(path: Path) -> None:
    """A file of 3 GiB of zeros."""
    with path.open("wb") as file:
        file.truncate(SPARSE_BYTES)


def endless(path: Path) -> None:
    """A device that never ends, by a link."""
    path.symlink_to("/dev/zero")


TRAPS: tuple[Callable[[Path], None], ...] = (fifo, sparse, endless)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Fail where something hangs, instead of hanging along."""

    def hangs(_number: int, _frame: FrameType | None) -> None:
        raise AssertionError(f"it hangs: not done within {seconds:g} s")

    before = signal.signal(signal.SIGALRM, hangs)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
