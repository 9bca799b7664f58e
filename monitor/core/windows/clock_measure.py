"""A measure: by how much the time stamps of one channel group are ahead of their arrival, over one round.

Delays lower single values, and a stray time stamp may be anything. So what counts is the middle of all, and only where
three of four are close to it: a backlog that comes faster than it was measured never is.
"""

import msgspec

MESSAGES = 16  # the fewest that are measured by
_MOST_VALUES = 64  # of more messages, each second, fourth, … is kept
_CLOSE_SECONDS = 0.5  # of the middle
_CLOSE_SHARE = 0.75


class ClockMeasure(msgspec.Struct):
    """What came of one channel group. first_seconds, last_seconds: arrivals; ahead: in seconds, each `every`-th."""

    first_seconds: float
    last_seconds: float
    messages: int = 0
    every: int = 1
    ahead: list[float] = []

    def add(self, ahead_seconds: float, arrival_seconds: float) -> None:
        """Take in a message. ahead_seconds: of its last sample, before its arrival; negative: behind it."""
        if self.messages % self.every == 0:
            self.ahead.append(ahead_seconds)
            if len(self.ahead) == _MOST_VALUES:
                self.ahead = self.ahead[::2]
                self.every *= 2
        self.messages += 1
        self.last_seconds = arrival_seconds

    def level(self, began_seconds: float, ended_seconds: float) -> float | None:
        """What most messages are ahead by; None: they differ, are too few, or did not come all through the round."""
        margin = (ended_seconds - began_seconds) / 4
        all_through = self.first_seconds <= began_seconds + margin and self.last_seconds >= ended_seconds - margin
        if self.messages < MESSAGES or not all_through:
            return None
        ordered = sorted(self.ahead)
        middle = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
        close = sum(abs(each - middle) <= _CLOSE_SECONDS for each in ordered)
        return middle if close >= _CLOSE_SHARE * len(ordered) else None
