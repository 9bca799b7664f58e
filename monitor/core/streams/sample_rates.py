"""How fast samples really come: the measured sample period of each channel group, over the period of the model.

Measured is what arrives, before the grid fills gaps and refuses duplicates. Between two blocks that follow one another
passes `ratio` times what their samples should take. Ratios are gathered in spans, and a span comes to one estimate
(`rate_spans.py`).

* What is not newer than what came before (redelivered, late, out of order) is not counted. When it is all that comes,
  the clock was set back: measuring goes on from there.

A verdict takes the middle of the last spans, so that a clock that is corrected, or a backlog, spoils no verdict; and
a rate that is far off is found sooner, from two spans in a row, or from the very first.

Payloads without a time are measured by their arrival: over longer spans, and with a larger tolerance.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.core.streams.rate_spans import COUNT, FIRST_INTERVALS, PERIODS, SAMPLES, SUMS, estimate, interval_terms
from monitor.core.streams.unmeasured_blocks import SETTLE_SECONDS, ArrivedBlocks
from monitor.core.values.channel_groups import ChannelGroups
from monitor.core.values.columns import Columns, column, in_range
from monitor.core.values.snapshots import LARGEST, State, part_of

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

RATE_TOLERANCE = 0.02  # unless the configuration says otherwise
ARRIVAL_TOLERANCES = 5  # of arrivals, so many times the tolerance is within it

_RECENT_SPANS = 8  # a verdict looks back so far
_LEAST_SPANS = 5  # and needs so many
_FIRST_SECONDS = 0.5  # the first span is short
_INTERVALS, _SECONDS = 32, 10.0  # of a span, by time stamps
_ARRIVAL_INTERVALS, _ARRIVAL_SECONDS = 8, 60.0  # by arrivals
_GROSS = 1 / 32  # beyond the tolerance: two spans in a row are enough; once wrong, two beyond the tolerance
_JITTER_SECONDS = 0.05  # of stamps, or one interval if that is more
_BEHIND = 64  # blocks in a row that are not newer: the clock was set back


def is_other_rate(ratio: float, tolerance: float = RATE_TOLERANCE) -> bool:
    """Whether a sample period is another than the model's. ratio: the one over the other."""
    return abs(ratio - 1) > tolerance


class RateVerdict(NamedTuple):
    """A channel group whose verdict changed. ratio: its sample period over the model's. wrong: beyond the tolerance."""

    channel_group: int
    ratio: float
    wrong: bool


class SampleRates(Columns):
    """Measured sample periods, by channel group [S * C].

    period_seconds: of the model. max_ahead_seconds: a block that begins further ahead of its arrival is not counted.
    tolerance: how far a sample period may be off.
    """

    _newest: Floats = column("newest", np.float64, np.nan, by_channel_group=True)  # when the last block counted began
    _newest_length: NDArray[np.int32] = column("newest_length", np.int32, by_channel_group=True)
    _behind: NDArray[np.int32] = column("behind", np.int32, by_channel_group=True)
    _sums: Floats = column("sums", np.float64, shape=("sums",), by_channel_group=True)  # of the span that is open
    _spans: Ints = column("spans", np.int64, by_channel_group=True)  # complete ones
    _recent: NDArray[np.float32] = column("recent", np.float32, np.nan, shape=("recent",), by_channel_group=True)
    _ratio: NDArray[np.float32] = column("ratio", np.float32, np.nan, by_channel_group=True)
    _wrong: Bools = column("wrong", np.bool_, by_channel_group=True)
    _since: Floats = column("since", np.float64, -np.inf, by_channel_group=True)  # event time of the last change

    def __init__(
        self,
        groups: ChannelGroups,
        period_seconds: float,
        max_ahead_seconds: float,
        tolerance: float = RATE_TOLERANCE,
    ) -> None:
        super().__init__(groups, sums=SUMS, recent=_RECENT_SPANS)
        self.period_seconds = period_seconds
        self.tolerance = tolerance
        self._max_ahead_seconds = max_ahead_seconds
        self._any_verdict = False  # whether any channel group was ever found wrong

    def open_stream(self, stream: int) -> None:
        """Know nothing of a stream number any more."""
        self.ensure_capacity(stream + 1)
        self.reset(stream)

    def put(self, group: int, ratio: float) -> None:
        """Go on from a sample period that is known of a channel group. ratio: that over the model's."""
        self._recent[group], self._spans[group], self._ratio[group] = ratio, _RECENT_SPANS, ratio
        self._wrong[group], self._since[group] = is_other_rate(ratio, self.tolerance), -np.inf
        self._any_verdict |= bool(self._wrong[group])

    def observe(self, blocks: ArrivedBlocks) -> list[RateVerdict]:
        """Take in M blocks as they came. Returns the verdicts that changed."""
        timed = blocks.timed
        order = np.argsort(blocks.channel_group, kind="stable")
        if timed:
            counts = blocks.first_time_seconds <= blocks.arrival_seconds + self._max_ahead_seconds
            order = order if counts.all() else order[counts[order]]
            if not len(order):
                return []
        seconds = (blocks.first_time_seconds if timed else blocks.arrival_seconds)[order]
        group, length = blocks.channel_group[order], blocks.length[order]
        self.ensure_capacity(int(self._groups.stream(int(group[-1]))) + 1)
        first = _first_of_each(group)
        before = self._before(self._newest, group, seconds, first)
        if timed and not (ahead := ~(seconds <= before)).all():  # NaN: nothing was there before
            kept = np.ones(len(group), np.bool_)
            before = before.copy()
            for row in first[np.logical_or.reduceat(~ahead, first)].tolist():
                self._order_group(group, seconds, row, kept, before)
            order, group, length = order[kept], group[kept], length[kept]
            seconds, before = seconds[kept], before[kept]
            if not len(group):
                return []
            first = _first_of_each(group)
        elif timed:
            self._behind[group[first]] = 0
        covered = self._before(self._newest_length, group, length, first) if timed else length
        terms = interval_terms(seconds - before, np.multiply(covered, self.period_seconds, dtype=np.float64), covered)
        groups, last = group[first], np.append(first[1:], len(group)) - 1
        self._newest[groups], self._newest_length[groups] = seconds[last], length[last]
        # each once, as where many devices send one after another: then there is nothing to add up
        added = terms if len(first) == len(group) else np.add.reduceat(terms, first, axis=1)
        sums = self._sums[groups] + added.T
        count, periods = self._full_at(groups, timed=timed)
        full = (sums[:, COUNT] >= count) & (sums[:, PERIODS] >= periods)
        if not full.any():
            self._sums[groups] = sums
            return []
        self._sums[groups[~full]] = sums[~full]
        rows = np.repeat(full, last + 1 - first)
        size = (last + 1 - first)[full]
        ends = blocks.end_seconds[order[rows]]
        return self._close_spans(groups[full], terms[:, rows], np.cumsum(size) - size, size, ends, timed=timed)

    def wrong(self, streams: Ints, end_seconds: Floats) -> Bools:
        """Whether windows come from samples of another rate: bool [B].

        streams: int64 [B]. end_seconds: float64 [B], event time of each window's last sample.
        """
        if not self._any_verdict:
            return np.zeros(len(streams), np.bool_)
        rows = self._groups.of_streams(streams)
        after = np.repeat(end_seconds, self._groups.channels) >= self._since[rows] + SETTLE_SECONDS
        found: Bools = (self._wrong[rows] == after).reshape(len(streams), -1).any(axis=1)
        return found

    def ratios(self, streams: Ints) -> NDArray[np.float32]:
        """Sample period over the model's, of the channel group furthest from 1: float32 [T], NaN where not known yet.

        streams: int64 [T].
        """
        rows = streams[streams < self.capacity]
        found = np.full(len(streams), np.nan, np.float32)
        by_channel = self._ratio[self._groups.of_streams(rows)].reshape(len(rows), self._groups.channels)
        far = np.nan_to_num(np.abs(np.log(by_channel)), nan=-1.0).argmax(axis=1) if len(rows) else rows
        found[streams < self.capacity] = by_channel[np.arange(len(rows)), far]
        return found

    def check(self, state: object, count: int) -> None:
        """See whether a state holds the rates of `count` streams; raises StateError if it does not."""
        super().check(state, count)
        for name in ("newest_length", "behind", "spans", "sums"):
            in_range(part_of(state, name), 0, LARGEST)

    def restore(self, streams: Ints, state: State) -> None:
        """Go on from a state that passes `check`. streams: int64 [T]."""
        super().restore(streams, state)
        self._any_verdict = self._any_verdict or bool(np.isfinite(state["since"]).any() or state["wrong"].any())

    def _full_at(self, groups: Ints, *, timed: bool) -> tuple[Floats | int, Floats | float]:
        """How many intervals make the open spans of these groups complete, and over how many sample periods [K]."""
        if not timed:
            return _ARRIVAL_INTERVALS, _ARRIVAL_SECONDS / self.period_seconds
        opening = self._spans[groups] == 0
        periods = np.where(opening, _FIRST_SECONDS, _SECONDS) / self.period_seconds
        return np.where(opening, float(FIRST_INTERVALS), float(_INTERVALS)), periods

    @staticmethod
    def _before(column: NDArray[Any], group: Ints, values: NDArray[Any], first: Ints) -> Floats:
        """What each block [M] follows: the value of the block before it in its group, or that of the column."""
        before = np.empty(len(group))
        before[1:] = values[:-1]
        before[first] = column[group[first]]
        return before

    def _order_group(self, group: Ints, seconds: Floats, row: int, kept: Bools, before: Floats) -> None:
        """Leave out what is not newer than what came before it, of the group whose blocks begin at this row."""
        number = int(group[row])
        newest, behind = float(self._newest[number]), int(self._behind[number])
        while row < len(group) and group[row] == number:
            now = float(seconds[row])
            if now <= newest and behind + 1 < _BEHIND:
                behind += 1
                kept[row] = False
            else:
                set_back = now <= newest
                if set_back:  # verdicts go by event time: what was found holds for the new one, too
                    self._since[number] = -np.inf
                before[row] = np.nan if set_back else newest
                newest, behind = now, 0
            row += 1
        self._behind[number] = behind

    def _close_spans(
        self, groups: Ints, terms: Floats, start: Ints, size: Ints, end_seconds: Floats, *, timed: bool
    ) -> list[RateVerdict]:
        """Add intervals to the spans of K groups, and come to a verdict wherever one is complete.

        groups: int64 [K]; terms: float64 [SUMS, M]; start, size: int64 [K], where the intervals of each are;
        end_seconds: float64 [M], when their blocks ended.
        """
        changed: list[RateVerdict] = []
        sums = np.zeros((SUMS, terms.shape[1] + 1))
        np.cumsum(terms, axis=1, out=sums[:, 1:])
        stop = start + size
        while len(groups):
            so_far = self._sums[groups]
            count, periods = self._full_at(groups, timed=timed)
            full = np.maximum(
                np.searchsorted(sums[COUNT], sums[COUNT, start] + count - so_far[:, COUNT]),
                np.searchsorted(sums[PERIODS], sums[PERIODS, start] + periods - so_far[:, PERIODS]),
            )
            full = np.maximum(full, start + 1)
            end = np.minimum(full, stop)
            so_far += (sums[:, end] - sums[:, start]).T
            closing = full <= stop
            self._sums[groups] = np.where(closing[:, None], 0.0, so_far)
            groups, start, stop = groups[closing], end[closing], stop[closing]
            if len(groups):
                changed += self._judge(groups, so_far[closing], end_seconds[start - 1], timed=timed)
        return changed

    def _judge(self, groups: Ints, sums: Floats, seconds: Floats, *, timed: bool) -> list[RateVerdict]:
        """Come to verdicts on K groups after a span. sums: float64 [K, SUMS]. seconds: float64 [K], when it ended."""
        found, intervals = estimate(sums.T)
        self._recent[groups, self._spans[groups] % _RECENT_SPANS] = found
        previous = self._recent[groups, (self._spans[groups] - 1) % _RECENT_SPANS]  # NaN: this span is the first
        self._spans[groups] += 1
        spans = np.minimum(self._spans[groups], _RECENT_SPANS)
        ordered = np.sort(self._recent[groups], axis=1)  # NaN last
        row = np.arange(len(groups))
        low, high = ordered[row, (spans - 1) // 2], ordered[row, spans // 2]
        tolerance = self.tolerance if timed else ARRIVAL_TOLERANCES * self.tolerance
        wrong = (spans >= _LEAST_SPANS) & ((low > 1 + tolerance) | (high < 1 - tolerance))
        ratio = (low + high) / 2
        if timed:
            first = spans == 1
            interval = sums[:, SAMPLES] / sums[:, COUNT]
            jitter = np.maximum(interval, _JITTER_SECONDS / self.period_seconds)
            margin = np.where(first, jitter / (intervals * interval), _GROSS)
            limit = self.tolerance + np.where(self._wrong[groups], 0.0, margin)
            before = np.where(first, found, previous)
            gross = (np.minimum(found, before) > 1 + limit) | (np.maximum(found, before) < 1 - limit)
            wrong |= gross
            ratio = np.where(gross, found, ratio)
        self._ratio[groups] = ratio
        flips = np.flatnonzero(self._wrong[groups] != wrong)
        if not len(flips):
            return []
        self._any_verdict = True
        flipped = groups[flips]
        self._wrong[flipped] = wrong[flips]
        # what waits for the scorer while the first verdict on a stream is found belongs to it
        self._since[flipped] = np.where(spans[flips] == 1, -np.inf, seconds[flips])
        return [
            RateVerdict(*each)
            for each in zip(flipped.tolist(), ratio[flips].tolist(), wrong[flips].tolist(), strict=True)
        ]


def _first_of_each(group: Ints) -> Ints:
    """The rows where another group begins: int64 [K]. group: int64 [M], ordered."""
    opens = np.ones(len(group), np.bool_)
    opens[1:] = group[1:] != group[:-1]
    return np.flatnonzero(opens)
