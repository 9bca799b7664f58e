"""What is refused of each stream: how much for which reason, and whether anything but that comes any more."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from monitor.core.values.channel_groups import ChannelGroups
from monitor.core.values.columns import Columns, column
from monitor.core.values.discards import REASONS, Discard, Reason

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_NUMBERS = {reason: number for number, reason in enumerate(REASONS)}
# A few refusals are no state of a stream: it takes so many in a row, over so long.
_LEAST_REFUSED, _LEAST_SECONDS = 3, 5.0


class StreamDiscards(Columns):
    """Refusals by stream and reason, and by channel group those since the last block that was accepted.

    counts: int64 [S, R], of samples, or of messages where it is they that are refused; R as in `REASONS`.
    """

    counts: Ints = column("counts", np.int64, shape=("reasons",))
    _run: Ints = column(None, np.int64, by_channel_group=True)  # refused in a row
    _since: Floats = column(None, np.float64, np.nan, by_channel_group=True)  # arrival of the first of them
    _last: Floats = column(None, np.float64, np.nan, by_channel_group=True)  # and of the last
    _reason: NDArray[np.int8] = column(None, np.int8, by_channel_group=True)  # of the last

    def __init__(self, groups: ChannelGroups) -> None:
        super().__init__(groups, reasons=len(REASONS))
        self._details: dict[int, str] = {}  # of the last message refused, by channel group

    def open_stream(self, stream: int) -> None:
        """Count from 0 for a stream number."""
        self.ensure_capacity(stream + 1)
        self.reset(stream)
        rows = self._groups.of_stream(stream)
        for group in range(rows.start, rows.stop):
            self._details.pop(group, None)

    def add(self, group: int, reason: Reason, count: int, arrival_seconds: float, accepted_seconds: float) -> None:
        """Count what was refused of a channel group.

        arrival_seconds: when it came. accepted_seconds: arrival of the last block that was accepted; NaN: none was.
        """
        stream = self._groups.stream(group)
        self.counts[stream, _NUMBERS[reason]] += count
        since = self._since[group]
        if np.isnan(since) or accepted_seconds >= since:
            self._run[group], self._since[group] = 0, arrival_seconds
        self._run[group] += count
        self._last[group] = arrival_seconds
        self._reason[group] = _NUMBERS[reason]
        self._details.pop(group, None)

    def add_message(self, group: int, discard: Discard, arrival_seconds: float, accepted_seconds: float) -> None:
        """Count a message that was refused, as `add`."""
        self.add(group, discard.reason, 1, arrival_seconds, accepted_seconds)
        self._details[group] = discard.detail

    def refusing(self, accepted_seconds: Floats, streams: Ints, since_seconds: float) -> NDArray[np.bool_]:
        """Channel groups of which all is refused: bool [T, C].

        accepted_seconds: float64 [S * C], arrival of the last block accepted of each; NaN: none was. streams: int64
        [T]. since_seconds: where the last refusal came before that, nothing comes any more.
        """
        if not len(streams):
            return np.zeros((0, self._groups.channels), np.bool_)
        self.ensure_capacity(int(streams.max()) + 1)
        rows = self._groups.of_streams(streams)
        since, last = self._since[rows], self._last[rows]
        found = (self._run[rows] >= _LEAST_REFUSED) & (last - since >= _LEAST_SECONDS) & (last >= since_seconds)
        found &= ~(accepted_seconds[rows] >= since)
        return found.reshape(len(streams), self._groups.channels)

    def last_arrivals(self, streams: Ints) -> Floats:
        """When the last came that was refused, on any channel: float64 [T], NaN where nothing was. streams: int64 [T].

        By this process: refusals of earlier ones are counted, and their arrivals are not kept.
        """
        by_channel = self._last[self._groups.of_streams(streams)].reshape(len(streams), self._groups.channels)
        last: Floats = np.fmax.reduce(by_channel, axis=1)
        return last

    def last_of(self, group: int) -> tuple[Reason, str | None, float]:
        """The last refusal of a channel group: why, its detail where it was a message, and its arrival."""
        return REASONS[self._reason[group]], self._details.get(group), float(self._last[group])

    def totals(self, stream: int) -> Iterable[tuple[Reason, int]]:
        """What was refused of a stream, by reason."""
        counts = self.counts[stream]
        return [(REASONS[number], int(counts[number])) for number in np.flatnonzero(counts).tolist()]

    def kept(self, streams: Ints) -> dict[str, list[int]]:
        """The counts of these streams by reason, without those that are 0 throughout. streams: int64 [T]."""
        self.ensure_capacity(int(streams.max(initial=-1)) + 1)
        counts = self.counts[streams]
        return {REASONS[number].value: counts[:, number].tolist() for number in np.flatnonzero(counts.any(axis=0))}

    def put_kept(self, streams: Ints, kept: dict[str, list[int]]) -> None:
        """Count on from what `kept` gave; reasons that there are no more are left out. streams: int64 [T]."""
        self.ensure_capacity(int(streams.max(initial=-1)) + 1)
        for number, reason in enumerate(REASONS):
            if reason.value in kept:
                self.counts[streams, number] = kept[reason.value]

    def adjust_for_clock_step(self, seconds: float, now_seconds: float) -> None:
        """Shift stored arrival times by the step of our wall clock."""
        for arrivals in (self._since, self._last):
            np.minimum(arrivals + seconds, now_seconds, out=arrivals)
