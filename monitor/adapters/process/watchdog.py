"""The watchdog: looks from a thread of its own whether the others go on, and says which one hangs, and where.

systemd's watchdog only sees that nothing comes any more. This one finds the reason and hands it to whoever is to act on
it. Time counts only while it looks itself: a machine that slept, or a process that was stopped, is no part that hangs.
"""

import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_LOOKS_PER_LIMIT = 8
_STACK_FRAMES = 12


@dataclass(frozen=True, slots=True)
class Part:
    """Something that must move: `progress` is any number that changes when it does.

    thread: the name of the thread that it runs in. limit_seconds: how long it may stand still.
    """

    name: str
    thread: str
    progress: Callable[[], float]
    limit_seconds: float


@dataclass(frozen=True, slots=True)
class Hang:
    """What was found: which part, for how long it has not moved, and where its thread is (empty: it has ended)."""

    part: str
    seconds: float
    stack: tuple[str, ...]

    @property
    def reason(self) -> str:
        """In one line."""
        what = "has not moved" if self.stack else "has no thread any more and has not moved"
        return f"the {self.part} {what} for {self.seconds:.0f} s"


class Watchdog:
    """Looks at the parts until it is stopped; `on_hang` is called, in its thread, for the first that hangs."""

    def __init__(
        self, parts: Sequence[Part], on_hang: Callable[[Hang], None], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._parts = parts
        self._on_hang = on_hang
        self._monotonic = monotonic
        self._tick_seconds = min(part.limit_seconds for part in parts) / _LOOKS_PER_LIMIT
        self._still = dict.fromkeys((part.name for part in parts), 0.0)
        self._progress = {part.name: part.progress() for part in parts}
        self._looked = monotonic()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Look from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopping.set()
        self._thread.join()

    def look(self) -> Hang | None:
        """Look once."""
        now = self._monotonic()
        # of a pause that was longer than planned, nobody knows who could have moved in it
        passed, self._looked = min(now - self._looked, 2 * self._tick_seconds), now
        for part in self._parts:
            progress = part.progress()
            if progress != self._progress[part.name]:
                self._progress[part.name], self._still[part.name] = progress, 0.0
                continue
            self._still[part.name] += passed
            if self._still[part.name] >= part.limit_seconds:
                return Hang(part.name, self._still[part.name], _stack_of(part.thread))
        return None

    def _run(self) -> None:
        while not self._stopping.wait(self._tick_seconds):
            hang = self.look()
            if hang is not None:
                self._on_hang(hang)
                return


def _stack_of(name: str) -> tuple[str, ...]:
    frames = sys._current_frames()  # noqa: SLF001 - the documented way to see another thread's stack
    for thread in threading.enumerate():
        if thread.name == name and thread.ident in frames:
            stack = traceback.extract_stack(frames[thread.ident])
            return tuple(f"{each.filename}:{each.lineno} {each.name}" for each in stack[-_STACK_FRAMES:])
    return ()
