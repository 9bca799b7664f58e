from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.values.instant import LATEST_SECONDS, read_instant, written

NOW = 1_772_370_000.0  # 2026-03-01T13:00:00Z
BERLIN = timezone(timedelta(hours=1))


def local(time: datetime) -> datetime:
    if time.year == 1:
        raise OverflowError("date value out of range")
    return time.replace(tzinfo=BERLIN)


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T13:00:00Z",
        "2026-03-01T14:00:00+01:00",
        "2026-03-01 14:00",
        "20260301T140000",
        "1772370000",
        "1772370000.0",
        "now",
        " now ",
    ],
)
def test_one_instant_can_be_written_in_many_ways(text: str) -> None:
    assert read_instant(text, NOW, local) == NOW


def test_an_instant_can_be_told_by_how_long_ago_it_was() -> None:
    assert read_instant("2h ago", NOW) == NOW - 7200
    assert read_instant("1.5 d ago", NOW) == NOW - 1.5 * 86400


def test_eight_digits_are_a_date_and_no_number_of_seconds() -> None:
    assert read_instant("20260301", NOW, local) == datetime(2026, 3, 1, tzinfo=BERLIN).timestamp()


def test_a_time_without_an_offset_is_refused_where_the_zone_is_not_known() -> None:
    with pytest.raises(ValueError, match="without an offset"):
        read_instant("2026-03-01T14:00", NOW)


def test_milliseconds_are_told_apart_from_seconds() -> None:
    with pytest.raises(ValueError, match="milliseconds"):
        read_instant("1772370000000", NOW)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2 h", "h ago", "-5", "2026-13-01", "nan", "inf", "1e9", "9" * 100, "0001-01-01"]
)
def test_what_is_no_time_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match=r"write e\.g\."):
        read_instant(text, NOW, local)


@given(st.text(max_size=70))
def test_any_text_is_a_believable_instant_or_refused(text: str) -> None:
    try:
        seconds = read_instant(text, NOW, local)
    except ValueError:
        return
    assert 0 <= seconds < LATEST_SECONDS


@given(st.integers(0, int(LATEST_SECONDS) - 1))
def test_what_is_written_is_read_back(seconds: int) -> None:
    assert read_instant(written(seconds), NOW) == seconds
    assert datetime.fromisoformat(written(seconds)).tzinfo == UTC


def test_an_interval_without_an_end_is_written_as_open() -> None:
    assert written(float("inf")) == "open"
