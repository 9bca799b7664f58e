"""The rules for one block: what `sample_grid.py` does to many blocks by array operations where they behave."""

from collections import Counter
from collections.abc import Callable

import numpy as np

from monitor.core.grid.arrivals import Floats, Ints
from monitor.core.grid.block import NOWHERE, Block, Placed, Round
from monitor.core.grid.grid_columns import GridColumns, GridRules
from monitor.core.values.discards import Reason

# A gap that lies ahead of what waits for other channels takes room as samples do. Where it is so many times as long as
# what waits, that is let go.
_WORTH_KEEPING = 8


class BlockRules(GridColumns):
    """The grid, block by block.

    room_samples: how far a stream may go on beyond what is complete, where it has no other room. make_room: called with
    a stream and how far it has to go; says whether there is so much room now.
    """

    one_by_one = False  # True: all rules are asked for each block, which tests hold against the quick ways

    def __init__(self, channels: int, rules: GridRules, room_samples: int) -> None:
        super().__init__(channels, rules)
        self.room_samples = room_samples
        self.make_room: Callable[[int, int], bool] = lambda stream, samples: False
        self._look_seconds = 2 * rules.arrival_jitter_seconds  # how long an arrival clock is watched for its least lag

    def _go_on(self, block: Block, so_far: Round) -> Placed | None:
        """Place a block that just goes on where its channel group is; None: `_place_one` has to look at it."""
        channel_group, length, rules = block.channel_group, block.length, self.rules
        stream, period = self.groups.stream(channel_group), rules.sample_period_seconds
        if self.one_by_one or not block.timed or block.turns or block.ahead_seconds > rules.max_ahead_seconds:
            return None
        head = self.head.item(channel_group)
        half_block = min((length - 1) * (period / 2), rules.jitter_seconds)
        error = block.time - (self._group_clock.item(channel_group) + head * period)
        if not abs(error) <= max(half_block, rules.jitter_samples * period):  # nor where the clock is NaN
            return None
        apart = self._apart.item(stream)
        floor = so_far.floors.get(stream)
        if floor is None:
            floor = so_far.floors[stream] = self._complete(stream) if apart else head
        if head + length > max(floor, self.run_start.item(stream)) + self.rooms.get(stream, self.room_samples):
            return None
        if apart:
            self.waits.reach_one(stream, head + length)
        self._group_clock[channel_group] = self.clock[stream] = block.time - head * period
        self.head[channel_group] = head + length
        self._late_since[channel_group] = np.nan
        self.arrival[stream] = self._last_arrival[channel_group] = block.arrival
        so_far.written.add(stream)
        return Placed(head, 0, length, 0)

    def _place_one(self, block: Block, so_far: Round) -> Placed | None:
        """The rules for one block. None: there is no room for it before windows are cut."""
        stream, rules = self.groups.stream(block.channel_group), self.rules
        if stream not in so_far.floors:
            so_far.floors[stream] = self._complete(stream)
        if block.turns:
            self.waits.turn(stream, block.turns)
            self._leave_laggards(stream)
        if block.timed and (block.ahead_seconds > rules.max_ahead_seconds or self._is_stray(block)):
            self._refuse(block.channel_group, Reason.FUTURE, block.length, so_far.discards)
            return NOWHERE
        if not block.timed:
            self._follow_arrivals(np.array([block.channel_group]), np.array([block.length]), np.array([block.arrival]))
        slot, head = self._slot(block), int(self.head[block.channel_group])
        if slot + block.length <= head:
            return self._refuse_past(block, slot, so_far)
        starts = bool(np.isnan(self._group_clock[block.channel_group]))
        breaks = slot - head > (0 if starts else rules.max_gap_samples)
        if breaks and not self._apart[stream] and head - int(self.run_start[stream]) < rules.window_length:
            self.begin_run(stream, slot)  # nothing of the run that ends here comes to a window
        room = self.rooms.get(stream, self.room_samples)
        skip = max(head - slot, 0)
        if slot + block.length > max(so_far.floors[stream], int(self.run_start[stream])) + room:
            if stream in so_far.written:
                return None
            if not self._find_room(stream, slot, block.length, breaks=breaks):
                self._count_past(block.channel_group, slot, slot + skip, so_far.discards)
                self._refuse(block.channel_group, Reason.BACKLOG_LIMIT, block.length - skip, so_far.discards)
                return NOWHERE
        self._count_past(block.channel_group, slot, slot + skip, so_far.discards)
        so_far.written.add(stream)
        return self._put(block, slot, skip, breaks=breaks)

    def _is_stray(self, block: Block) -> bool:
        """Whether a block with a time is ahead of its arrival as none before it, and goes on from no such block."""
        rules, channel_group = self.rules, block.channel_group
        if block.ahead_seconds <= rules.arrival_jitter_seconds:
            return False
        period = rules.sample_period_seconds
        expected = float(self._group_clock[channel_group]) + int(self.head[channel_group]) * period
        if not block.time - expected > (rules.max_gap_samples + 0.5) * period:  # nor where the clock is NaN
            return False
        usual = expected - period - float(self.arrival[self.groups.stream(channel_group)])
        if block.ahead_seconds <= max(usual, 0.0) + rules.arrival_jitter_seconds:
            return False
        jitter = float(self._tolerance_seconds(np.array([block.length]))[0])
        if self.leaps.goes_on(channel_group, block.time, jitter, jitter + rules.max_gap_samples * period):
            return False
        self.leaps.note(channel_group, block.time + block.length * period)
        return True

    def _refuse_past(self, block: Block, slot: int, so_far: Round) -> Placed | None:
        """Refuse a block of which every slot is past, unless that shows that its clock was set back."""
        late_since = self._late_since[block.channel_group]
        late_for = (block.arrival - late_since) / self.rules.sample_period_seconds  # NaN for the first late one
        if block.timed and late_for > self.rules.window_length - 0.5:
            self.start_over(self.groups.stream(block.channel_group))
            self.restarts += 1
            return self._place_one(block._replace(turns=0), so_far)
        self._count_past(block.channel_group, slot, slot + block.length, so_far.discards)
        self._late_since[block.channel_group] = np.fmin(late_since, block.arrival)
        return NOWHERE

    def _put(self, block: Block, slot: int, skip: int, *, breaks: bool) -> Placed:
        """Let a block have its slots from `slot` on, but for the first `skip`, which are past."""
        channel_group, stream = block.channel_group, self.groups.stream(block.channel_group)
        head, first = int(self.head[channel_group]), slot + skip
        if breaks:
            self._resumed[channel_group] = first
            if first > self.run_start[stream]:
                self.breaks.add(stream, head, first)
        elif first > head:
            self.gap_fills.add(stream, head, first, self.groups.first_channel(channel_group))
        self._set_clock(block, slot)
        self.head[channel_group] = slot + block.length
        self._late_since[channel_group] = np.nan
        self.clock[stream] = self._group_clock[channel_group]
        self.arrival[stream] = self._last_arrival[channel_group] = block.arrival
        if self._apart[stream]:
            self.waits.reach_one(stream, slot + block.length)
        return Placed(first, skip, block.length - skip, 0 if breaks else first - head)

    def _complete(self, stream: int) -> int:
        """The slot below which all channels of a stream are there."""
        return int(self.head[self._group_of[stream]].min())

    def begin_run(self, stream: int, slot: int) -> None:
        """Let a new run begin; what waits to be cut before it is let go."""
        self.run_start[stream] = slot
        self.breaks.clear(stream)
        self.gap_fills.forget(stream, slot)

    def _find_room(self, stream: int, slot: int, length: int, *, breaks: bool) -> bool:
        """Make room for a block in a stream whose windows are cut. breaks: whether there is a gap before it."""
        floor = max(self._complete(stream), int(self.run_start[stream]))
        lead = int(self.channel_heads(np.array([stream])).max())
        if breaks and slot - lead > _WORTH_KEEPING * (lead - floor):
            self.begin_run(stream, slot)
            return True
        return self.make_room(stream, slot + length - floor)

    def _leave_laggards(self, stream: int) -> None:
        """Go on without the channel groups that have not come as far as the others were the lateness ago."""
        slot = int(self.waits.due(np.array([stream]), np.array([0]))[0])
        for channel_group in np.unique(self._group_of[stream]).tolist():
            head = int(self.head[channel_group])
            if head < slot:
                self.breaks.add(stream, head, slot)
                self.head[channel_group] = self._resumed[channel_group] = slot
                self._group_clock[channel_group] = np.nan  # when it comes back it is placed beside the others

    def start_over(self, stream: int) -> None:
        """Forget all clocks. Slots go on from where they were, so that none is ever used twice."""
        self._forget_leaps(stream)
        mine = self.groups.of_stream(stream)
        heads = self.channel_heads(np.array([stream]))
        top = int(heads.max())
        self.breaks.add(stream, int(heads.min()), top)
        self.head[mine] = self._resumed[mine] = top
        self.clock[stream] = np.nan
        self.arrival[stream] = np.nan
        self._group_clock[mine] = np.nan
        self._late_since[mine] = np.nan
        self._least_lag[mine] = np.inf
        self._lag_since[mine] = np.nan

    def _slot(self, block: Block) -> int:
        """The slot of a block's first sample by its channel group's clock.

        The first block of a channel group goes beside those of the others.
        """
        period, channel_group = self.rules.sample_period_seconds, block.channel_group
        head, stream = int(self.head[channel_group]), self.groups.stream(channel_group)
        if np.isnan(self._group_clock[channel_group]):
            clock = self.clock[stream]
            return head if np.isnan(clock) else round((block.time - clock) / period)
        error = block.time - (self._group_clock[channel_group] + head * period)
        lengths = np.array([block.length])
        if block.timed:
            contiguous = abs(error) <= self._tolerance_seconds(lengths)[0]
            return head if contiguous else head + round(error / period)
        lost = self._lost_samples(np.array([channel_group]), lengths, np.array([block.arrival]), np.array([error]))
        hurried = error <= self.rules.arrival_jitter_seconds
        return head + (int(lost[0]) or (0 if hurried else round(error / period)))

    def _set_clock(self, block: Block, slot: int) -> None:
        """Let the channel group's clock say what this block says, whose first sample is in `slot`."""
        period, channel_group = self.rules.sample_period_seconds, block.channel_group
        if block.timed or np.isnan(self._group_clock[channel_group]):
            self._group_clock[channel_group] = block.time - slot * period
        lag = block.time - (self._group_clock[channel_group] + slot * period)
        if slot != self.head[channel_group] or np.isnan(self._lag_since[channel_group]):
            self._least_lag[channel_group], self._lag_since[channel_group] = np.inf, block.arrival
        self._group_clock[channel_group] += min(lag, 0.0)
        self._least_lag[channel_group] = min(self._least_lag[channel_group], max(lag, 0.0))

    def _count_past(self, channel_group: int, start: int, end: int, discards: Counter[Reason]) -> None:
        """Count slots that are past: `late` where nothing was received for them, `duplicate` where it was."""
        if end <= start:
            return
        stream = self.groups.stream(channel_group)
        resumed = int(self._resumed[channel_group])
        # fillings are remembered no further than windows to come reach, wherever the last ones were cut
        complete = self._complete(stream)
        run_start = max(int(self.run_start[stream]), self.breaks.last_end(stream, complete))
        known = max(start, resumed, run_start, complete - self.rules.window_length)
        filled = self.gap_fills.count_by_group(stream, known, end)
        late = max(min(resumed, end) - start, 0) + filled.get(self.groups.first_channel(channel_group), 0)
        self._refuse(channel_group, Reason.LATE, late, discards)
        self._refuse(channel_group, Reason.DUPLICATE, end - start - late, discards)

    def _refuse(self, channel_group: int, reason: Reason, samples: int, discards: Counter[Reason]) -> None:
        if samples:
            discards[reason] += samples
            self.refused[channel_group, reason] += samples

    # --- clocks

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
