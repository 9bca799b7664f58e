"""Timestamps: what is believed, and what becomes of it."""

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.decode.timestamps import LATEST_SECONDS, TimestampUnit, epoch_seconds, iso_seconds, no_time_in

UNITS: list[tuple[TimestampUnit, float]] = [("s", 1), ("ms", 1e3), ("us", 1e6), ("ns", 1e9)]


@pytest.mark.parametrize(("unit", "per_second"), UNITS)
def test_units_count_to_the_same_second(unit: TimestampUnit, per_second: float) -> None:
    assert epoch_seconds(np.array([1_700_000_000.5 * per_second]), unit)[0] == pytest.approx(1_700_000_000.5, abs=1e-6)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, -1.0, LATEST_SECONDS, 1.7e12, 1e308])
@pytest.mark.parametrize(("unit", "per_second"), UNITS)
def test_what_is_no_believable_time_becomes_nan(wrong: float, unit: TimestampUnit, per_second: float) -> None:
    with np.errstate(over="ignore"):
        seconds = epoch_seconds(np.array([wrong, 1.0]) * per_second, unit)
    assert np.isnan(seconds[0])
    assert seconds[1] == 1.0


@given(
    st.datetimes(datetime(1970, 1, 2), datetime(2199, 12, 30)),  # noqa: DTZ001 - the zone is drawn separately
    st.integers(-12 * 60, 14 * 60),
)
def test_an_iso_time_means_its_instant(naive: datetime, offset_minutes: int) -> None:
    time = naive.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))
    assert iso_seconds(time.isoformat()) == time.timestamp()


def test_an_iso_time_without_an_offset_is_utc_wherever_we_run() -> None:
    expected = datetime(2026, 1, 31, 12, 0, 0, 500_000, tzinfo=UTC).timestamp()
    for text in (
        "2026-01-31T12:00:00.5",
        "2026-01-31 12:00:00.500",
        "2026-01-31T12:00:00.5Z",
        "2026-01-31T13:00:00.5+01:00",
    ):
        assert iso_seconds(text) == expected


@given(st.text(max_size=40))
def test_text_is_a_time_or_a_value_error(text: str) -> None:
    try:
        seconds = iso_seconds(text)
    except ValueError:
        return
    assert np.isfinite(seconds)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_the_ends_of_the_calendar_do_not_overflow(text: str) -> None:
    assert np.isfinite(iso_seconds(text))


@pytest.mark.parametrize(
    ("stamp", "unit", "excuse"),
    [
        (1.79e12, "s", 'no believable time in s: 1000 times too large (timestamp_unit = "ms"?)'),
        ("1790000000000000", "s", 'no believable time in s: 1e+06 times too large (timestamp_unit = "us"?)'),
        (1.79e18, "ms", 'no believable time in ms: 1e+06 times too large (timestamp_unit = "ns"?)'),
        ("1790000000", "iso8601", 'no believable time in iso8601: a number (timestamp_unit = "s"?)'),
        (-5.0, "s", "no believable time in s"),
        (float("nan"), "s", "no believable time in s"),
        ("yesterday", "iso8601", "no believable time in iso8601"),
    ],
)
def test_a_stamp_that_would_be_a_time_in_another_unit_names_it(
    stamp: float | str, unit: TimestampUnit, excuse: str
) -> None:
    assert no_time_in(stamp, unit) == excuse
