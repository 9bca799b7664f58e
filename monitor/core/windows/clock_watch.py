"""A watch: the clocks of one stream's channel groups are measured against one another, round by round.

An offset of a clock and a delay on the way look alike from here, but for two things: a delay puts no time stamp ahead
of its arrival, and no later one before an earlier one. So a clock is found ahead by stamps from the future, and set
back by stamps that go back; a channel group that is behind for any other reason may be late and right, and is left
alone. `docs/decisions/0008-clocks-of-channels.md` argues it.
"""

from typing import TypeAlias

import msgspec

from monitor.core.windows.clock_measure import MESSAGES, ClockMeasure

LEAST_SECONDS = 1.5  # a clock that is off by less is right; so is our own
_CHANGE_SECONDS = 1.0  # between an offset that is known and a new one
_ROUND_SECONDS = 5.0  # the shortest round
_MOST_ROUNDS = 30  # after so many in which nothing was found, there is nothing
_HELD_SECONDS = 60.0  # for so long a clock that was set back has to stay where it is,
_HELD_CLOSE_SECONDS = 0.25  # that close: a backlog that is passed on hardly faster than it was measured does not

Offsets: TypeAlias = dict[int, float]  # by first channel of a channel group; in seconds, positive: ahead


class ClockWatch(msgspec.Struct):
    """What is known of one stream. All is by the first channel of a channel group.

    offsets: that are applied. last: the last time stamp, and its arrival. went_back: whose stamps went back, in which
    round, and by how much against arrivals. held: where a level was found, and since when (arrival). any_ahead: whether
    a clock was found ahead in the last round.
    """

    began_seconds: float
    rounds: int = 0
    measures: dict[int, ClockMeasure] = {}
    offsets: Offsets = {}
    last: dict[int, tuple[float, float]] = {}
    went_back: dict[int, tuple[int, float]] = {}
    held: dict[int, tuple[float, float]] = {}
    any_ahead: bool = False

    def take_in(self, channel: int, time_seconds: float, arrival_seconds: float) -> bool:
        """Take in a message by the time stamp of its last sample. Returns whether a round has ended with it."""
        before = self.last.get(channel)
        if before is not None and time_seconds < before[0] - _CHANGE_SECONDS:
            self.note_going_back(channel, before[0] - before[1] - (time_seconds - arrival_seconds))
        self.last[channel] = time_seconds, arrival_seconds
        measure = self.measures.get(channel)
        if measure is None:
            measure = self.measures[channel] = ClockMeasure(arrival_seconds, arrival_seconds)
        measure.add(time_seconds - arrival_seconds, arrival_seconds)
        return (
            measure.messages >= MESSAGES
            and arrival_seconds - self.began_seconds >= _ROUND_SECONDS
            and all(each.messages >= MESSAGES for each in self.measures.values())
        )

    def note_going_back(self, channel: int, seconds: float) -> None:
        """Note that time stamps went back. seconds: by how much less they are ahead of their arrival now."""
        self.went_back[channel] = self.rounds, seconds

    def end_round(self, now_seconds: float) -> Offsets:
        """Compare what was measured, and begin another round. Returns the offsets that are to be applied from now on.

        now_seconds: the arrival of the message that ended it.
        """
        levels = {
            channel: level
            for channel, measure in self.measures.items()
            if (level := measure.level(self.began_seconds, now_seconds)) is not None
        }
        self.held = {channel: self._held_of(channel, level) for channel, level in levels.items()}
        found = dict(self.offsets)
        for channel in sorted(levels, key=lambda channel: channel not in self.went_back):  # what was put right first
            others = [each - found.get(other, 0.0) for other, each in levels.items() if other != channel]
            # who is that far behind is late, or its clock is wrong, too: nothing can be told by it
            others = [each for each in others if each > -LEAST_SECONDS]
            if others:
                level = levels[channel]
                found[channel] = self._offset(channel, level, level - min(others, key=abs), now_seconds)
        self.any_ahead = max(levels.values(), default=0.0) >= LEAST_SECONDS
        self.measures, self.began_seconds, self.rounds = {}, now_seconds, self.rounds + 1
        return {channel: offset for channel, offset in found.items() if offset}

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to be watched."""
        return not self.offsets and not self.any_ahead and (not self.went_back or self.rounds >= _MOST_ROUNDS)

    def begin_anew(self, now_seconds: float) -> None:
        """Forget what was measured: our own clock was set."""
        self.began_seconds, self.measures, self.last, self.went_back, self.held = now_seconds, {}, {}, {}, {}

    def _held_of(self, channel: int, level: float) -> tuple[float, float]:
        held = self.held.get(channel)
        if held is not None and abs(level - held[0]) <= _HELD_CLOSE_SECONDS:
            return held
        return level, self.began_seconds

    def _offset(self, channel: int, level: float, apart: float, now_seconds: float) -> float:
        """The offset of one channel group. level: ahead of arrival; apart: of those that can be trusted."""
        applied = self.offsets.get(channel, 0.0)
        change, right = apart - applied, abs(apart) < LEAST_SECONDS
        if abs(change) < _CHANGE_SECONDS:
            if channel in self.went_back and self.went_back[channel][0] < self.rounds:  # it was only delivered again
                del self.went_back[channel]
            return applied
        if change > 0:
            if right:
                return 0.0
            return apart if min(level, apart) >= LEAST_SECONDS else applied
        if channel not in self.went_back or abs(change + self.went_back[channel][1]) > _CHANGE_SECONDS:
            return applied
        if right:
            return 0.0
        held_seconds = now_seconds - self.held[channel][1]
        return apart if apart > 0 or held_seconds >= _HELD_SECONDS else applied
