"""Rings give back what was stored, wherever they wrap and however it was written."""

from dataclasses import dataclass

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from monitor.core.grid.arrivals import Ints
from monitor.core.grid.ring_buffers import Rings, Samples

LENGTH, CAPACITY, STREAMS = 5, 200, 3


@dataclass
class Placement:
    """Where blocks go, as the grid says it."""

    slot: Ints
    skip: Ints
    take: Ints
    fill: Ints


def store(
    rings: Rings, stream: Ints, columns: Ints, placed: Placement, length: Ints, values: NDArray[np.float32]
) -> None:
    """Write blocks that were placed, and fill the gaps before them."""
    samples = Samples(values, length)
    rings.store(stream, columns, placed.slot, placed.skip, placed.take, samples.first_row, samples)
    for at in np.flatnonzero(placed.fill).tolist():
        rings.fill(int(stream[at]), columns[at], int(placed.slot[at]), int(placed.fill[at]))


# One call: blocks of (stream, gap before it, length). Large blocks are written in slices, small ones in one scatter.
CALL = st.lists(
    st.tuples(st.integers(0, STREAMS - 1), st.integers(0, 2), st.integers(1, 6) | st.integers(40, 60)),
    min_size=1,
    max_size=3,
)


@given(
    calls=st.lists(CALL, max_size=12), channels=st.integers(1, 3), skip=st.integers(0, 2), wide_for=st.integers(0, 12)
)
@settings(max_examples=100)
def test_windows_hold_what_was_stored_last_in_their_slots(
    calls: list[list[tuple[int, int, int]]], channels: int, skip: int, wide_for: int
) -> None:
    rng = np.random.default_rng(0)
    rings = Rings(channels, LENGTH, CAPACITY)
    shadow = np.full((STREAMS, channels, 3000), np.nan, np.float32)
    heads = [0] * STREAMS
    for stream in range(STREAMS):
        rings.open_stream(stream)
    for number, call in enumerate(calls):
        if number == 1 and wide_for:  # one stream has a ring of its own for a while
            assert rings.widen_one(1, 3 * CAPACITY, np.full(channels, heads[1]), backlog=True)
        if number == 1 + wide_for and rings.wide:
            rings.narrow_one(1, np.full(channels, heads[1]))
        slots, fills, rows = [], [], []
        for stream, gap, length in call:
            fill = gap if heads[stream] else 0
            slot = heads[stream] + fill
            values = rng.normal(size=(skip + length, channels)).astype(np.float32)
            if fill:
                shadow[stream, :, slot - fill : slot] = shadow[stream, :, slot - fill - 1, None]
            shadow[stream, :, slot : slot + length] = values[skip:].T
            heads[stream] = slot + length
            slots.append(slot)
            fills.append(fill)
            rows.append(values)
        count = len(call)
        take = np.array([length for _, _, length in call])
        placed = Placement(np.array(slots), np.full(count, skip), take, np.array(fills))
        store(
            rings,
            np.array([stream for stream, _, _ in call]),
            np.tile(np.arange(channels), (count, 1)),
            placed,
            take + skip,
            np.concatenate(rows),
        )
        for stream, head in enumerate(heads):
            ends = np.arange(max(head - CAPACITY, 0) + LENGTH, head + 1)
            for window, end in zip(rings.gather(np.full(len(ends), stream), ends), ends.tolist(), strict=True):
                np.testing.assert_array_equal(window, shadow[stream, :, end - LENGTH : end])


def test_columns_go_to_the_channels_they_are_said_to_be() -> None:
    for rows in (2, 64):  # scattered and in slices
        rings = Rings(3, 2, 80)
        rings.open_stream(0)
        values = np.arange(rows * 2, dtype=np.float32).reshape(rows, 2)
        zero = np.zeros(1, np.int64)
        placed = Placement(zero, zero, np.array([rows]), zero)
        store(rings, zero, np.array([[2, 0]]), placed, np.array([rows]), values)
        assert rings.gather(zero, np.array([2])).tolist() == [[[1, 3], [0, 0], [0, 2]]]


def test_blocks_that_are_not_taken_leave_no_trace() -> None:
    rings = Rings(1, 2, 8)
    rings.open_stream(0)
    zero = np.zeros(1, np.int64)
    placed = Placement(zero, zero, zero, zero)
    store(rings, zero, np.array([[0]]), placed, np.array([4]), np.ones((4, 1), np.float32))
    assert rings.gather(zero, np.array([2])).tolist() == [[[0, 0]]]


def test_streams_that_come_later_leave_those_before_them_alone() -> None:
    rings = Rings(1, 2, 8)
    for stream in range(100):
        rings.open_stream(stream)
        number = np.array([stream])
        zero = np.zeros(1, np.int64)
        placed = Placement(zero, zero, np.array([2]), zero)
        store(rings, number, np.array([[0]]), placed, np.array([2]), np.full((2, 1), stream, np.float32))
    streams = np.arange(100)
    assert rings.gather(streams, np.full(100, 2))[:, 0, 0].tolist() == streams.tolist()


def test_a_wider_ring_holds_what_the_narrow_one_held() -> None:
    rings = Rings(1, 3, 8)
    for stream in (0, 1):
        rings.open_stream(stream)
    zero, ends = np.zeros(1, np.int64), [21, 5]
    for stream, end in enumerate(ends):
        for slot in range(end):
            placed = Placement(np.array([slot]), zero, zero + 1, zero)
            value = np.array([[100.0 * stream + slot]], np.float32)
            store(rings, np.array([stream]), np.array([[0]]), placed, zero + 1, value)
    rings.widen(30, np.array(ends))
    for back in range(6):
        assert rings.gather(zero, np.array([21 - back]))[0, 0].tolist() == [18 - back, 19 - back, 20 - back]
    assert rings.gather(zero + 1, np.array([5]))[0, 0].tolist() == [102, 103, 104]
