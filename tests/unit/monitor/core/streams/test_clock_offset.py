"""Offsets of device clocks: the least delayed message counts, for a minute or two, and nothing else is remembered."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.streams.clock_offset import ClockOffsets

START = 1_700_000_000.0


def observed(offsets: ClockOffsets, at: float, *blocks: tuple[int, float]) -> list[float]:
    """Take in blocks (stream, ahead) that arrive `at` seconds after the start; the estimates of streams 0 and 1."""
    streams = np.array([stream for stream, _ in blocks], np.int64)
    ahead = np.array([value for _, value in blocks], np.float64)
    offsets.observe(streams, ahead, np.full(len(blocks), START + at))
    estimates: list[float] = offsets.seconds(np.array([0, 1])).tolist()
    return estimates


def test_nothing_is_known_before_the_first_block() -> None:
    assert np.isnan(ClockOffsets().seconds(np.array([0, 7]))).all()
    assert len(ClockOffsets().seconds(np.zeros(0, np.int64))) == 0


def test_the_least_delayed_message_counts() -> None:
    offsets = ClockOffsets()
    assert observed(offsets, 0, (0, 4.2), (1, -3.5), (0, 4.9), (0, 1.0)) == [4.9, -3.5]
    assert observed(offsets, 10, (0, 4.0), (1, -3.1)) == [4.9, -3.1]


def test_what_is_older_than_two_minutes_is_forgotten() -> None:
    offsets = ClockOffsets()
    observed(offsets, 0, (0, 5.0))
    assert observed(offsets, 61, (0, 2.0))[0] == 5.0
    assert observed(offsets, 122, (0, 1.0))[0] == 2.0


def test_a_number_that_another_stream_takes_over_starts_clean() -> None:
    offsets = ClockOffsets()
    observed(offsets, 0, (0, 5.0), (1, 1.0))
    offsets.forget(0)
    offsets.forget(99)
    found = offsets.seconds(np.array([0, 1]))
    assert np.isnan(found[0])
    assert found[1] == 1.0


@given(
    st.floats(-1e6, 1e6),
    st.lists(st.tuples(st.floats(0, 30), st.floats(0, 2)), min_size=1, max_size=40),
)
def test_the_estimate_is_the_offset_less_the_least_delay_of_the_last_minutes(
    offset: float, steps: list[tuple[float, float]]
) -> None:
    offsets, at = ClockOffsets(), 0.0
    arrivals: list[tuple[float, float]] = []
    for pause, delay in steps:
        at += pause
        arrivals.append((at, offset - delay))
        found = observed(offsets, at, (0, offset - delay))[0]
        recent = [ahead for when, ahead in arrivals if at - when <= 60]
        assert max(recent) <= found <= offset
        assert found in [pytest.approx(ahead) for _, ahead in arrivals]
