"""The pace of a thread that may use a small share of its process's processor time."""

from typing import NamedTuple

_BUSY = 0.03  # of a core: a process that uses less is idle, and a turn's fixed cost is a large share of little


class Turn(NamedTuple):
    """A turn: processor seconds that the process had used before it, what the turn cost, and when (monotonic)."""

    process_seconds: float
    cost_seconds: float
    at_monotonic: float


class TurnPace:
    """Says how long to wait between turns, and whether they do too much.

    share: of the process's processor time, that all turns together may use. shortest_seconds, longest_seconds: between
    two turns of an idle process. began: what there was before the first turn, at no cost.
    """

    def __init__(self, share: float, shortest_seconds: float, longest_seconds: float, began: Turn) -> None:
        self.wait_seconds = shortest_seconds
        self._share = share
        self._shortest_seconds = shortest_seconds
        self._longest_seconds = longest_seconds
        self._last = began
        self._over = 1.0  # how many times too dear the last turn was

    def note(self, turn: Turn) -> float:
        """Note a turn. Returns how many times too dear this and the one before were, where the process is busy.

        1 where all is well: one turn alone may be dear, as one that opens a file.
        """
        before, self._last = self._last, turn
        used = turn.process_seconds - before.process_seconds
        over = turn.cost_seconds / max(self._share * used, 1e-9)
        self.wait_seconds = (
            min(self.wait_seconds * 2, self._longest_seconds)
            if over > 1
            else max(self.wait_seconds / 2, self._shortest_seconds)
        )
        over_before, self._over = self._over, over if self._is_busy(turn, before) else 1.0
        return max(min(over_before, self._over), 1.0)

    def owed_seconds(self, now: Turn) -> float:
        """How long to wait, at least, until the last turn is a small enough share of what the process has used.

        now: the process, at no cost. An idle process does not come to that, and is not waited for longer than for any
        turn. The result is in seconds of the process's time; 0: go on.
        """
        owed = self._last.cost_seconds / self._share - (now.process_seconds - self._last.process_seconds)
        waited = now.at_monotonic - self._last.at_monotonic
        if waited > self._longest_seconds and not self._is_busy(now, self._last):
            return 0.0
        return max(0.0, owed)

    def _is_busy(self, turn: Turn, before: Turn) -> bool:
        used, passed = turn.process_seconds - before.process_seconds, turn.at_monotonic - before.at_monotonic
        return used > _BUSY * passed
