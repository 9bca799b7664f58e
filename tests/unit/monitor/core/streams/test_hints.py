"""Hints name what may be behind input that is refused, and the setting that mends it."""

import math

import pytest

from monitor.core.streams.hints import clock_hint, rate_hint, refusal_hint, unit_hint

NOW = 1_790_000_000.0


@pytest.mark.parametrize(
    ("ahead_seconds", "hint"),
    [
        (3600.4, "3600.4 s ahead: local time?"),
        (-7200.0, "7200.0 s behind: local time?"),
        (19_800.0, "19800.0 s ahead: local time?"),
        (61.5, "61.5 s ahead: is the device's clock set?"),
        (86_400.0, "86400.0 s ahead: is the device's clock set?"),
    ],
)
def test_a_clock_that_is_off_by_hours_may_be_local_time(ahead_seconds: float, hint: str) -> None:
    assert clock_hint(ahead_seconds) == hint


@pytest.mark.parametrize(("factor", "unit"), [(1e3, "milliseconds"), (1e6, "microseconds"), (1e9, "nanoseconds")])
def test_a_stamp_that_is_too_small_by_the_factor_of_a_unit_names_the_unit(factor: float, unit: str) -> None:
    assert unit_hint(NOW / factor - NOW, NOW) == f"{factor:g} times too small: seconds read as {unit}? (timestamp_unit)"


def test_a_stamp_from_the_seventies_may_count_from_the_start_of_the_device() -> None:
    assert unit_hint(5000.0 - NOW, NOW) == "the time of a clock that starts at 0: seconds since the device started?"
    assert unit_hint(-3600.0, NOW) is None


def test_another_rate_names_what_mends_it() -> None:
    hint = rate_hint(1.5, 1.0, 0.02)
    assert hint.startswith("a sample every 1.5 s, the model takes one every 1 s: fit a model at that rate")
    assert "timing.rate_tolerance (0.02)" in hint
    assert "milliseconds" in rate_hint(0.001, 1.0, 0.02)


def test_refused_samples_are_explained_by_the_clock_or_the_rate_or_not_at_all() -> None:
    assert refusal_hint(3600.0, NOW, math.nan, 1.0) == "3600.0 s ahead: local time?"
    assert refusal_hint(-0.2, NOW, 0.25, 1.0) == "a sample every 0.25 s, the model takes one every 1 s"
    assert refusal_hint(-0.2, NOW, 1.0, 1.0) is None
    assert refusal_hint(math.nan, NOW, math.nan, 1.0) is None
