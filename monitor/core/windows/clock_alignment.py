"""Clock alignment: channel groups of a stream whose clocks are off by seconds get the times that they should have.

Where the channels of a stream come apart, each may bring the time of a clock of its own. What `clock_watch.py` finds of
it is taken off the time stamps before the sample grid looks at them, and the stream starts anew there. Watched is only
who gives a reason: a time stamp that is ahead of its arrival, or one that goes back. Blocks are looked at in the order
of their messages, so all depends on that order and on arrivals, and on nothing else.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec
import numpy as np

from monitor.core.grid.sample_grid import Floats, Ints, SampleGrid
from monitor.core.values.columns import Columns, column
from monitor.core.values.snapshots import Count, State, StateError, part_of, typed
from monitor.core.windows.clock_watch import LEAST_SECONDS, ClockWatch, Offsets
from monitor.core.windows.stream_blocks import StreamBlocks

_VERSION = 1
_FEW_BLOCKS = 8  # so few are looked at one by one at less cost than by array operations


class ClockChange(NamedTuple):
    """A channel group whose times are taken otherwise from now on. Offsets in seconds, positive: ahead; 0: right."""

    channel_group: int
    before_seconds: float
    offset_seconds: float


class Segment(NamedTuple):
    """Blocks of a call between two changes. restarts: streams that start anew before them."""

    restarts: list[int]
    parts: Sequence[StreamBlocks]


class ClockAlignment(Columns):
    """The clocks of the streams of a grid.

    offset_seconds: float64 [S * C], by which the clock of each channel group is ahead, as it is taken off; 0: it is
    right, or not known to be off. changes: that nobody has taken yet.
    """

    offset_seconds: Floats = column(None, np.float64, by_channel_group=True)
    _last: Floats = column("last", np.float64, np.nan, by_channel_group=True)  # the last time stamp,
    _last_ahead: Floats = column("last_ahead", np.float64, np.nan, by_channel_group=True)  # before its arrival

    def __init__(self, grid: SampleGrid) -> None:
        super().__init__(grid.groups)
        self._grid = grid
        self._watches: dict[int, ClockWatch] = {}
        self.changes: list[ClockChange] = []

    def open_stream(self, stream: int) -> None:
        """Know nothing of a stream number any more."""
        self.ensure_capacity(stream + 1)
        self._watches.pop(stream, None)
        self.reset(stream)

    def by_channel(self, streams: Ints) -> Floats:
        """What is taken off the time stamps of each channel: float64 [T, C]. streams: int64 [T]."""
        return self.offset_seconds[self._grid.channel_groups_of(streams)]

    def ahead_seconds(self, channel_group: int) -> float:
        """By how much the last time stamp of a channel group was ahead of its arrival; NaN: none came."""
        return float(self._last_ahead[channel_group])

    def take_changes(self) -> list[ClockChange]:
        """What has changed since the last call."""
        changes, self.changes = self.changes, []
        return changes

    def segments(self, parts: Sequence[StreamBlocks]) -> Iterator[Segment]:
        """The blocks of a call with the times that they should have; each segment is to be placed before the next."""
        reasons = [self._reasons(part) for part in parts]
        if not self._watches and all(each is None for each in reasons):
            yield Segment([], parts)
            return
        rows = [np.arange(len(part.length)) if part.row is None else part.row for part in parts]
        source = np.repeat(np.arange(len(parts)), [len(part.length) for part in parts])
        nth = np.concatenate([np.arange(len(part.length)) for part in parts])
        order = np.argsort(np.concatenate(rows), kind="stable")
        times = [part.first_time_seconds.copy() for part in parts]
        restarts = self._look(parts, reasons, source[order], nth[order], times)
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        places = [place[source == number] for number in range(len(parts))]
        aligned = [replace(part, first_time_seconds=time) for part, time in zip(parts, times, strict=True)]
        bounds = [0, *sorted(restarts), len(order)]
        for start, stop in pairwise(bounds):
            chosen = [(each >= start) & (each < stop) for each in places]
            some = [part.select(rows) for part, rows in zip(aligned, chosen, strict=True) if rows.any()]
            if some:
                yield Segment(restarts.get(start, []), some)

    def _reasons(self, part: StreamBlocks) -> Floats | None:
        """The blocks of a source that give a reason to watch their stream: float64 [M]; None: none does, as mostly.

        0 where a block is ahead of its arrival, by how much time stamps went back where they did, else NaN.
        """
        if not part.timed or not len(part.length):
            return None
        group, times = part.channel_group, self._times(part)
        ahead, found = times - part.arrival_seconds, None
        if not self._all_right(ahead):
            found = np.where((ahead >= LEAST_SECONDS) & (ahead <= self._grid.rules.max_ahead_seconds), 0.0, np.nan)
            behind = ahead <= -LEAST_SECONDS
            if behind.any():
                back = behind & (times < self._before(self._last, group, times) - LEAST_SECONDS)
                found = np.where(back, self._before(self._last_ahead, group, ahead) - ahead, found)
            found[~self._grid.comes_apart(self._groups.stream(group))] = np.nan
        self._last[group], self._last_ahead[group] = times, ahead  # numpy keeps the last of several for one row
        return None if found is None or np.isnan(found).all() else found

    def _times(self, part: StreamBlocks) -> Floats:
        """The time of the last sample of each block: float64 [M]. It is the arrival where payloads carry none."""
        if not part.timed:
            return part.arrival_seconds
        return part.first_time_seconds + (part.length - 1) * self._grid.rules.sample_period_seconds

    @staticmethod
    def _all_right(ahead: Floats) -> bool:
        """Whether no time is far from its arrival. ahead: float64 [M], of it."""
        if len(ahead) <= _FEW_BLOCKS:
            seconds = ahead.tolist()
            return bool(min(seconds) > -LEAST_SECONDS and max(seconds) < LEAST_SECONDS)
        return bool(np.abs(ahead).max() < LEAST_SECONDS)

    @staticmethod
    def _before(column: Floats, group: Ints, values: Floats) -> Floats:
        """The value of the block before each on its channel group, or that of the column: float64 [M]."""
        order = np.argsort(group, kind="stable")
        opens = np.ones(len(group), np.bool_)
        opens[1:] = group[order][1:] != group[order][:-1]
        before = np.empty(len(group))
        before[order[1:]] = values[order][:-1]
        before[order[opens]] = column[group[order[opens]]]
        return before

    def _look(
        self,
        parts: Sequence[StreamBlocks],
        reasons: list[Floats | None],
        source: Ints,
        nth: Ints,
        times: list[Floats],
    ) -> dict[int, list[int]]:
        """Look at blocks in the order in which they came, and correct their times.

        source, nth: int64 [M], which part each block is of, and which of its blocks. times: by part, float64 [m].
        Returns which streams start anew before which of the blocks.
        """
        restarts: dict[int, list[int]] = {}
        concerned = self._streams_concerned(parts, reasons)
        streams = [self._groups.stream(part.channel_group) for part in parts]
        mine = [np.isin(each, concerned) for each in streams]
        all_times, most = [self._times(part) for part in parts], self._grid.rules.max_ahead_seconds
        chosen = np.zeros(len(source), np.bool_)
        for number, each in enumerate(mine):
            of_part = source == number
            chosen[of_part] = each[nth[of_part]]
        for at in np.flatnonzero(chosen).tolist():
            number, index = int(source[at]), int(nth[at])
            part, reason, stream = parts[number], reasons[number], int(streams[number][index])
            time, arrival = float(all_times[number][index]), float(part.arrival_seconds[index])
            channel = self._groups.first_channel(int(part.channel_group[index]))
            watch = self._watches.get(stream)
            if watch is None:
                if reason is None or np.isnan(reason[index]):
                    continue
                watch = self._watches[stream] = ClockWatch(arrival)
                if reason[index]:
                    watch.note_going_back(channel, float(reason[index]))
            if time - arrival <= most and watch.take_in(channel, time, arrival):
                offsets = watch.end_round(arrival)
                if offsets != watch.offsets:
                    self._apply(stream, watch, offsets)
                    restarts.setdefault(at, []).append(stream)
                if watch.is_over:
                    del self._watches[stream]
            if part.timed:
                times[number][index] -= watch.offsets.get(channel, 0.0)
        return restarts

    def _streams_concerned(self, parts: Sequence[StreamBlocks], reasons: list[Floats | None]) -> Ints:
        given = [
            self._groups.stream(part.channel_group[~np.isnan(reason)])
            for part, reason in zip(parts, reasons, strict=True)
            if reason is not None
        ]
        return np.unique(np.concatenate([*given, np.array(list(self._watches), np.int64)]))

    def _apply(self, stream: int, watch: ClockWatch, offsets: Offsets) -> None:
        for channel in sorted(offsets.keys() | watch.offsets.keys()):
            before, after = watch.offsets.get(channel, 0.0), offsets.get(channel, 0.0)
            if before != after:
                group = self._groups.number(stream, channel)
                self.offset_seconds[group] = after
                self.changes.append(ClockChange(group, before, after))
                watch.went_back.pop(channel, None)
        watch.offsets = offsets

    def adjust_for_clock_step(self, now_seconds: float) -> None:
        """Measure anew, since our wall clock was set."""
        for watch in self._watches.values():
            watch.begin_anew(now_seconds)

    def snapshot(self, streams: Ints) -> State:
        """What is known of these streams, as far as anything is. streams: int64 [T]."""
        watched = [
            [at, msgspec.to_builtins(self._watches[stream])]
            for at, stream in enumerate(streams.tolist())
            if stream in self._watches
        ]
        last = super().snapshot(streams) if self._grid.any_apart else {}
        return {"version": _VERSION, "watched": watched, **last}

    def check(self, state: object, count: int) -> None:
        """See whether a state is one of `count` streams; raises StateError if it is not."""
        if typed(part_of(state, "version"), int) != _VERSION:
            raise StateError("clocks of another version")
        if "last" in typed(state, dict[str, Any]):
            super().check(state, count)
        for at, watch in _watched_of(state):
            channels = {*watch.measures, *watch.offsets, *watch.last, *watch.went_back, *watch.held}
            if at >= count or max(channels, default=0) >= self._groups.channels or min(channels, default=0) < 0:
                raise StateError("clocks of no stream, or of no channel")

    def restore(self, streams: Ints, state: State) -> None:
        """Go on from a state that passes `check`. streams: int64 [T]."""
        if "last" in state:
            super().restore(streams, state)
        for at, watch in _watched_of(state):
            stream = int(streams[at])
            self._watches[stream] = watch
            for channel, offset in watch.offsets.items():
                self.offset_seconds[self._groups.number(stream, channel)] = offset


def _watched_of(state: Any) -> list[tuple[int, ClockWatch]]:
    return typed(part_of(state, "watched"), list[tuple[Count, ClockWatch]])
