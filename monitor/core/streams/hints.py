"""Hints: what may be behind input that is refused or cannot be judged, in words for whoever can mend it."""

from monitor.core.streams.sample_rates import is_other_rate

_ZONE_SECONDS = 900.0  # time zones are quarters of an hour apart
_ZONE_SLACK_SECONDS = 60.0
_FURTHEST_ZONE_SECONDS = 14 * 3600.0
_WORTH_A_WORD_SECONDS = 30.0  # of a clock; less may be delay
_BEHIND_SECONDS = 1.5  # of a channel
_UNITS = ((1e3, "milliseconds"), (1e6, "microseconds"), (1e9, "nanoseconds"))
_CLOSE = 1.05  # a factor such as 1000 is met this closely
_DECADE_SECONDS = 10 * 365.25 * 86400.0


def unit_hint(ahead_seconds: float, arrival_seconds: float) -> str | None:
    """Which unit a time stamp may have been taken for, or what it may count from; None: neither is the case.

    ahead_seconds: of its arrival (epoch); negative: behind it.
    """
    stamp = arrival_seconds + ahead_seconds
    for factor, unit in _UNITS:
        if stamp > 0 and 1 / _CLOSE < arrival_seconds / stamp / factor < _CLOSE:
            return f"{factor:g} times too small: seconds read as {unit}? (timestamp_unit)"
    if stamp < _DECADE_SECONDS < arrival_seconds:
        return "the time of a clock that starts at 0: seconds since the device started?"
    return None


def clock_hint(ahead_seconds: float) -> str:
    """Why a time stamp may lie so far from its arrival; negative: behind it."""
    distance = abs(ahead_seconds)
    away = f"{distance:.1f} s {'ahead' if ahead_seconds > 0 else 'behind'}"
    off_zone = abs(distance - _ZONE_SECONDS * round(distance / _ZONE_SECONDS))
    if off_zone <= _ZONE_SLACK_SECONDS < distance <= _FURTHEST_ZONE_SECONDS + _ZONE_SLACK_SECONDS:
        return f"{away}: local time?"
    return f"{away}: is the device's clock set?"


def rate_hint(ratio: float, period_seconds: float, tolerance: float) -> str:
    """What is to be done about samples of another rate. ratio: their period over `period_seconds`, the model's."""
    found = _rates(ratio, period_seconds)
    for factor, unit in _UNITS:
        if any(1 / _CLOSE < each < _CLOSE for each in (ratio / factor, ratio * factor)):
            return f"{found}: seconds and {unit} mixed up? (timestamp_unit)"
    return f"{found}: fit a model at that rate, change the device's, or raise timing.rate_tolerance ({tolerance:g})"


def incomplete_hint(stored: int, most: int, behind_seconds: float, *, apart: bool) -> str:
    """Why samples may never come to a window.

    stored: how many of the channels that bring least were taken; most: how many another brought. behind_seconds: their
    last time stamp, of its arrival; NaN where not known. apart: whether the channels of the stream come apart.
    """
    if apart and behind_seconds > _BEHIND_SECONDS:
        return (
            f"its last samples came {behind_seconds:.1f} s after their time: set its clock, or raise "
            "timing.lateness_seconds beyond that if they take so long"
        )
    if apart:
        return f"{stored} of its samples were taken while another brought {most}: its rate, clock or connection?"
    return f"{stored} of {most} samples were taken, and never a window without a long gap: is its clock steady?"


def refusal_hint(ahead_seconds: float, arrival_seconds: float, ratio: float, period_seconds: float) -> str | None:
    """Why samples may be refused: a clock that is off, or another rate. None: neither is the case, or not known.

    ahead_seconds: of the arrival (epoch), NaN where not known. ratio: sample period over the model's, likewise.
    """
    unit = unit_hint(ahead_seconds, arrival_seconds)
    if unit is not None:
        return unit
    if is_other_rate(ratio):
        return _rates(ratio, period_seconds)
    return clock_hint(ahead_seconds) if abs(ahead_seconds) > _WORTH_A_WORD_SECONDS else None


def _rates(ratio: float, period_seconds: float) -> str:
    return f"a sample every {ratio * period_seconds:.4g} s, the model takes one every {period_seconds:.4g} s"
