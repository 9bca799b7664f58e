"""Wide rings: rings of their own for the few streams that need more room than all the others.

One is a stream whose channels come one after another, minutes or hours of one and then of the next, as gateways send
what they stored: what came first is kept until the last channel has come. Another is one that brings very much in one
step: its samples are then cut in one go. A wide ring lives as long as it is needed.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from monitor.core.grid.arrivals import Ints

Floats32 = NDArray[np.float32]
_STEPS = 4  # sizes between a power of two and the next: how much is taken follows from how much is needed


@dataclass(slots=True)
class WideRing:
    """The ring of one stream. values: float32 [C, slots + L - 1], as those of `Rings`; backlog: whether it counts."""

    values: Floats32
    slots: int
    backlog: bool

    def windows(self, length: int) -> Floats32:
        """All windows in it: float32 [C, slots, L], a view."""
        view: Floats32 = sliding_window_view(self.values, length, axis=-1)
        return view


class WideRings:
    """The wide rings of a model group, by stream. max_bytes: of those that hold a backlog, together."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._rings: dict[int, WideRing] = {}

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._rings)

    def get(self, stream: int) -> WideRing | None:
        """The ring of a stream, if it has one."""
        return self._rings.get(stream)

    @property
    def streams(self) -> list[int]:
        """The streams that have one."""
        return list(self._rings)

    @property
    def nbytes(self) -> int:
        """Bytes that all of them hold."""
        return sum(ring.values.nbytes for ring in self._rings.values())

    @property
    def backlog_bytes(self) -> int:
        """Bytes that those with a backlog hold."""
        return sum(ring.values.nbytes for ring in self._rings.values() if ring.backlog)

    def among(self, streams: Ints) -> NDArray[np.bool_]:
        """Which of these streams have one: bool [T]. streams: int64 [T]."""
        if not self._rings:
            return np.zeros(len(streams), np.bool_)
        return np.isin(streams, np.fromiter(self._rings, np.int64, len(self._rings)))

    def open(self, stream: int, channels: int, slots: int, twice: int, *, backlog: bool) -> WideRing | None:
        """A ring of at least so many slots, instead of the one that the stream may have; None where it is too much."""
        slots = _rounded(slots)
        nbytes = channels * (slots + twice) * np.dtype(np.float32).itemsize
        before = self._rings.get(stream)
        if backlog:
            others = self.backlog_bytes - (before.values.nbytes if before is not None and before.backlog else 0)
            if others + nbytes > self.max_bytes:
                return None
        ring = WideRing(np.zeros((channels, slots + twice), np.float32), slots, backlog)
        self._rings[stream] = ring
        return ring

    def close(self, stream: int) -> None:
        """Let go of the ring of a stream."""
        self._rings.pop(stream, None)


def _rounded(slots: int) -> int:
    """A size that growing needs reach in few steps: a quarter, a half or three quarters beyond a power of two."""
    step = max((1 << (slots - 1).bit_length()) // (2 * _STEPS), 1)
    return -(-slots // step) * step
