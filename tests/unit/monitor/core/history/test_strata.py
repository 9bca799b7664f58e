"""Strata tell seasons, hours and scores apart, and priorities are even, without memory and the same again."""

import math
from datetime import UTC, datetime

import numpy as np

from monitor.core.history.strata import priorities_of, seed_of, stratum_of


def test_a_stratum_is_month_part_of_the_day_and_band_of_the_score() -> None:
    when = datetime(2026, 3, 9, 11, 59, tzinfo=UTC).timestamp()
    assert stratum_of(when, 0.3) == "m03 h08 s0"
    assert stratum_of(when + 60, 0.5) == "m03 h12 s1"
    assert stratum_of(when, 1.0) == "m03 h08 s3"
    assert stratum_of(when, math.nan) == "m03 h08 sw"


def test_priorities_are_even_differ_from_stream_to_stream_and_are_the_same_again() -> None:
    slots = np.arange(100_000) + 2_800_000
    first = priorities_of(np.full(len(slots), seed_of("motor", "m1"), np.uint64), slots)
    other = priorities_of(np.full(len(slots), seed_of("motor", "m2"), np.uint64), slots)
    assert first.min() >= 0
    assert first.max() < 1
    counts = np.histogram(first, 20, (0, 1))[0]
    assert ((counts - 5000) ** 2 / 5000).sum() < 50  # chi squared of 19 degrees: one in 10,000
    assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 0.02
    assert abs(np.corrcoef(first, other)[0, 1]) < 0.02
    again = priorities_of(np.array([seed_of("motor", "m1")], np.uint64), slots[5:6])
    assert again[0] == first[5]
