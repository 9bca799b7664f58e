"""Durations for people."""


def in_words(seconds: float) -> str:
    """A duration with two significant digits in the largest unit that fits, e.g. `2.5 h`; over a century, only that."""
    for unit, size in (("years", 365.25 * 86400.0), ("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        number = seconds / size
        if unit == "years" and number > 100:
            return "over 100 years"
        if number >= (2 if unit == "years" else 1):
            return f"{number:.0f} {unit}" if number >= 100 else f"{number:.2g} {unit}"
    return f"{seconds:.2g} s"
