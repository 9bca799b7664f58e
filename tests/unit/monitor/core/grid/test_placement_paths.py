"""Blocks placed by array operations go where the rules for one block put them, and leave the grid as these do."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.core.grid.arrivals import Arrivals
from monitor.core.grid.sample_grid import GridRules, SampleGrid
from monitor.core.values.discards import Reason

PERIOD, START = 0.01, 1e9
STREAMS, CHANNELS, LENGTH, MAX_GAP = 3, 2, 6, 2
STREAM_NUMBERS = np.arange(STREAMS)
LONGEST_ROUND = 2000  # samples of one channel group in one call, and the longest gap that is filled


class OneByOneGrid(SampleGrid):
    """A grid that takes every block through the rules for one block."""

    one_by_one = True


@dataclass(frozen=True)
class Block:
    """Samples of one channel group: when the first was taken and when they arrived, in sample periods from `START`."""

    channel_group: int
    first: float
    length: int
    arrival: float


@dataclass(frozen=True)
class Placed:
    """Where one block went: slot, skip, take and fill of each time it was placed until it was not deferred."""

    slot: int
    skip: int
    take: int
    fill: int
    deferred: int


def open_grid(kind: type[SampleGrid]) -> SampleGrid:
    # limits at which no error of the blocks below comes to lie exactly, where rounding would decide
    rules = GridRules(
        *(PERIOD, LENGTH, MAX_GAP),
        jitter_seconds=0.0525,
        arrival_jitter_seconds=1.0025,
        lateness_samples=25,
        max_ahead_seconds=10.0025,
    )
    grid = kind(CHANNELS, rules, LONGEST_ROUND)
    for stream in range(STREAMS):
        grid.open_stream(stream, [[0], [1]])
    return grid


def place(grid: SampleGrid, blocks: list[Block], *, timed: bool) -> tuple[list[Placed], Counter[Reason]]:
    """Place the blocks, and what is deferred again and again. The windows before it are cut meanwhile, here none."""
    channel_group = np.array([block.channel_group for block in blocks])
    first_time = START + np.array([block.first for block in blocks]) * PERIOD
    length = np.array([block.length for block in blocks])
    arrival = START + np.array([block.arrival for block in blocks]) * PERIOD
    left, found, discards = np.arange(len(blocks)), {}, Counter[Reason]()
    arrivals = Arrivals(
        channel_group, first_time, length, arrival, np.full(len(blocks), timed), np.zeros(len(blocks), np.int64)
    )
    grid.let_wait(arrivals)
    for times in range(2 * len(blocks)):
        placed = grid.place(arrivals)
        cut_to_breaks(grid)
        discards += placed.discards
        for at, block in enumerate(left.tolist()):
            if not placed.deferred[at]:
                slot, skip, take, fill = (
                    int(numbers[at]) for numbers in (placed.slot, placed.skip, placed.take, placed.fill)
                )
                found[block] = Placed(slot, skip, take, fill, deferred=times)
        left = left[placed.deferred]
        arrivals = arrivals.select(np.flatnonzero(placed.deferred))
        if not len(left):
            return [found[block] for block in range(len(blocks))], discards
    raise AssertionError("blocks are deferred for ever")


def cut_to_breaks(grid: SampleGrid) -> None:
    """Let runs begin, as they do once the windows before them are cut."""
    complete = grid.channel_heads(STREAM_NUMBERS).min(axis=1)
    for stream in STREAM_NUMBERS.tolist():
        for _, end in grid.breaks.take(stream, int(complete[stream])):
            grid.run_start[stream] = max(int(grid.run_start[stream]), end)


@st.composite
def calls(draw: st.DrawFn) -> list[list[Block]]:
    """Calls of blocks, mostly one after another, yet with gaps, repetitions, jitter, delays and clocks that jump."""
    cursor = dict.fromkeys(range(STREAMS * CHANNELS), 0)
    now, found = 0, []
    for _ in range(draw(st.integers(1, 10))):
        call = []
        groups = range(STREAMS * CHANNELS)
        for _ in range(draw(st.integers(1, 8))):
            group = draw(st.sampled_from(groups))
            length = draw(st.sampled_from([1, 1, 2, 4, 10, 30, 30]))
            step = draw(st.sampled_from([0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 8, -1, -2, -length, -700, 900]))
            now += draw(st.sampled_from([0, 0, 0, 1, length, length, 40, 110, 220]))
            cursor[group] += step
            jitter = draw(st.sampled_from([0, 0, 0, -0.3, 0.3, 0.6]))
            call.append(Block(group, cursor[group] + jitter, length, now))
            cursor[group] += length
        found.append(call)
    return found


# the clock that follows arrivals is set forward by the first messages of a burst, and the last one lags behind that
BURST = [[Block(0, 0, 30, 10)], [*[Block(0, 0, 30, 40)] * 4, Block(0, 0, 30, 260)]]


@given(calls=calls(), timed=st.booleans())
@example(calls=BURST, timed=False)
@settings(max_examples=200)
def test_blocks_placed_by_arrays_go_where_the_rules_for_one_block_put_them(
    calls: list[list[Block]], timed: bool
) -> None:
    by_arrays, one_by_one = open_grid(SampleGrid), open_grid(OneByOneGrid)
    for call in calls:
        found = place(by_arrays, call, timed=timed)
        assert found == place(one_by_one, call, timed=timed)
        for name in ("head", "run_start"):
            assert getattr(by_arrays, name).tolist() == getattr(one_by_one, name).tolist()
        for name in ("clock", "arrival"):  # sums of the same numbers in another order
            np.testing.assert_allclose(getattr(by_arrays, name), getattr(one_by_one, name), rtol=0, atol=1e-5)
        np.testing.assert_array_equal(
            by_arrays.last_arrivals(STREAM_NUMBERS, START), one_by_one.last_arrivals(STREAM_NUMBERS, START)
        )
        assert by_arrays.restarts == one_by_one.restarts
