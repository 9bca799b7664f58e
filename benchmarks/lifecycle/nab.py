"""Two recordings of the Numenta benchmark with the loop running and nobody who ever says a word.

The first 15 % of each fit the first model, what follows is watched with a refit each week. Settings are those of the
simulated fleet, with a budget of 1 per 7 d; nothing was tuned here.
"""

import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import gamma

from benchmarks.common.targets import Target
from benchmarks.datasets.converters import Arrays, nab
from benchmarks.lifecycle.arms import publish_first
from benchmarks.lifecycle.models import MODEL, file_of, fit_settings
from benchmarks.lifecycle.motors import Samples
from benchmarks.lifecycle.plan import DAY_SECONDS, WEEK_DAYS
from benchmarks.lifecycle.plant import Plant
from benchmarks.lifecycle.walk import ScoreSeries, Seen
from monitor.core.dataset.recording import Recording

FITTED_SHARE = 0.15
BUDGET = "1 per 7d"
EVENT_SECONDS = 6 * 3600.0
MOST_EVENTS, MOST_FIRING = 6, 0.02


@dataclass(frozen=True, slots=True)
class Watched:
    """What came of one recording.

    days: judged outside of windows. windows: anomalies that begin after what was fitted; hit: in how many of them an
    alert begins. events: of alerts outside of windows, one for six hours begun. firing: the share of judged time
    outside of windows during which an alert fires. refits: of each, its day and what it came to. alerts: days since the
    start on which an alert fired, and how long it did.
    """

    name: str
    days: float
    windows: int
    hit: int
    events: int
    firing: float
    refits: tuple[str, ...]
    alerts: tuple[tuple[float, float], ...]

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the mean number of events (Garwood 1936)."""
        low = float(gamma.ppf(0.025, self.events)) if self.events else 0.0
        return low, float(gamma.ppf(0.975, self.events + 1))


def watch_all(arrays: Arrays) -> list[Watched]:
    """Watch each recording."""
    found = []
    for recording in nab(arrays):
        name = recording.name.removeprefix("nab-")
        with tempfile.TemporaryDirectory() as folder:
            found.append(watch(recording, arrays[f"windows_{name}"].astype(np.float64), Path(folder)))
    return found


def watch(recording: Recording, windows: NDArray[np.float64], folder: Path) -> Watched:
    """Fit to the first part, watch the rest. windows: float64 [K, 2], from and to of each anomaly (epoch)."""
    count = round(FITTED_SHARE * len(recording.samples))
    time = recording.time_seconds
    begin = float(time[count])
    name, period = recording.name, recording.sample_period_seconds
    settings = fit_settings(0, calibration__false_alarms=BUDGET)
    first = file_of(name, recording.channels, recording.samples[:count], time[:count], period)
    publish_first(folder / MODEL, [first], settings, begin)
    plant = Plant(folder, [name])
    refits = []
    try:
        for since, until in _weeks(time, begin):
            rows = slice(*np.searchsorted(time, (since, until)).tolist())
            plant.walk.feed(Samples(time[rows], recording.samples[None, rows]))
            if until == begin:
                plant.walk.forget()
                plant.remember()
            elif until < time[-1]:
                made = plant.refit(until)
                refits.append(
                    f"{(until - time[0]) / DAY_SECONDS:.0f} d: {made.outcome.result}, {made.why}".rstrip(", ")
                )
    finally:
        plant.close()
    (series,) = plant.walk.series()
    return _watched(name, series, plant.walk.alerts, windows, begin, refits)


def targets_of(watched: Sequence[Watched]) -> list[Target]:
    """What is aimed at, over both recordings."""
    days = sum(one.days for one in watched)
    firing = sum(one.firing * one.days for one in watched) / days
    windows = sum(one.windows for one in watched)
    return [
        Target.at_least("NAB: windows hit", windows, sum(one.hit for one in watched), f"of {windows}"),
        Target.at_most("NAB: events outside of windows", MOST_EVENTS, sum(one.events for one in watched), "events"),
        Target.at_most("NAB: time firing without cause", MOST_FIRING, firing, "share"),
    ]


def _weeks(time: NDArray[np.float64], begin: float) -> list[tuple[float, float]]:
    """What was fitted, and then week by week to the end."""
    week = WEEK_DAYS * DAY_SECONDS
    cuts = [float(time[0]), *np.arange(begin, time[-1], week).tolist(), math.inf]
    return list(pairwise(cuts))


def _watched(
    name: str,
    series: ScoreSeries,
    alerts: Sequence[Seen],
    windows: NDArray[np.float64],
    begin: float,
    refits: Sequence[str],
) -> Watched:
    later = windows[windows[:, 0] > begin]
    own = [alert for alert in alerts if alert.fired_seconds >= begin]
    fired = np.array([alert.fired_seconds for alert in own])
    counted = np.isfinite(series.score) & (series.end_seconds >= begin) & ~_inside(series.end_seconds, windows)
    firing = np.zeros(len(series.score), np.bool_)
    events = 0
    for alert in own:
        until = series.end_seconds[-1] if alert.until_seconds is None else alert.until_seconds
        firing |= (series.end_seconds >= alert.fired_seconds) & (series.end_seconds < until)
        begun = np.arange(alert.fired_seconds, max(until, alert.fired_seconds + 1), EVENT_SECONDS)
        events += int((~_inside(begun, windows)).sum())
    return Watched(
        name=name,
        days=float(counted.sum()) * series.interval_seconds / DAY_SECONDS,
        windows=len(later),
        hit=sum(bool(((fired >= low) & (fired <= high)).any()) for low, high in later.tolist()),
        events=events,
        firing=float((firing & counted).sum() / max(1, counted.sum())),
        refits=tuple(refits),
        alerts=tuple(
            (
                (alert.fired_seconds - float(series.end_seconds[0])) / DAY_SECONDS,
                ((alert.until_seconds or float(series.end_seconds[-1])) - alert.fired_seconds) / DAY_SECONDS,
            )
            for alert in own
        ),
    )


def _inside(moments: NDArray[np.float64], windows: NDArray[np.float64]) -> NDArray[np.bool_]:
    found = np.zeros(len(moments), np.bool_)
    for low, high in windows.tolist():
        found |= (moments >= low) & (moments <= high)
    return found
