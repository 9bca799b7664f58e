"""What the sample grid holds: the clocks of streams and of their channel groups, and the next slot of each."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.core.grid.arrivals import Arrivals, Floats, Ints
from monitor.core.grid.breaks import Break, Breaks
from monitor.core.grid.gap_fills import GapFills, Stretch
from monitor.core.grid.leaps import Leaps
from monitor.core.grid.waits import Waits
from monitor.core.values.channel_groups import ChannelGroups
from monitor.core.values.columns import Columns, column, in_range
from monitor.core.values.discards import Reason
from monitor.core.values.snapshots import LARGEST, State, StateError, part_of, typed

FEW_BLOCKS = 6  # so few are treated one by one at less cost than by array operations


@dataclass(frozen=True, slots=True)
class GridRules:
    """The numbers behind the rules.

    lateness_samples: how long, in sample periods of arrival, the channel groups of a stream wait for one that lags.
    max_backlog_bytes: of samples that wait for channels which come later, over all streams of the model group.
    """

    sample_period_seconds: float
    window_length: int
    max_gap_samples: int = 2
    jitter_samples: float = 0.75
    jitter_seconds: float = 0.05
    arrival_jitter_seconds: float = 1.0
    lateness_samples: int = 0
    max_ahead_seconds: float = 60.0
    max_backlog_bytes: int = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Placement:
    """Where M blocks go.

    slot: first slot written; skip: rows left out at the block's head; take: rows written (0: none); fill: slots just
    before `slot` that take the channel group's last value; clock: time of slot 0 by the stream once the block is
    placed; discards: refused samples, by reason. deferred: blocks for which there is no room before the windows of
    those ahead of them are cut; place them again (take is 0 till then). plain: whether each block is written whole and
    right behind the one before it, so that nothing is deferred, skipped, filled or refused, as with most calls.
    """

    slot: Ints
    skip: Ints
    take: Ints
    fill: Ints
    clock: Floats
    deferred: NDArray[np.bool_]
    discards: Counter[Reason]
    plain: bool = False


class GridColumns(Columns):
    """The state of a grid.

    By stream [S]: run_start, first slot of the run that windows are cut from; clock, time of slot 0 by the channel
    group that wrote last; arrival, when its last block came. By channel group [S * C]: head, the next slot; the rest is
    private.
    """

    run_start: Ints = column("run_start", np.int64)
    clock: Floats = column("clock", np.float64, np.nan)
    arrival: Floats = column("arrival", np.float64, np.nan)
    _group_of: Ints = column(None, np.int64, shape=("channels",))  # the channel group of each channel
    _apart: NDArray[np.bool_] = column(None, np.bool_)  # whether the stream has several channel groups
    head: Ints = column("head", np.int64, by_channel_group=True)
    _resumed: Ints = column("resumed", np.int64, by_channel_group=True)  # the slot behind the channel group's last gap
    # arrival of the channel group's last block
    _last_arrival: Floats = column("last_arrival", np.float64, np.nan, by_channel_group=True)
    _group_clock: Floats = column("group_clock", np.float64, np.nan, by_channel_group=True)
    # arrival of the first of the late blocks in a row
    _late_since: Floats = column("late_since", np.float64, np.nan, by_channel_group=True)
    _least_lag: Floats = column("least_lag", np.float64, np.inf, by_channel_group=True)
    _lag_since: Floats = column("lag_since", np.float64, np.nan, by_channel_group=True)

    def __init__(self, channels: int, rules: GridRules) -> None:
        self.groups = ChannelGroups(channels)
        super().__init__(self.groups, channels=channels)
        self.rules = rules
        self.restarts = 0
        self.gap_fills = GapFills()
        self.breaks = Breaks()
        self.leaps = Leaps()
        lateness_seconds = rules.lateness_samples * rules.sample_period_seconds
        self.waits = Waits(self.groups, lateness_seconds, rules.sample_period_seconds)
        self.any_apart = False
        self.rooms: dict[int, int] = {}  # how far streams with a ring of their own may go on beyond what is complete
        self.refused: Counter[tuple[int, Reason]] = Counter()  # samples by channel group, until `take_refused`

    def open_stream(self, stream: int, channel_groups: list[list[int]]) -> None:
        """Make room for stream number `stream`, and forget who had the number.

        channel_groups: lists of channel numbers; the channels of one list arrive together.
        """
        self.ensure_capacity(stream + 1)
        self.waits.ensure_capacity(stream + 1)
        self.reset(stream)
        self.waits.reset(stream)
        self.close_stream(stream)
        self._group_of[stream] = self.groups.of_streams(np.array([stream]))
        for columns in channel_groups:
            self._group_of[stream, columns] = self.groups.number(stream, columns[0])
        self._see_apart(stream)

    def close_stream(self, stream: int) -> None:
        """Let go of what is kept of a stream beside its rows."""
        self.gap_fills.clear(stream)
        self.breaks.clear(stream)
        self.rooms.pop(stream, None)

    def arrange(self, stream: int, channel_groups: list[list[int]]) -> None:
        """Let channels of a stream that is open arrive together otherwise.

        A channel group that was not one before begins where its channels were, beside the others.
        """
        before = self._group_of[stream].copy()
        heads = self.head[before]
        for columns in channel_groups:
            number = self.groups.number(stream, columns[0])
            if (before == number).nonzero()[0].tolist() == sorted(columns):
                continue
            self.head[number] = heads[columns].max()
            self._last_arrival[number] = np.fmax.reduce(self._last_arrival[before[columns]])
            self._group_clock[number] = self._late_since[number] = self._lag_since[number] = np.nan
            self._least_lag[number] = np.inf
            self._group_of[stream, columns] = number
        self._see_apart(stream)

    def _forget_leaps(self, stream: int) -> None:
        rows = self.groups.of_stream(stream)
        self.leaps.forget(range(rows.start, rows.stop))

    def _see_apart(self, stream: int) -> None:
        self._apart[stream] = len(np.unique(self._group_of[stream])) > 1
        self.any_apart = self.any_apart or bool(self._apart[stream])

    def comes_apart(self, streams: Ints) -> NDArray[np.bool_]:
        """Whether streams have several channel groups: bool [T]. streams: int64 [T]."""
        return self._apart[streams]

    def channel_heads(self, streams: Ints) -> Ints:
        """The next slot of each channel: int64 [T, C]. Below the least of them a stream is complete.

        streams: int64 [T].
        """
        return self.head[self._group_of[streams]]

    def complete_slots(self, streams: Ints) -> Ints:
        """The slots below which all channels of streams are there: int64 [T]. streams: int64 [T]."""
        if self.any_apart:
            return np.asarray(self.channel_heads(streams).min(axis=1))
        return np.asarray(self.head[self._group_of[streams, 0]])

    def channel_groups_of(self, streams: Ints) -> Ints:
        """The channel group of each channel: int64 [T, C]. streams: int64 [T]."""
        return self._group_of[streams]

    def groups_of(self, stream: int) -> Ints:
        """The channel groups of a stream: int64 [G]."""
        return np.unique(self._group_of[stream])

    def take_refused(self) -> Counter[tuple[int, Reason]]:
        """The samples that were refused since the last call, by channel group and reason."""
        refused, self.refused = self.refused, Counter()
        return refused

    @property
    def accepted_seconds(self) -> Floats:
        """When the last block of each channel group came that was not refused: float64 [S * C].

        Where none did, when somebody first asked for `last_arrivals`, and NaN before.
        """
        return self._last_arrival

    def let_wait(self, blocks: Arrivals) -> None:
        """Tell of blocks, each once and before they are placed, how many turns of waiting end with them."""
        apart = np.flatnonzero(self._apart[self.groups.stream(blocks.channel_group)])
        if len(apart) <= FEW_BLOCKS:
            for at in apart.tolist():
                blocks.turns[at] = self.waits.turns_of_one(
                    int(blocks.channel_group[at]), int(blocks.length[at]), float(blocks.arrival_seconds[at])
                )
        else:
            blocks.turns[apart] = self.waits.turns_of(
                blocks.channel_group[apart], blocks.length[apart], blocks.arrival_seconds[apart]
            )

    def last_arrivals(self, streams: Ints, now_seconds: float) -> Floats:
        """When each channel's last block came: float64 [T, C]. Where none came yet, this call is what counts.

        streams: int64 [T].
        """
        channel_groups = self._group_of[streams]
        silent_so_far = channel_groups[np.isnan(self._last_arrival[channel_groups])]
        self._last_arrival[silent_so_far] = now_seconds
        return self._last_arrival[channel_groups]

    def adjust_for_clock_step(self, seconds: float, now_seconds: float) -> None:
        """Shift stored arrival times by the step of our wall clock, so that no stream seems silent."""
        for arrivals in (self._last_arrival, self._late_since, self._lag_since):
            np.minimum(arrivals + seconds, now_seconds, out=arrivals)  # NaN stays NaN

    def reset_silence(self, until_seconds: float) -> None:
        """Count silence from `until_seconds` on (wall clock): nothing was received before."""
        self._last_arrival = np.fmax(self._last_arrival, np.where(np.isnan(self._last_arrival), np.nan, until_seconds))

    def snapshot(self, streams: Ints) -> State:
        """The rows of these streams, but for how their channels arrive. streams: int64 [T]."""
        return super().snapshot(streams) | {
            "gap_fills": self.gap_fills.snapshot(streams),
            "breaks": self.breaks.snapshot(streams),
            "waits": self.waits.snapshot(streams),
            "leaps": self.leaps.snapshot(self.groups.of_streams(streams).tolist()),
        }

    def schema(self) -> list[Any]:
        """What a snapshot is made of, as plain values."""
        return [super().schema(), self.waits.schema()]

    def check(self, state: object, count: int) -> None:
        """Check that a state holds a grid of `count` streams; raises StateError if it does not."""
        super().check(state, count)
        self.waits.check(part_of(state, "waits"), count)
        for name in ("run_start", "head", "resumed"):
            in_range(part_of(state, name), 0, LARGEST)
        gap_fills = typed(part_of(state, "gap_fills"), list[list[Stretch]])
        breaks = typed(part_of(state, "breaks"), list[list[Break]])
        if not len(gap_fills) == len(breaks) == count:
            raise StateError("gaps of other streams")
        Leaps.check(_leaps_in(state), count * self.groups.channels)

    def restore(self, streams: Ints, state: State) -> None:
        """Give streams that are open what a state that passes `check` says. streams: int64 [T]."""
        super().restore(streams, state)
        self.waits.restore(streams, state["waits"])
        self.gap_fills.restore(streams, typed(state["gap_fills"], list[list[Stretch]]))
        self.breaks.restore(streams, typed(state["breaks"], list[list[Break]]))
        rows = self.groups.of_streams(streams).tolist()
        self.leaps.restore(rows, Leaps.check(_leaps_in(state), len(rows)))


def _leaps_in(state: Any) -> object:
    return state.get("leaps", [])  # older versions followed each
