"""The bell: what the engine waits on, and any thread may ring."""

import math
import threading
import time


class Bell:
    """Wakes the engine. One thread waits, any thread rings.

    linger_seconds: a walk costs a few hundred microseconds however little it brings, and at 20,000 messages a second
    that come one by one, walking at each of them keeps a whole core busy. So a ring that is not urgent ends a wait at
    most once in this time.
    """

    def __init__(self, linger_seconds: float = 0.0) -> None:
        self._linger_seconds = linger_seconds
        self._answered = -math.inf  # when a ring ended a wait last, monotonic
        self._rung = self._urgent = False
        self._condition = threading.Condition()
        self._lingering = False

    def ring(self, *, urgent: bool = False) -> None:
        """Let the wait end: at once where it is urgent."""
        with self._condition:
            self._urgent |= urgent
            if not self._rung or (urgent and self._lingering):
                self._condition.notify()
            self._rung = True

    def wait(self, timeout_seconds: float) -> None:
        """Wait for a ring, at most so long; a ring since the last wait counts."""
        end = time.monotonic() + timeout_seconds
        with self._condition:
            if not self._rung:
                self._condition.wait(timeout_seconds)
            if self._rung:
                self._lingering = True
                linger = min(end, self._answered + self._linger_seconds) - time.monotonic()
                if linger > 0 and not self._urgent:
                    self._condition.wait(linger)
                self._lingering = False
                self._answered = time.monotonic()
            self._rung = self._urgent = False
