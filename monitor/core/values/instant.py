"""Instants for people: how a time is written on a command line or in a command, as epoch seconds."""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime

from monitor.core.values.duration import read_seconds

LATEST_SECONDS = datetime(2200, 1, 1, tzinfo=UTC).timestamp()

_NUMBER = re.compile(r"[0-9]{9,20}(?:\.[0-9]{1,9})?")  # eight digits are a date: 20260301
_LONGEST = 64  # characters
_EXAMPLES = "2026-03-01T14:00:00+01:00, 2026-03-01T13:00Z, 1772370000 (seconds since 1970), `2h ago` or `now`"


def read_instant(text: str, now_seconds: float, local: Callable[[datetime], datetime] | None = None) -> float:
    """An instant that a person wrote, in epoch seconds: ISO 8601, a number of epoch seconds, `2h ago` or `now`.

    now_seconds: wall clock. local: what gives a time without an offset the zone of this machine; None: such a time is
    refused, since whoever sent it may be in another zone.

    Raises:
        ValueError: it is none of these, or before 1970 or after 2200; the text says how to write it.

    """
    text = text.strip()
    if len(text) > _LONGEST:
        raise ValueError(f"no time: write e.g. {_EXAMPLES}")
    seconds = _epoch_seconds(text, now_seconds, local)
    if not 0 <= seconds < LATEST_SECONDS:
        milliseconds = 0 <= seconds / 1000.0 < LATEST_SECONDS
        why = "it counts milliseconds, and seconds are meant" if milliseconds else "it is before 1970 or after 2200"
        raise ValueError(f"no believable time: {why}; write e.g. {_EXAMPLES}")
    return seconds


def written(seconds: float) -> str:
    """An instant as people read it, to the second and in UTC, e.g. `2026-03-01T13:00:00Z`; infinity: `open`."""
    if not math.isfinite(seconds):
        return "open"
    return datetime.fromtimestamp(math.floor(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _epoch_seconds(text: str, now_seconds: float, local: Callable[[datetime], datetime] | None) -> float:
    if text == "now":
        return now_seconds
    if text.endswith(" ago"):
        try:
            return now_seconds - read_seconds(text.removesuffix(" ago").strip())
        except ValueError:
            raise ValueError(f"no time: write e.g. {_EXAMPLES}") from None
    if _NUMBER.fullmatch(text):
        return float(text)
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is None and local is not None:
            time = local(time)
        if time.tzinfo is not None:
            return time.timestamp()
    except (ValueError, OverflowError, OSError):  # the last two: no zone is known for years so far away
        raise ValueError(f"no time: write e.g. {_EXAMPLES}") from None
    raise ValueError("a time without an offset from UTC: write e.g. 2026-03-01T14:00:00+01:00, or Z for UTC")
