"""The false-alarm budget: how often an operator is willing to be called for nothing, per stream."""

import re
from dataclasses import dataclass
from decimal import Decimal

from monitor.core.artifact.calibration import DAY_SECONDS

_UNIT_SECONDS = {"h": 3600.0, "d": DAY_SECONDS, "w": 7 * DAY_SECONDS}
_PATTERN = re.compile(r"(?P<alarms>\d+(?:\.\d+)?) per (?P<count>\d+(?:\.\d+)?)(?P<unit>[hdw])")


@dataclass(frozen=True, slots=True)
class Budget:
    """At most `alarms` false alarms in `period_seconds` of one stream's normal operation, on average."""

    alarms: float
    period_seconds: float

    @property
    def per_day(self) -> float:
        """False alarms per day."""
        return self.alarms / self.period_seconds * DAY_SECONDS

    @property
    def seconds_per_alarm(self) -> float:
        """Mean time between two false alarms."""
        return self.period_seconds / self.alarms


def parse_budget(text: str) -> Budget:
    """Parse e.g. `1 per 30d`, `2 per 1w` or `0.5 per 12h`.

    Raises:
        ValueError: the text is anything else, or a number in it is 0.

    """
    found = _PATTERN.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no budget: write e.g. `1 per 30d`, with h for hours, d for days, w for weeks")
    alarms, count = float(found["alarms"]), float(found["count"])
    if not alarms or not count:
        raise ValueError(f"{text!r}: no threshold keeps a budget of nothing; both numbers must be above 0")
    return Budget(alarms, count * _UNIT_SECONDS[found["unit"]])


def part_of_budget(text: str, part: float) -> str:
    """The budget of a part of the false alarms, in words: half of `1 per 30d` is `0.5 per 30d`.

    Raises:
        ValueError: as `parse_budget` does.

    """
    parse_budget(text)
    alarms, _, period = text.partition(" ")
    return f"{Decimal(alarms) * Decimal(part):f} {period}"
