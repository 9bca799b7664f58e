"""Waking a thread that waits in `poll`."""

import contextlib
import socket


class Waker:
    """A socket pair: any thread calls `wake`, one thread polls the other end and calls `rest` before it looks around.

    Many wake-ups before a `rest` cost one system call. While it is not open, `wake` does nothing.
    """

    def __init__(self) -> None:
        self._ends: tuple[socket.socket, socket.socket] | None = None
        self._awake = False

    def open(self) -> None:
        """Make the socket pair."""
        polled, woken = socket.socketpair()
        polled.setblocking(False)
        woken.setblocking(False)
        self._ends = polled, woken

    def close(self) -> None:
        """Close it; nobody polls it any more."""
        if self._ends is not None:
            ends, self._ends = self._ends, None
            for end in ends:
                end.close()

    def fileno(self) -> int:
        """Return the descriptor that becomes readable, -1 if it is not open."""
        return -1 if self._ends is None else self._ends[0].fileno()

    def wake(self) -> None:
        """Make the descriptor readable."""
        ends = self._ends
        if ends is not None and not self._awake:
            self._awake = True
            with contextlib.suppress(OSError):  # full of wake-ups already, or closed at this moment
                ends[1].send(b"\0")

    def rest(self) -> None:
        """Take the wake-up; from now on the next one counts."""
        if self._ends is not None:
            with contextlib.suppress(BlockingIOError):
                self._ends[0].recv(4096)
        self._awake = False  # last: a byte sent before would be taken here, and nobody would send another ever again
