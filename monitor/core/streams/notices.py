"""Notices: what an owner should know of a stream, once, in words. The daemon logs them."""

from dataclasses import dataclass
from typing import Any

_AGAIN_SECONDS = 30.0  # of one stream
_AT_ONCE = 20  # streams, in that time


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell. event: what happened; fields: the circumstances, as plain values."""

    event: str
    fields: dict[str, Any]


class NoticeLimit:
    """Lets few notices through: of each stream one in 30 s, and of all streams 20 in that time."""

    def __init__(self) -> None:
        self._began = float("-inf")
        self._told: set[int] = set()  # streams
        self._left_out: set[int] = set()

    def admits(self, stream: int, now_seconds: float) -> bool:
        """Whether to tell something of a stream now (by arrivals)."""
        if not 0 <= now_seconds - self._began < _AGAIN_SECONDS:
            self._began = now_seconds
            self._told.clear()
        if stream in self._told:
            return False
        if len(self._told) >= _AT_ONCE:
            self._left_out.add(stream)
            return False
        self._told.add(stream)
        return True

    def take_left_out(self) -> int:
        """Of how many streams nothing was told since the last call because there were too many."""
        count = len(self._left_out)
        self._left_out.clear()
        return count
