"""Leaps: time stamps that are suddenly ahead of their arrival, until another one goes on from there.

A gap is as long by arrivals as it is by time stamps. A time stamp that leaps ahead without it is a clock that was set,
or a stray; following a stray would refuse all that comes until the time that it names. So the first block of a leap is
refused, and the next is believed if it goes on where the first ended.
"""

from monitor.core.values.snapshots import Count, StateError, typed


class Leaps:
    """The blocks that leapt last, by channel group: where the next would begin. Few have any."""

    def __init__(self) -> None:
        self._next: dict[int, float] = {}

    def goes_on(self, channel_group: int, time_seconds: float, early_seconds: float, late_seconds: float) -> bool:
        """Whether a block that leaps goes on from the leap before it.

        early_seconds, late_seconds: by how much it may be off.
        """
        expected = self._next.get(channel_group)
        return expected is not None and -early_seconds <= time_seconds - expected <= late_seconds

    def note(self, channel_group: int, next_seconds: float) -> None:
        """Note a block that leapt. next_seconds: when the next would begin."""
        self._next[channel_group] = next_seconds

    def forget(self, channel_groups: range) -> None:
        """Forget what leapt of these channel groups."""
        if self._next:
            for each in channel_groups:
                self._next.pop(each, None)

    def snapshot(self, channel_groups: list[int]) -> list[tuple[int, float]]:
        """What leapt of these channel groups, by where they stand among them."""
        return [(at, self._next[each]) for at, each in enumerate(channel_groups) if each in self._next]

    @staticmethod
    def check(state: object, count: int) -> list[tuple[int, float]]:
        """What a state of so many channel groups holds; raises StateError if it is none."""
        found = typed(state, list[tuple[Count, float]])
        if any(at >= count for at, _ in found):
            raise StateError("leaps of no channel group")
        return found

    def restore(self, channel_groups: list[int], state: list[tuple[int, float]]) -> None:
        """Go on from what `check` gave."""
        self._next |= {channel_groups[at]: seconds for at, seconds in state}
