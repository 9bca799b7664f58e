"""A threshold on the safe side: each stream stays within what was asked for, not only all of them on average.

One threshold for all streams lets them raise as many false alarms as asked for together. Two things make one of them
raise more. Streams differ: what a quiet one leaves of the allowance, a restless one takes. And a threshold errs by the
few windows above it, fewer than they look: windows overlap, and those of one load or one minute resemble each other.

So all windows together are allowed a part of the false alarms only, and each stream, as far as it shows any, no more
than was asked for.
"""

from collections.abc import Sequence

from trainer.calibration.alerts_at_threshold import ErrorSeries
from trainer.calibration.calibrate import calibrate
from trainer.settings import CalibrationSettings

# Half leaves room for a stream whose rate is three times what the calibration windows promise.
ALLOWED_PART = 0.5
# Of very many streams, neighbours share a threshold: each takes a calibration of its own.
MOST_GROUPS = 12


def cautious_threshold(series: Sequence[ErrorSeries], settings: CalibrationSettings) -> float:
    """Set the threshold by the rule asked for, on the safe side. All errors are finite; there is at least one.

    The largest of two kinds: the one that allows ALLOWED_PART of the false alarms to all series together, and those
    that allow what was asked for to each series alone. Series that are too short to show a false alarm count together
    with the next. Rules that ask for no rate (`mean_std`, `mad`) give what they give.
    """
    thresholds = [calibrate(series, settings.allowing(ALLOWED_PART)).threshold]
    thresholds += [calibrate(group, settings).threshold for group in _groups(series, settings)]
    return max(thresholds)


def _groups(series: Sequence[ErrorSeries], settings: CalibrationSettings) -> list[list[ErrorSeries]]:
    """Series in order, put together until one false alarm is allowed in each group; what is left joins the last."""
    least = max(1.0, _allowed(series, settings) / MOST_GROUPS)
    groups: list[list[ErrorSeries]] = [[]]
    for one in series:
        if _allowed(groups[-1], settings) >= least:
            groups.append([])
        groups[-1].append(one)
    if len(groups) > 1 and _allowed(groups[-1], settings) < least:
        rest = groups.pop()
        groups[-1] += rest
    return groups if len(groups) > 1 else []


def _allowed(series: Sequence[ErrorSeries], settings: CalibrationSettings) -> float:
    """How many false alarms a rule allows in so many windows; 0 where it asks for no rate."""
    if settings.rule == "budget":
        return sum(one.seconds for one in series) / settings.budget.seconds_per_alarm
    if settings.rule == "quantile":
        return sum(len(one.error) for one in series) * (1 - settings.number)
    return 0.0
