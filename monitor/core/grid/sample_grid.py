"""The sample grid: which slot of its stream each sample belongs to.

Every stream numbers its samples: slot 0, 1, 2, …, one sample period apart. This module owns the rules by which event
time becomes slots; `rings.py` stores what lands in them.

* A *channel group* is the set of channels of a stream that arrive together. Each channel group runs its own clock (the
time of slot 0),
  so jitter between devices or topics never enters the grid.
* A block is *contiguous* when its time differs from the expected one by at most its tolerance. Messages are lost whole,
  so an error of less than half a block (and of `jitter_seconds`) is jitter; one within `jitter_samples` always is.
* Payloads without a timestamp take their arrival time. Networks only ever delay, so a channel group's clock follows its
least
  delayed arrivals; when even those lag beyond its tolerance for `2 * arrival_jitter_seconds`, samples were lost.
* Missing samples: up to `max_gap_samples` in a row are filled; a longer gap breaks the run, and windows start anew.
* What comes for a slot that is already past is refused: `duplicate` if that slot was received, `late` if not.
* When all that comes on a channel group has been late for longer than a window takes, its clock was set back: the
stream starts
  a new run. That is measured by arrivals, since messages that are delivered again after a reconnect are many at once.
"""

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.core.grid.gap_fills import GapFills, Stretch
from monitor.core.values.channel_groups import ChannelGroups
from monitor.core.values.columns import Columns, column, in_range
from monitor.core.values.discards import Reason
from monitor.core.values.snapshots import LARGEST, State, StateError, part_of, typed

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class GridRules:
    """The numbers behind the rules.

    lateness_samples: how far a channel group may lag before the others go on without it.
    """

    sample_period_seconds: float
    window_length: int
    max_gap_samples: int = 2
    jitter_samples: float = 0.75
    jitter_seconds: float = 0.05
    arrival_jitter_seconds: float = 1.0
    lateness_samples: int = 0
    max_ahead_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Placement:
    """Where M blocks go.

    slot: first slot written; skip: rows left out at the block's head; take: rows written (0: none); fill: slots just
    before `slot` that take the channel group's last value; discards: refused samples, by reason.
    deferred: blocks that start a new run of a stream which was just written to, or go beyond the channel group's reach;
    place them again (take is 0 till then) once the windows before them are cut.
    """

    slot: Ints
    skip: Ints
    take: Ints
    fill: Ints
    deferred: NDArray[np.bool_]
    discards: Counter[Reason]


class _Block(NamedTuple):
    time: float
    length: int
    arrival: float
    timed: bool


class SampleGrid(Columns):
    """Slots for the streams of one model group.

    reach: how many slots a channel group may go on in one call of `place`, filled ones included; what goes further is
    deferred. It must be at least the longest block and the longest gap together.

    By stream [S]: run_start, first slot after the last gap; clock, time of slot 0 by the channel group that wrote last;
    arrival, when its last block came. By channel group [S * C]: head, the next slot; the rest is private.
    """

    run_start: Ints = column("run_start", np.int64)
    clock: Floats = column("clock", np.float64, np.nan)
    arrival: Floats = column("arrival", np.float64, np.nan)
    _group_of: Ints = column(None, np.int64, shape=("channels",))  # the channel group of each channel
    head: Ints = column("head", np.int64, by_channel_group=True)
    # arrival of the channel group's last block
    _last_arrival: Floats = column("last_arrival", np.float64, np.nan, by_channel_group=True)
    _group_clock: Floats = column("group_clock", np.float64, np.nan, by_channel_group=True)
    # arrival of the first of the late blocks in a row
    _late_since: Floats = column("late_since", np.float64, np.nan, by_channel_group=True)
    _least_lag: Floats = column("least_lag", np.float64, np.inf, by_channel_group=True)
    _lag_since: Floats = column("lag_since", np.float64, np.nan, by_channel_group=True)

    one_by_one = False  # True: no block is placed by array operations, which tests hold against the rules for one block

    def __init__(self, channels: int, rules: GridRules, max_advance: int) -> None:
        self.groups = ChannelGroups(channels)
        super().__init__(self.groups, channels=channels)
        self.rules = rules
        self.max_advance = max_advance
        self._look_seconds = 2 * rules.arrival_jitter_seconds  # how long an arrival clock is watched for its least lag
        self.restarts = 0
        self.gap_fills = GapFills()
        self.refused: Counter[tuple[int, Reason]] = Counter()  # samples by channel group, until `take_refused`

    def open_stream(self, stream: int, channel_groups: list[list[int]]) -> None:
        """Make room for stream number `stream`, and forget who had the number.

        channel_groups: lists of channel numbers; the channels of one list arrive together.
        """
        self.ensure_capacity(stream + 1)
        self.reset(stream)
        self.gap_fills.clear(stream)
        self._group_of[stream] = self.groups.of_streams(np.array([stream]))
        for columns in channel_groups:
            self._group_of[stream, columns] = self.groups.number(stream, columns[0])

    def take_refused(self) -> Counter[tuple[int, Reason]]:
        """The samples that were refused since the last call, by channel group and reason."""
        refused, self.refused = self.refused, Counter()
        return refused

    def _refuse(self, channel_group: int, reason: Reason, samples: int, discards: Counter[Reason]) -> None:
        if samples:
            discards[reason] += samples
            self.refused[channel_group, reason] += samples

    def _start_over(self, stream: int) -> None:
        """Forget all clocks. Slots go on from where they were, so that none is ever used twice."""
        mine = self.groups.of_stream(stream)
        self.run_start[stream] = self.head[mine].max()
        self.head[mine] = self.run_start[stream]
        self.clock[stream] = np.nan
        self.arrival[stream] = np.nan
        self._group_clock[mine] = np.nan
        self._late_since[mine] = np.nan
        self._least_lag[mine] = np.inf
        self._lag_since[mine] = np.nan
        self.gap_fills.clear(stream)

    def channel_heads(self, streams: Ints) -> Ints:
        """The next slot of each channel: int64 [T, C]. Below the least of them a stream is complete.

        streams: int64 [T].
        """
        return self.head[self._group_of[streams]]

    def groups_of(self, stream: int) -> Ints:
        """The channel groups of a stream: int64 [G]."""
        return np.unique(self._group_of[stream])

    def filled(self, stream: int, start: int, end: int) -> Ints:
        """How many slots of `[start, end)` hold a filled value, by channel: int64 [C]."""
        counts = self.gap_fills.count_by_group(stream, start, end)
        first_channels = self.groups.first_channel(self._group_of[stream]).tolist()
        return np.array([counts.get(first, 0) for first in first_channels], np.int64)

    def last_arrivals(self, streams: Ints, now_seconds: float) -> Floats:
        """When each channel's last block came: float64 [T, C]. Where none came yet, this call is what counts.

        streams: int64 [T].
        """
        channel_groups = self._group_of[streams]
        silent_so_far = channel_groups[np.isnan(self._last_arrival[channel_groups])]
        self._last_arrival[silent_so_far] = now_seconds
        return self._last_arrival[channel_groups]

    @property
    def accepted_seconds(self) -> Floats:
        """When the last block of each channel group came that was not refused: float64 [S * C], NaN where none did."""
        return self._last_arrival

    def adjust_for_clock_step(self, seconds: float, now_seconds: float) -> None:
        """Shift stored arrival times by the step of our wall clock, so that no stream seems silent."""
        for arrivals in (self._last_arrival, self._late_since, self._lag_since):
            np.minimum(arrivals + seconds, now_seconds, out=arrivals)  # NaN stays NaN

    def reset_silence(self, until_seconds: float) -> None:
        """Count silence from `until_seconds` on (wall clock): nothing was received before."""
        self._last_arrival = np.fmax(self._last_arrival, np.where(np.isnan(self._last_arrival), np.nan, until_seconds))

    def snapshot(self, streams: Ints) -> State:
        """The rows of these streams, but for how their channels arrive. streams: int64 [T]."""
        return super().snapshot(streams) | {"gap_fills": self.gap_fills.snapshot(streams)}

    def check(self, state: object, count: int) -> None:
        """Check that a state holds a grid of `count` streams; raises StateError if it does not."""
        super().check(state, count)
        for name in ("run_start", "head"):
            in_range(part_of(state, name), 0, LARGEST)
        if len(typed(part_of(state, "gap_fills"), list[list[Stretch]])) != count:
            raise StateError("gap fills of other streams")

    def restore(self, streams: Ints, state: State) -> None:
        """Give streams that are open what a state that passes `check` says. streams: int64 [T]."""
        super().restore(streams, state)
        self.gap_fills.restore(streams, typed(state["gap_fills"], list[list[Stretch]]))

    def place(  # noqa: PLR0915 - one fast path, easier to follow whole
        self, channel_group: Ints, first_time: Floats, length: Ints, arrival: Floats, timed: bool
    ) -> Placement:
        """Assign slots to M blocks, in the order they came.

        channel_group, length: int64 [M]; first_time: float64 [M], epoch (ignored unless `timed`); arrival: float64 [M].
        Blocks of channel groups that behave are placed by array operations; the others one by one, by the same rules.
        """
        period = self.rules.sample_period_seconds
        order = np.argsort(channel_group, kind="stable")
        channel_groups, lengths, arrivals = channel_group[order], length[order], arrival[order]
        times = first_time[order] if timed else arrivals - (lengths - 1) * period
        opens = np.ones(len(channel_groups), np.bool_)
        opens[1:] = channel_groups[1:] != channel_groups[:-1]
        start = np.flatnonzero(opens)  # where each channel group's blocks start
        group = np.cumsum(opens) - 1
        before = np.cumsum(lengths) - lengths
        expected = self.head[channel_groups] + before - before[start][group]
        if not timed:
            self._follow_arrivals(channel_groups[start], lengths[start], arrivals[start])
        with np.errstate(invalid="ignore"):
            if timed:
                expected_time = np.empty(len(channel_groups))
                expected_time[1:] = times[:-1] + lengths[:-1] * period
                expected_time[start] = (
                    self._group_clock[channel_groups[start]] + self.head[channel_groups[start]] * period
                )
                error = times - expected_time
                fine = np.abs(error) <= self._tolerance_seconds(lengths)
                fine &= times + (lengths - 1) * period <= arrivals + self.rules.max_ahead_seconds
            else:
                error = times - (self._group_clock[channel_groups] + expected * period)
                least = np.minimum.reduceat(error, start)
                # one by one, a block that comes sooner than any before would move the clock that the next are held to
                fine = error - np.minimum(least, 0.0)[group] <= self.rules.arrival_jitter_seconds
                fine &= self._lost_samples(channel_groups, lengths, arrivals, error) == 0
        if self.one_by_one:
            fine[:] = False
        fine_group = np.logical_and.reduceat(fine, start)
        fast = fine_group[group]

        slot, take = np.where(fast, expected, 0), np.where(fast, lengths, 0)
        skip, fill = np.zeros_like(slot), np.zeros_like(slot)
        if fine_group.any():
            last = (np.append(start[1:], len(channel_groups)) - 1)[fine_group]
            movers = channel_groups[last]
            self.head[movers] = expected[last] + lengths[last]
            self._late_since[movers] = np.nan
            if timed:
                self._group_clock[movers] = times[last] - expected[last] * period
            else:
                self._group_clock[movers] += np.minimum(least[fine_group], 0.0)
                self._least_lag[movers] = np.minimum(self._least_lag[movers], np.maximum(least[fine_group], 0.0))
            self._note(movers, arrivals[last])
        discards: Counter[Reason] = Counter()
        written = set(self.groups.stream(channel_groups[start][fine_group]).tolist())
        deferred = np.zeros(len(channel_groups), np.bool_)
        begin = 0
        for at in np.flatnonzero(~fast).tolist():
            block = _Block(float(times[at]), int(lengths[at]), float(arrivals[at]), timed)
            begin = int(self.head[channel_groups[at]]) if opens[at] else begin
            # once a channel group's block is deferred, so are all after it
            wait = at > 0 and deferred[at - 1] and not opens[at]
            found = None if wait else self._place_one(int(channel_groups[at]), block, begin, written, discards)
            if found is None:
                deferred[at] = True
            else:
                slot[at], skip[at], take[at], fill[at] = found
        self._leave_laggards(np.unique(self.groups.stream(channel_groups)))
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return Placement(slot[back], skip[back], take[back], fill[back], deferred[back], discards)

    def _note(self, channel_groups: Ints, arrivals: Floats) -> None:
        streams = self.groups.stream(channel_groups)
        self.clock[streams] = self._group_clock[channel_groups]
        self.arrival[streams] = arrivals
        self._last_arrival[channel_groups] = arrivals

    def _tolerance_seconds(self, lengths: Ints) -> Floats:
        rules = self.rules
        half_block = np.minimum((lengths - 1) * (rules.sample_period_seconds / 2), rules.jitter_seconds)
        tolerance: Floats = np.maximum(half_block, rules.jitter_samples * rules.sample_period_seconds)
        return tolerance

    def _follow_arrivals(self, channel_groups: Ints, lengths: Ints, arrivals: Floats) -> None:
        """Let arrival clocks follow their device, unless the least lag says that samples were lost."""
        period = self.rules.sample_period_seconds
        lag = (
            arrivals - (lengths - 1) * period - (self._group_clock[channel_groups] + self.head[channel_groups] * period)
        )
        due = (arrivals - self._lag_since[channel_groups] > self._look_seconds) & np.isfinite(
            self._least_lag[channel_groups]
        )
        due &= self._lost_samples(channel_groups, lengths, arrivals, lag) == 0
        late = channel_groups[due]
        self._group_clock[late] += self._least_lag[late]
        self._least_lag[late] = np.inf
        self._lag_since[late] = arrivals[due]

    def _lost_samples(self, channel_groups: Ints, lengths: Ints, arrivals: Floats, lag: Floats) -> Ints:
        """Samples that a steady lag of arrivals shows to be missing: int64, 0 where none or not known yet.

        lag: how late these blocks are themselves.
        """
        least = np.minimum(lag, self._least_lag[channel_groups])
        steady = (arrivals - self._lag_since[channel_groups] > self._look_seconds) & (
            least > self._tolerance_seconds(lengths)
        )
        return np.where(steady, np.rint(least / self.rules.sample_period_seconds), 0).astype(np.int64)

    def _place_one(
        self, channel_group: int, block: _Block, begin: int, written: set[int], discards: Counter[Reason]
    ) -> tuple[int, int, int, int] | None:
        """The rules for one block: (slot, skip, take, fill) as in `Placement`, or None to defer it.

        begin: the channel group's head when this call of `place` began.
        """
        rules, period = self.rules, self.rules.sample_period_seconds
        length = block.length
        if block.timed and block.time + (length - 1) * period > block.arrival + rules.max_ahead_seconds:
            self._refuse(channel_group, Reason.FUTURE, length, discards)
            return 0, 0, 0, 0
        stream, starts = self.groups.stream(channel_group), bool(np.isnan(self._group_clock[channel_group]))
        slot, head = self._slot(channel_group, block), int(self.head[channel_group])
        skip = min(max(head - slot, 0), length)
        late_for = (
            block.arrival - self._late_since[channel_group]
        ) / period  # NaN, and so not set back, for the first late one
        set_back = skip == length and block.timed and bool(late_for > rules.window_length - 0.5)
        new_run = starts or set_back or slot - head > rules.max_gap_samples
        too_far = slot + length > max(begin, int(self.run_start[stream])) + self.max_advance
        if (new_run and stream in written) or (too_far and not new_run):
            return None
        if set_back:
            self._start_over(stream)
            self.restarts += 1
            return self._place_one(channel_group, block, begin, written, discards)
        if skip:
            self._refuse_past(channel_group, slot, slot + skip, discards)
            if skip == length:
                self._late_since[channel_group] = np.fmin(self._late_since[channel_group], block.arrival)
                return 0, 0, 0, 0
        slot += skip
        fill = 0 if new_run else slot - head
        if new_run:
            self.run_start[stream] = max(self.run_start[stream], slot)
            self.gap_fills.forget(stream, int(self.run_start[stream]))
        elif fill:
            self.gap_fills.add(stream, slot - fill, slot, self.groups.first_channel(channel_group))
        self._set_clock(channel_group, block, slot - skip)
        self.head[channel_group] = slot + length - skip
        self._late_since[channel_group] = np.nan
        self._note(np.array([channel_group]), np.array([block.arrival]))
        written.add(stream)
        return slot, skip, length - skip, fill

    def _slot(self, channel_group: int, block: _Block) -> int:
        """The slot of a block's first sample by its channel group's clock.

        The first block of a channel group goes beside those of the others.
        """
        period, head, stream = (
            self.rules.sample_period_seconds,
            int(self.head[channel_group]),
            self.groups.stream(channel_group),
        )
        if np.isnan(self._group_clock[channel_group]):
            clock = self.clock[stream]
            return int(self.run_start[stream]) if np.isnan(clock) else round((block.time - clock) / period)
        error = block.time - (self._group_clock[channel_group] + head * period)
        if block.timed:
            contiguous = abs(error) <= self._tolerance_seconds(np.array([block.length]))[0]
            return head if contiguous else head + round(error / period)
        channel_groups, lengths, arrivals = (
            np.array([channel_group]),
            np.array([block.length]),
            np.array([block.arrival]),
        )
        lost = int(self._lost_samples(channel_groups, lengths, arrivals, np.array([error]))[0])
        return head + (lost or round(error / period) * (error > self.rules.arrival_jitter_seconds))

    def _set_clock(self, channel_group: int, block: _Block, slot: int) -> None:
        """Let the channel group's clock say what this block says, whose first sample is in `slot`."""
        period = self.rules.sample_period_seconds
        if block.timed or np.isnan(self._group_clock[channel_group]):
            self._group_clock[channel_group] = block.time - slot * period
        lag = block.time - (self._group_clock[channel_group] + slot * period)
        if slot != self.head[channel_group] or np.isnan(self._lag_since[channel_group]):
            self._least_lag[channel_group], self._lag_since[channel_group] = np.inf, block.arrival
        self._group_clock[channel_group] += min(lag, 0.0)
        self._least_lag[channel_group] = min(self._least_lag[channel_group], max(lag, 0.0))

    def _refuse_past(self, channel_group: int, start: int, end: int, discards: Counter[Reason]) -> None:
        stream = self.groups.stream(channel_group)
        max_advance = int(self.run_start[stream])
        late = self.gap_fills.count(stream, start, end) + max(min(max_advance, end) - start, 0)
        self._refuse(channel_group, Reason.LATE, min(late, end - start), discards)
        self._refuse(channel_group, Reason.DUPLICATE, max(end - start - late, 0), discards)

    def _leave_laggards(self, streams: Ints) -> None:
        """Streams whose channels drifted apart by more than the lateness go on without the laggards."""
        heads = self.channel_heads(streams)
        limit = heads.max(axis=1) - self.rules.lateness_samples
        behind = heads.min(axis=1) < limit
        for stream, slot in zip(streams[behind].tolist(), limit[behind].tolist(), strict=True):
            channel_groups = self._group_of[stream]
            lagging = channel_groups[self.head[channel_groups] < slot]
            self.head[lagging] = slot
            self._group_clock[lagging] = np.nan  # when it comes back it starts a new run
            self.run_start[stream] = max(self.run_start[stream], slot)
            self.gap_fills.forget(stream, slot)  # no window reaches back there any more
