"""Durations for people."""

import re

_UNIT_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_WRITTEN = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?(s|min|h|d)")


def read_seconds(text: str) -> float:
    """The opposite of `in_words`, years aside: `90min`, `2h` or `1.5 d` in seconds; a bare `0` needs no unit.

    Raises:
        ValueError: the text is anything else.

    """
    found = _WRITTEN.fullmatch(text)
    if found is None and text != "0":
        raise ValueError("no duration: write e.g. 90min, 2h or 1.5d")
    return 0.0 if found is None else float(found[1]) * _UNIT_SECONDS[found[2]]


def in_words(seconds: float) -> str:
    """A duration with two significant digits in the largest unit that fits, e.g. `2.5 h`; over a century, only that."""
    for unit, size in (("years", 365.25 * 86400.0), ("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        number = seconds / size
        if unit == "years" and number > 100:
            return "over 100 years"
        if number >= (2 if unit == "years" else 1):
            return f"{number:.0f} {unit}" if number >= 100 else f"{number:.2g} {unit}"
    return f"{seconds:.2g} s"
