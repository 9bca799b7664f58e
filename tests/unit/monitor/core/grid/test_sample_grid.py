"""The sample grid under any sequence of blocks: no sample is lost uncounted, no slot used twice, no value made up."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from monitor.core.artifact.manifest import WindowSpec
from monitor.core.grid.arrivals import Arrivals
from monitor.core.grid.sample_grid import GridRules, Placement, SampleGrid
from monitor.core.values.discards import Reason
from monitor.core.windows.stream_blocks import MergedBlocks, StreamBlocks
from monitor.core.windows.stream_windows import StreamWindows, WindowBatch

PERIOD, START = 0.01, 1e9
LENGTH, STRIDE, MAX_GAP, CHANNELS, STREAMS = 6, 4, 2, 2, 2
SPEC = WindowSpec(length=LENGTH, stride=STRIDE, max_gap_samples=MAX_GAP)
# the channel groups of a stream: both channels in one message, or each in its own
TOGETHER, APART = [[0, 1]], [[0], [1]]


def rules_of(**changed: Any) -> GridRules:
    # limits at which no error of the tests below comes to lie exactly, where rounding would decide
    limits = {"jitter_seconds": 0.0525, "max_ahead_seconds": 10.025, "lateness_samples": 25}
    return GridRules(PERIOD, LENGTH, MAX_GAP, **limits | changed)


@dataclass(frozen=True)
class Block:
    """Samples of one channel group: when the first was taken and when they arrived, in sample periods from `START`."""

    stream: int
    channels: list[int]
    first: float
    length: int
    arrival: float


class LoggedGrid(SampleGrid):
    """A grid that keeps its last placement for a test to see."""

    placed: Placement

    def place(self, blocks: Arrivals) -> Placement:
        self.placed = super().place(blocks)
        return self.placed


class LoggedWindows(StreamWindows):
    """Streams that keep book of which sample went to which slot, and hold every window against it.

    Every sample has a value of its own, its number.
    """

    def __init__(self, rules: GridRules, channel_groups: list[list[int]]) -> None:
        with mock.patch("monitor.core.windows.stream_windows.SampleGrid", LoggedGrid):
            super().__init__(CHANNELS, SPEC, rules)
        assert isinstance(self.grid, LoggedGrid)
        self.logged = self.grid
        self.discards: Counter[Reason] = Counter()
        self.received = self.stored = 0
        self.book: dict[tuple[int, int, int], int] = {}  # stream, channel, slot -> value
        self.slot_of: dict[tuple[int, int, int], int] = {}  # stream, channel, value -> slot
        self.last_end = [0] * STREAMS
        for stream in range(STREAMS):
            self.open_stream(stream, channel_groups)

    def take(self, blocks: list[Block], *, timed: bool = True) -> list[WindowBatch]:
        """Feed blocks of one width in one call."""
        width = len(blocks[0].channels)
        length = np.array([block.length for block in blocks])
        numbers = np.arange(self.received, self.received + length.sum(), dtype=np.float32)
        self.received += len(numbers)
        fed = StreamBlocks(
            channel_group=np.array([block.stream * CHANNELS + block.channels[0] for block in blocks]),
            columns=np.array([block.channels for block in blocks]),
            first_time_seconds=START + np.array([block.first for block in blocks]) * PERIOD,
            length=length,
            arrival_seconds=START + np.array([block.arrival for block in blocks]) * PERIOD,
            timed=timed,
            values=np.tile(numbers[:, None], (1, width)),
        )
        return list(self.feed([fed], self.discards))

    def _feed_round(
        self, blocks: MergedBlocks, discards: Counter[Reason]
    ) -> tuple[WindowBatch | None, NDArray[np.bool_] | None]:
        batch, deferred = super()._feed_round(blocks, discards)
        assert deferred is None or not deferred.all(), "every round goes on"
        placed, (part,) = self.logged.placed, blocks.by_source()
        for at in range(len(blocks)):
            assert not (placed.deferred[at] and placed.take[at])
            assert 0 <= placed.fill[at] <= MAX_GAP
            first = int(part.first_row[at] + placed.skip[at])
            values = part.samples.values[first : first + placed.take[at], 0].astype(int).tolist()
            self.stored += len(values)
            for column in part.columns[at].tolist():
                channel = int(blocks.arrivals.channel_group[at]) // CHANNELS, column
                for slot, value in enumerate(values, int(placed.slot[at])):
                    assert (*channel, slot) not in self.book, "a slot is used once"
                    self.book[*channel, slot] = value
                    self.slot_of[*channel, value] = slot
        windows = [] if batch is None else zip(batch.stream.tolist(), batch.values, batch.coverage, strict=True)
        for stream, values, coverage in windows:
            self._check(stream, values.astype(int), coverage.tolist())
        return batch, deferred

    def _check(self, stream: int, values: NDArray[np.int_], coverage: list[float]) -> None:
        earliest = self.slot_of[stream, 0, int(values[0, 0])]  # of the first value; it may be a filling from up there
        starts = range(earliest, earliest + MAX_GAP + 1)
        start = next((start for start in starts if self._expected(stream, start) == values.tolist()), None)
        assert start is not None, "a window holds what was stored in its slots, and fillings of short gaps"
        slots = range(start, start + LENGTH)
        missing = [sum((stream, channel, slot) not in self.book for slot in slots) for channel in range(CHANNELS)]
        assert coverage == pytest.approx([1 - count / LENGTH for count in missing])
        assert start + LENGTH >= self.last_end[stream] + STRIDE or self.last_end[stream] == 0
        self.last_end[stream] = start + LENGTH

    def _expected(self, stream: int, start: int) -> list[list[int | None]]:
        return [
            [self._at_or_before(stream, channel, slot) for slot in range(start, start + LENGTH)]
            for channel in range(CHANNELS)
        ]

    def _at_or_before(self, stream: int, channel: int, slot: int) -> int | None:
        max_advance = (self.book.get((stream, channel, slot - back)) for back in range(MAX_GAP + 1))
        return next((value for value in max_advance if value is not None), None)

    def check_conservation(self) -> None:
        assert self.received == self.stored + self.discards.total()


@st.composite
def messages(draw: st.DrawFn, channel_groups: list[list[int]]) -> list[list[Block]]:
    """Calls of blocks: mostly one after another, yet with gaps, repetitions, jitter, delays and clocks that jump."""
    cursor: Counter[tuple[int, int]] = Counter()
    now = 0
    calls = []
    for _ in range(draw(st.integers(1, 12))):
        call = []
        for _ in range(draw(st.integers(1, 6))):
            stream, channel_group = draw(st.integers(0, STREAMS - 1)), draw(st.integers(0, len(channel_groups) - 1))
            length = draw(st.sampled_from([1, 1, 2, 4, 10, 30, 300]))
            step = draw(st.sampled_from([0, 0, 0, 0, 0, 1, 2, 3, 8, -1, -2, -length, -length, -700, 900, 2000]))
            now += draw(st.sampled_from([0, 1, length, length, 40]))
            if draw(st.booleans()) or not cursor[stream, channel_group]:
                cursor[stream, channel_group] += step
            first = cursor[stream, channel_group] + draw(st.sampled_from([-0.3, 0, 0, 0.3]))
            call.append(Block(stream, channel_groups[channel_group], first, length, now))
            cursor[stream, channel_group] += length
        calls.append(call)
    return calls


@given(data=st.data(), channel_groups=st.sampled_from([TOGETHER, APART]), timed=st.booleans())
@settings(max_examples=100)
def test_whatever_comes_every_sample_is_stored_or_refused_and_windows_hold_what_was_stored(
    data: st.DataObject, channel_groups: list[list[int]], timed: bool
) -> None:
    windows = LoggedWindows(rules_of(), channel_groups)
    for call in data.draw(messages(channel_groups)):
        windows.take(call, timed=timed)
        windows.check_conservation()


@given(calls=messages(TOGETHER))
@settings(max_examples=100)
def test_blocks_fed_in_one_call_give_the_windows_of_blocks_fed_one_by_one(calls: list[list[Block]]) -> None:
    together, apart = LoggedWindows(rules_of(), TOGETHER), LoggedWindows(rules_of(), TOGETHER)
    for call in calls:
        at_once = together.take(call)
        one_by_one = [batch for block in call for batch in apart.take([block])]
        assert by_stream(at_once) == by_stream(one_by_one)
    # how far back `late` is told from `duplicate` depends on what was cut meanwhile
    assert together.discards[Reason.FUTURE] == apart.discards[Reason.FUTURE]
    assert together.discards.total() == apart.discards.total()
    assert together.grid.restarts == apart.grid.restarts


def by_stream(batches: list[WindowBatch]) -> list[list[tuple[list[float], list[list[float]]]]]:
    """The windows of each stream, in order: coverage and values. Numbers differ with the order of blocks in a call."""
    found: list[list[tuple[list[float], list[list[float]]]]] = [[] for _ in range(STREAMS)]
    for batch in batches:
        for stream, coverage, values in zip(batch.stream.tolist(), batch.coverage, batch.values, strict=True):
            found[stream].append((coverage.tolist(), values.tolist()))
    return found


def steady(channel_group: int, start: int, count: int, *, clock: float = 0.0, length: int = 1) -> list[Block]:
    """Blocks of one channel group of stream 0 that follow one another; `clock` is how far its clock is off."""
    return [
        Block(0, APART[channel_group], at + clock, length, at + length - 1)
        for at in range(start, start + count * length, length)
    ]


def interleaved(*channel_groups: list[Block]) -> list[Block]:
    return sorted(
        (block for channel_group in channel_groups for block in channel_group), key=lambda block: block.arrival
    )


def ends(batches: list[WindowBatch]) -> list[float]:
    """Event times of the windows, in sample periods."""
    return [round((end - START) / PERIOD, 1) for batch in batches for end in batch.end_seconds.tolist()]


def feed(windows: LoggedWindows, blocks: list[Block], per_call: int = 1, *, timed: bool = True) -> list[WindowBatch]:
    calls = [blocks[at : at + per_call] for at in range(0, len(blocks), per_call)]
    found = [batch for call in calls for batch in windows.take(call, timed=timed)]
    windows.check_conservation()
    return found


@given(
    cuts=st.lists(st.tuples(st.integers(0, 1), st.sampled_from([1, 2, 4, 10])), min_size=1, max_size=60),
    offset=st.sampled_from([-0.3, 0.0, 0.3]),
    per_call=st.integers(1, 2),
)
def test_channels_that_arrive_apart_line_up_while_none_lags_too_far(
    cuts: list[tuple[int, int]], offset: float, per_call: int
) -> None:
    windows, heads, blocks, now = LoggedWindows(rules_of(), APART), [0, 0], [], 0
    for wish, length in cuts:
        channel_group = wish if heads[wish] <= heads[1 - wish] else 1 - wish
        blocks.append(
            Block(0, APART[channel_group], heads[channel_group] + channel_group * offset, length, now := now + 1)
        )
        heads[channel_group] += length
    found = feed(windows, blocks, per_call)
    assert not windows.discards
    assert len(ends(found)) == max((min(heads) - LENGTH) // STRIDE + 1, 0)


@pytest.mark.parametrize("per_call", [1, 2, 7, 20])
def test_when_all_channels_of_a_device_are_set_back_windows_start_again_soon_and_line_up(per_call: int) -> None:
    windows = LoggedWindows(rules_of(), APART)
    before = interleaved(steady(0, 2000, 40), steady(1, 2000, 40, clock=0.3))
    after = interleaved(steady(0, 2040, 40, clock=-1000), steady(1, 2040, 40, clock=-1000.3))
    feed(windows, before, per_call)
    again = ends(feed(windows, after, per_call))
    assert windows.grid.restarts == 1
    assert again
    assert min(again) < 1040 + 3 * LENGTH
    assert max(again) > 1080 - LENGTH - STRIDE


@pytest.mark.parametrize("wrong", [-1000.0, 1000.0])
def test_when_one_channel_has_the_wrong_time_no_window_mixes_times_and_all_is_well_once_it_is_right(
    wrong: float,
) -> None:
    windows = LoggedWindows(rules_of(), APART)
    feed(windows, interleaved(steady(0, 2000, 40), steady(1, 2000, 40)))
    astray = feed(windows, interleaved(steady(0, 2040, 100), steady(1, 2040, 100, clock=wrong)))
    assert len(ends(astray)) <= 1  # what was complete before
    right = feed(windows, interleaved(steady(0, 2140, 100), steady(1, 2140, 100)))
    assert ends(right)[-1] >= 2240 - STRIDE


def test_a_lane_that_is_left_behind_keeps_no_other_stream_back() -> None:
    windows = LoggedWindows(rules_of(), APART)
    other = [Block(1, channels, at, 1, at) for at in range(60) for channels in APART]
    found = feed(windows, interleaved(steady(0, 0, 60), other), per_call=5)
    assert {stream for batch in found for stream in batch.stream.tolist()} == {1}


@pytest.mark.parametrize(("waited", "least_lost", "most_lost"), [(25, 0, 0), (40, 5, 15)])
def test_a_stream_waits_for_a_lagging_channel_as_long_as_its_lateness_and_hardly_longer(
    waited: int, least_lost: int, most_lost: int
) -> None:
    windows = LoggedWindows(rules_of(lateness_samples=25), APART)
    live = interleaved(steady(0, 0, 25), steady(1, 0, 25))
    late = [replace(block, arrival=25 + waited) for block in steady(1, 25, 40)]
    feed(windows, live + steady(0, 25, waited) + late + steady(0, 25 + waited, 40 - waited))
    assert least_lost <= windows.discards[Reason.LATE] <= most_lost
    assert windows.discards.keys() <= {Reason.LATE}


@pytest.mark.parametrize("per_call", [1, 3, 1000])
def test_a_burst_after_an_outage_without_timestamps_is_one_run(per_call: int) -> None:
    windows = LoggedWindows(rules_of(), TOGETHER)
    live = [Block(0, [0, 1], 0, 10, 1000 + at * 10) for at in range(20)]
    burst = [Block(0, [0, 1], 0, 10, 3000) for _ in range(20)]  # kept by the broker meanwhile, delivered at once
    then = [Block(0, [0, 1], 0, 10, 3010 + at * 10) for at in range(20)]
    assert len(ends(feed(windows, live, per_call, timed=False))) == (200 - LENGTH) // STRIDE + 1
    assert len(ends(feed(windows, burst + then, per_call, timed=False))) == (400 - LENGTH) // STRIDE + 1
    assert not windows.discards


@pytest.mark.parametrize("rate", [0.99, 1.01])
def test_a_device_whose_clock_runs_wrong_loses_no_sample_without_timestamps(rate: float) -> None:
    windows = LoggedWindows(rules_of(), TOGETHER)
    blocks = [Block(0, [0, 1], 0, 10, at * 10 / rate) for at in range(1000)]
    found = feed(windows, blocks, timed=False)
    assert len(ends(found)) == (10_000 - LENGTH) // STRIDE + 1
    assert all((batch.coverage == 1).all() for batch in found)
    assert ends(found)[-1] == pytest.approx(blocks[-1].arrival, abs=20)


@pytest.mark.parametrize("channel_groups", [TOGETHER, APART])
def test_without_timestamps_every_lost_sample_is_noticed_by_the_lag_it_leaves(channel_groups: list[list[int]]) -> None:
    windows = LoggedWindows(rules_of(), channel_groups)
    late = np.random.default_rng(7).exponential(0.3, (len(channel_groups), 5000))
    blocks = [
        Block(0, channels, 0, 1, at + late[channel_group, at])
        for at in range(5000)
        for channel_group, channels in enumerate(channel_groups)
        if at % 500 != 250 + channel_group
    ]
    feed(windows, sorted(blocks, key=lambda block: block.arrival), timed=False)
    for channel in range(CHANNELS):
        slots = [slot for _, of, slot in windows.book if of == channel]
        assert len(slots) == 4990
        assert max(slots) == pytest.approx(4999, abs=1)


def test_a_lost_message_without_timestamps_is_noticed() -> None:
    windows = LoggedWindows(rules_of(), TOGETHER)
    arrivals = [at * 10 for at in range(200) if at != 100]
    found = feed(windows, [Block(0, [0, 1], 0, 10, arrival) for arrival in arrivals], timed=False)
    lost = 2000 // STRIDE - len(ends(found))
    assert 2 <= lost <= 5


@pytest.mark.parametrize("length", [1, 2, 10])
@pytest.mark.parametrize("jitter", [0.0, 0.3])
def test_a_lost_message_with_timestamps_is_a_gap_of_just_its_samples(length: int, jitter: float) -> None:
    windows = LoggedWindows(rules_of(), TOGETHER)
    blocks = [Block(0, [0, 1], at * length + (at % 2) * jitter, length, at * length) for at in range(100) if at != 50]
    feed(windows, blocks)
    lost = [slot for slot in range(100 * length) if (0, 0, slot) not in windows.book]
    assert lost == list(range(50 * length, 51 * length))


def test_overlapping_blocks_store_each_sample_once() -> None:
    windows = LoggedWindows(rules_of(jitter_seconds=0.0), TOGETHER)
    feed(windows, [Block(0, [0, 1], at * 6, 10, at * 6 + 10) for at in range(10)])
    assert [slot for _, channel, slot in sorted(windows.book) if channel == 0] == list(range(6 * 9 + 10))
    assert windows.discards == Counter({Reason.DUPLICATE: 4 * 9})


def test_a_channel_that_starts_late_leaves_the_gaps_of_the_others_in_the_coverage() -> None:
    windows = LoggedWindows(rules_of(), APART)
    gap = [block for block in steady(0, 0, 10) if block.first != 2]
    found = feed(windows, gap + steady(1, 0, 10))
    coverage = np.concatenate([batch.coverage for batch in found])
    assert coverage.ravel().tolist() == pytest.approx([5 / 6, 1, 1, 1])


def test_a_new_stream_under_an_old_number_knows_nothing_of_the_old_one() -> None:
    windows = LoggedWindows(rules_of(), TOGETHER)
    feed(windows, [Block(0, [0, 1], at, 1, at) for at in range(2000, 2020)])
    windows.open_stream(0, TOGETHER)
    windows.book.clear()
    windows.last_end[0] = 0
    found = feed(windows, [Block(0, [0, 1], at, 1, at) for at in range(20)])
    assert ends(found)[0] == LENGTH - 1
    assert not windows.discards


def test_channels_that_are_arranged_otherwise_go_on_behind_what_was_received() -> None:
    windows = StreamWindows(3, WindowSpec(length=4, stride=4, max_gap_samples=2), GridRules(1.0, 4, lateness_samples=6))
    windows.open_stream(0, [[2], [0, 1]])
    grid, discards = windows.grid, Counter[Reason]()

    def send(first_channel: int, columns: list[int], first: int, count: int) -> list[float]:
        blocks = StreamBlocks(
            np.array([first_channel]),
            np.array([columns]),
            np.array([100.0 + first]),
            np.array([count]),
            np.array([100.0 + first + count]),
            True,
            np.full((count, len(columns)), 1.0, np.float32),
        )
        return [end for batch in windows.feed([blocks], discards) for end in batch.end_seconds.tolist()]

    ends = [send(channels[0], channels, first, 4) for first in (0, 4) for channels in ([2], [0, 1])]
    assert ends == [[], [103.0], [], [107.0]]
    grid.arrange(0, [[2], [0], [1]])
    assert send(1, [1], 4, 4) == []
    assert +discards == Counter({Reason.DUPLICATE: 4})
    assert [*send(2, [2], 8, 4), *send(1, [1], 8, 4), *send(0, [0], 8, 4)] == [111.0]
    assert +discards == Counter({Reason.DUPLICATE: 4})
