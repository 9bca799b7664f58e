"""Rhythm: intervals as a cardiologist would compare them."""

import math

import pytest

from monitor.core.beats.rr_intervals import Rhythm
from monitor.core.values.snapshots import decode_state, encode_state

PERIOD = 0.01


def after(*intervals: int) -> tuple[float, float]:
    """What is said of the last of these intervals, in samples."""
    rhythm = Rhythm(PERIOD)
    assert rhythm.beat(0) is None
    slot, found = 0, None
    for interval in intervals:
        slot += interval
        found = rhythm.beat(slot)
    assert found is not None
    return found


def test_the_first_interval_is_compared_with_itself() -> None:
    assert after(80) == (0.8, 0.0)


def test_an_interval_is_compared_with_the_median_of_eight_before() -> None:
    assert after(500, 80, 80, 80, 80, 100, 100, 100, 100, 45) == pytest.approx((0.45, math.log(45 / 90)))


def test_the_pause_that_makes_up_for_an_early_beat_is_not_late() -> None:
    assert after(80, 80, 80, 50, 110) == (1.1, 0.0)


def test_a_pause_longer_than_that_is_late_by_what_is_too_much() -> None:
    assert after(80, 80, 80, 50, 190)[1] == pytest.approx(math.log(240 / 160))


def test_a_late_beat_after_a_beat_in_time_is_late() -> None:
    assert after(80, 80, 80, 160)[1] == pytest.approx(math.log(2))


def test_a_beat_in_time_after_an_early_one_is_in_time() -> None:
    assert after(80, 80, 80, 50, 80)[1] == 0.0


def test_where_no_beat_comes_the_time_since_the_last_one_counts() -> None:
    rhythm = Rhythm(PERIOD)
    assert rhythm.pause(300, 0) == (3.0, 0.0)
    rhythm.beat(400)
    rhythm.beat(500)
    assert rhythm.pause(800, 0) == pytest.approx((3.0, math.log(3)))
    assert rhythm.beat(900) == pytest.approx((4.0, math.log(4)))


def test_what_is_restored_compares_alike() -> None:
    rhythm, other = Rhythm(PERIOD), Rhythm(PERIOD)
    for slot in (0, 80, 160, 210):
        rhythm.beat(slot)
    other.restore(decode_state(encode_state(rhythm.snapshot())))
    assert other.beat(330) == rhythm.beat(330)


def test_two_peaks_on_one_complex_are_one_beat() -> None:
    rhythm = Rhythm(PERIOD)
    rhythm.beat(0)
    rhythm.beat(80)
    assert rhythm.beat(80) is None
    assert rhythm.beat(79) is None
    assert rhythm.beat(160) == (0.8, 0.0)
