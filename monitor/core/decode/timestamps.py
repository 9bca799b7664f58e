"""Timestamps: what counts as one, and how it becomes epoch seconds.

A time is believable when it is finite, not before 1970 and not beyond the year 2200. The upper limit tells milliseconds
from seconds: today in milliseconds, read as seconds, is tens of thousands of years away.
"""

from datetime import UTC, datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

TimestampUnit = Literal["s", "ms", "us", "ns", "iso8601"]

LATEST_SECONDS = datetime(2200, 1, 1, tzinfo=UTC).timestamp()

# between these a time is likely to be meant
_OF_TODAY = datetime(2001, 1, 1, tzinfo=UTC).timestamp(), datetime(2100, 1, 1, tzinfo=UTC).timestamp()

_PER_SECOND: dict[TimestampUnit, float] = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}


def epoch_seconds(numbers: NDArray[np.float64], unit: TimestampUnit) -> NDArray[np.float64]:
    """Epoch seconds: float64 [n], NaN where one is not believable.

    numbers: float64 [n], counted in `unit` (a number unit).
    """
    seconds = numbers / _PER_SECOND[unit]
    if seconds.min(initial=0.0) >= 0 and seconds.max(initial=0.0) < LATEST_SECONDS:  # neither holds where one is NaN
        return seconds
    with np.errstate(invalid="ignore"):
        believable = (seconds >= 0) & (seconds < LATEST_SECONDS)
    return np.where(believable, seconds, np.nan)


def no_time_in(stamp: float | str, unit: TimestampUnit) -> str:
    """Why a stamp is no believable time in a unit, with the unit that it may be counted in."""
    excuse = f"no believable time in {unit}"
    try:
        number = float(stamp)
    except ValueError:
        return excuse
    for other, per_second in _PER_SECOND.items():
        if _OF_TODAY[0] < number / per_second < _OF_TODAY[1]:
            if unit == "iso8601":
                return f'{excuse}: a number (timestamp_unit = "{other}"?)'
            factor = per_second / _PER_SECOND[unit]
            if factor > 1:
                return f'{excuse}: {factor:g} times too large (timestamp_unit = "{other}"?)'
    return excuse


def iso_seconds(text: str) -> float:
    """Epoch seconds of an ISO 8601 time; one without an offset is UTC.

    Raises:
        ValueError: the text is not an ISO 8601 time.

    """
    time = datetime.fromisoformat(text)
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
