"""The threshold that keeps a false-alarm budget, from the errors of held-out normal windows.

Alerts are counted, by the daemon's own decision rule: that takes care of k-of-n, of hysteresis and of errors that
depend on those before them (its alerts are the clusters that extreme-value theory asks for). Up to the rate that the
data show, the threshold follows from the ranks of the alerts' peaks; beyond it, from the tail that is fitted to them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import gamma

from monitor.core.alerting.decision_rule import DecisionSettings
from monitor.core.artifact.calibration import DAY_SECONDS, FalseAlarms, SetAside, TailFit
from trainer.calibration.alerts_at_threshold import ErrorSeries, FiredAlert, agreed, fired_alerts
from trainer.calibration.tail import CONFIDENCE, Tail
from trainer.settings.budget import Budget

Floats = NDArray[np.float64]

# Alarms are counted at so many levels, from one that a quarter of the windows exceed up to the largest error.
_LEVELS = 40
_LOWEST_LEVEL_SHARE = 0.25
# A tail takes at least so many peaks; more than the most and it is no tail any more (and nothing is gained).
_FEWEST_PEAKS, _MOST_PEAKS = 5, 100
# A² of a tail that fits is above this in one of ten cases (simulated: 0.8 to 1.0 for shapes from -0.3 to 0.3).
_MISFIT_LIMIT = 0.9
# A rate that the data show so many times is counted, not fitted.
_COUNTED = 10
# Peaks are taken for mislabelled if the tail of the others makes them less likely than this, ...
_SET_ASIDE_PROBABILITY = 1e-3
# ... and if they are no more than this share of the peaks.
_SET_ASIDE_PEAKS = 0.1


@dataclass(frozen=True, slots=True)
class AlarmCurve:
    """What the report draws: the alerts counted at each level [K] in `seconds` of data, and the tail over `base`.

    tail: None for method `rank`.
    """

    levels: Floats
    counts: NDArray[np.int64]
    seconds: float
    base: float
    tail: Tail | None


@dataclass(frozen=True, slots=True)
class BudgetThreshold:
    """A threshold, what it promises, and the picture of both."""

    threshold: float
    false_alarms: FalseAlarms
    curve: AlarmCurve


@dataclass(frozen=True, slots=True)
class _Base:
    """A level and the peaks [N] above it, ascending, with the alerts they belong to; the last `aside` do not fit."""

    level: float
    peaks: Floats
    alerts: list[FiredAlert]
    aside: int
    tail: Tail
    misfit: float


class _Counted:
    """The alerts of all series at all levels."""

    def __init__(self, series: Sequence[ErrorSeries], judge: DecisionSettings) -> None:
        self.series, self.judge = series, judge
        self.seconds = sum(one.seconds for one in series)
        self._agreed = [agreed(one.error, judge) for one in series]
        reached = np.concatenate(self._agreed)
        reached = reached[np.isfinite(reached)]
        if not len(reached):  # no recording has as many windows as the judge wants to see
            reached = np.concatenate([one.error for one in series]).astype(np.float64)
        shares = np.geomspace(_LOWEST_LEVEL_SHARE, 1 / max(len(reached), 8), _LEVELS)
        levels = np.unique(np.append(np.quantile(reached, 1 - shares), reached.max()))
        self.levels = levels[levels > 0] if (levels > 0).any() else np.array([np.finfo(np.float32).tiny], np.float64)
        self._fired: list[list[FiredAlert]] = [[] for _ in self.levels]
        for alert in fired_alerts(series, self.levels, judge):
            self._fired[alert.threshold].append(alert)
        self.counts = np.array([len(alerts) for alerts in self._fired], np.int64)
        # below the level of most alerts they run into one another
        self.first = int(self.counts.argmax())

    def peaks(self, number: int) -> tuple[Floats, list[FiredAlert]]:
        """How high the alerts at this level reach, ascending: float64 [N] and the alerts."""
        alerts = self._fired[number]
        peaks = np.array([self._agreed[a.series][a.first : a.last + 1].max() for a in alerts])
        order = np.argsort(peaks, kind="stable")
        return peaks[order], [alerts[at] for at in order]


def keep_budget(
    series: Sequence[ErrorSeries], budget: Budget, asked: str, judge: DecisionSettings, max_extrapolation: float = 10.0
) -> BudgetThreshold:
    """Find the threshold for `budget`, which `asked` words. Errors are finite; at least one series has one.

    max_extrapolation: for so many times longer than the data the tail is trusted. If the budget allows fewer alerts
    than one in that time, that one sets the threshold. Simulated over laws of several tails and memories, the rate is
    met within about a factor of two up to 10; at 100 it is mostly far below, at twice the threshold.
    """
    counted = _Counted(series, judge)
    wanted = counted.seconds / budget.seconds_per_alarm  # how many alerts the data may show
    reachable = max(wanted, 1 / max_extrapolation)
    base = None if wanted >= _COUNTED else _choose_base(counted)
    if base is None:
        threshold, expected, low, high = _by_rank(counted, wanted)
    else:
        kept = base.tail.count
        excess = base.tail.level(reachable / (kept + 0.5))
        threshold = base.level + excess
        expected = min(reachable, kept + 0.5) / counted.seconds
        low, high = base.tail.rate_interval(excess, counted.seconds)
    false_alarms = FalseAlarms(
        asked=asked,
        asked_per_day=budget.per_day,
        expected_per_day=expected * DAY_SECONDS,
        low_per_day=low * DAY_SECONDS,
        high_per_day=high * DAY_SECONDS,
        method="rank" if base is None else "tail",
        normal_seconds=counted.seconds,
        needed_seconds=budget.seconds_per_alarm / max_extrapolation,
        judge=judge,
        tail=None if base is None else _described(base),
        set_aside=() if base is None else tuple(_set_aside(base, counted)),
    )
    level, tail = (float(counted.levels[0]), None) if base is None else (base.level, base.tail)
    curve = AlarmCurve(counted.levels, counted.counts, counted.seconds, level, tail)
    return BudgetThreshold(threshold, false_alarms, curve)


def _by_rank(counted: _Counted, wanted: float) -> tuple[float, float, float, float]:
    """Threshold, rate per second and its interval, from the ranks of peaks alone.

    A threshold at the r-th largest peak is exceeded r times per exposure on average, whatever the law, as long as the
    future resembles the data (split conformal prediction; Vovk et al. 2005); the number is then Gamma(r) distributed.
    Where not even one alert is allowed in as much data, the largest error of any window is the threshold, and the rate
    of rank 1 an upper bound: single windows raise no alert.
    """
    most = int(counted.counts[counted.first])
    rank = max(1, int(wanted))
    if wanted < 1:  # nobody has watched long enough to see one alert that is allowed: no window may come so far
        threshold = max(float(one.error.max()) for one in counted.series if len(one.error))
    elif most == 0:
        rank, threshold = 1, float(counted.levels[-1])
    elif most < rank:  # no level raises so many alerts
        rank, threshold = most, float(counted.levels[counted.first])
    else:
        highest = int(np.flatnonzero(counted.counts >= rank)[-1])
        threshold = float(counted.peaks(highest)[0][-rank])
    low, high = (float(gamma.ppf(level, rank)) for level in ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    return threshold, rank / counted.seconds, low / counted.seconds, high / counted.seconds


def _choose_base(counted: _Counted) -> _Base | None:
    """The lowest level from which on a tail fits, or the one where it fits best; None if there are too few peaks."""
    best: _Base | None = None
    for number in range(counted.first, len(counted.levels)):
        if not _FEWEST_PEAKS <= counted.counts[number] <= _MOST_PEAKS:
            continue
        base = _fit_base(counted, number)
        if base is not None and base.misfit <= _MISFIT_LIMIT:
            return base
        if base is not None and (best is None or base.misfit < best.misfit):
            best = base
    return best


def _fit_base(counted: _Counted, number: int) -> _Base | None:
    level = float(counted.levels[number])
    peaks, alerts = counted.peaks(number)
    excess = np.maximum(peaks - level, 0.0)
    aside = _count_misfits(excess)
    kept = excess[: len(excess) - aside]
    if not kept.any():
        return None
    tail = Tail.fit(kept)
    return _Base(level, peaks, alerts, aside, tail, tail.misfit(kept))


def _count_misfits(excess: Floats) -> int:
    """How many of the largest excesses (ascending) do not belong to the tail of the others.

    From the inside out, so that several of them cannot hide behind each other: the largest r for which r excesses
    beyond the others, all of them so large, are too unlikely.
    """
    for count in range(int(len(excess) * _SET_ASIDE_PEAKS), 0, -1):
        others, nearest = excess[:-count], float(excess[-count])
        if not others.any() or nearest <= others[-1]:
            continue
        if Tail.fit(others, beyond=count).joint_survival(nearest, float(others[-1]), count) < _SET_ASIDE_PROBABILITY:
            return count
    return 0


def _described(base: _Base) -> TailFit:
    shape, low, high = base.tail.shape()
    return TailFit(
        base_error=base.level,
        peaks=base.tail.count,
        shape=shape,
        shape_low=low,
        shape_high=high,
        scale=base.tail.scale(),
        misfit=base.misfit,
    )


def _set_aside(base: _Base, counted: _Counted) -> list[SetAside]:
    """The alerts that do not fit, the largest first."""
    first = len(base.peaks) - base.aside
    return [
        SetAside(
            recording=counted.series[alert.series].name,
            start_seconds=float(counted.series[alert.series].end_seconds[alert.first]),
            end_seconds=float(counted.series[alert.series].end_seconds[alert.last]),
            windows=alert.last - alert.first + 1,
            error=float(peak),
        )
        for peak, alert in zip(base.peaks[first:][::-1], base.alerts[first:][::-1], strict=True)
    ]
