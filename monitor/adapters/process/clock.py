"""The clock that arrivals are told by: the system's, but not fooled when that one leaps back.

Systems step their clocks: at start-up when they first hear the time, after a fault, or because somebody turned them.
Were ours to leap back with it, everything that devices send would seem to come from the future and be refused. So a
leap back is believed only once it has lasted. Leaps ahead are followed at once: they make data look late, no more.
"""

import threading
import time
from collections.abc import Callable

import structlog

log = structlog.get_logger()

_LEAP_SECONDS = 1.0  # less is how a clock is kept right, and followed
_HOLD_SECONDS = 600.0  # a clock that was set back for so long is the right one


class ArrivalClock:
    """Epoch seconds; call it from any thread.

    wall, monotonic: the system's clocks, in seconds.
    """

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._offset = wall() - monotonic()
        self._held_since: float | None = None
        self._lock = threading.Lock()

    def __call__(self) -> float:
        """Now."""
        with self._lock:
            now = self._monotonic()
            offset = self._wall() - now
            back = self._offset - offset
            if back < _LEAP_SECONDS:
                if -back > _LEAP_SECONDS and self._held_since is None:
                    log.warning("the system clock leapt ahead", seconds=round(-back, 3))
                self._offset, self._held_since = offset, None
            elif self._held_since is None:
                self._held_since = now
                log.warning("the system clock was set back; not believed yet", seconds=round(back, 3))
            elif now - self._held_since > _HOLD_SECONDS:
                self._offset, self._held_since = offset, None
                log.warning("the clock of arrivals follows the system's, which stayed set back", seconds=round(back, 3))
            return now + self._offset
