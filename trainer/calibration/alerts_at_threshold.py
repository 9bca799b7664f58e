"""Fired alerts: what the daemon's own decision rule makes of a series of errors, at any threshold.

Alerts that fire are counted, not windows above the threshold: k of n windows must agree, and an alert goes on until
enough windows in a row are calm. So this runs `monitor.core.alerting.decision_rule` itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.core.alerting.decision_rule import DecisionRule, DecisionSettings, Phase

Floats = NDArray[np.float64]

# The rule walks through the windows of streams that are not calm one by one. In pieces of this size most streams sleep
# through most pieces.
_PIECE_WINDOWS = 256


@dataclass(frozen=True, slots=True)
class ErrorSeries:
    """The errors of one recording's windows, in time order.

    end_seconds: float64 [N]; error: float [N], NaN where withheld; interval_seconds: from one window to the next.
    """

    name: str
    end_seconds: Floats
    error: NDArray[np.floating]
    interval_seconds: float

    @property
    def seconds(self) -> float:
        """How long the stream was watched: windows that were judged, gaps not counted."""
        return float(np.isfinite(self.error).sum()) * self.interval_seconds


@dataclass(frozen=True, slots=True)
class FiredAlert:
    """An alert that fired. threshold, series: which of them (by number).

    first: the window after which it fires; last: the window that ended it, or the series' last one.
    """

    threshold: int
    series: int
    first: int
    last: int


def fired_alerts(series: Sequence[ErrorSeries], thresholds: Floats, settings: DecisionSettings) -> list[FiredAlert]:
    """Judge each series at each threshold; in no particular order.

    thresholds: float64 [K].

    To the rule, each pair of series and threshold is a stream of its own.
    """
    count, lengths = len(thresholds), [len(one.error) for one in series]
    rule = DecisionRule(settings)
    rule.open_stream(len(series) * count - 1)
    alerts: list[FiredAlert] = []
    first: dict[int, int] = {}  # of the alerts that are firing
    for start in range(0, max(lengths), _PIECE_WINDOWS):
        running = np.flatnonzero(np.array(lengths) > start)
        streams = (running[:, None] * count + np.arange(count)).ravel()
        # as the daemon computes it
        score = np.divide.outer(_piece([series[one] for one in running.tolist()], start), thresholds.astype(np.float32))
        score = score.reshape(len(score), -1)
        awake = np.flatnonzero((rule.phase[streams] != Phase.CALM) | (score > 1).any(axis=0))
        if not len(awake):
            continue
        judged = np.tile(streams[awake], len(score))
        for row, before, after in rule.decide(
            judged, score[:, awake].ravel(), np.ones(len(judged), np.bool_)
        ).transitions:
            stream, window = int(judged[row]), start + row // len(awake)
            if after is Phase.FIRING:
                first[stream] = window
            elif before is Phase.FIRING:
                alerts.append(FiredAlert(stream % count, stream // count, first.pop(stream), window))
    alerts += [FiredAlert(one % count, one // count, at, lengths[one // count] - 1) for one, at in first.items()]
    return alerts


def alert_counts(series: Sequence[ErrorSeries], thresholds: Floats, settings: DecisionSettings) -> NDArray[np.int64]:
    """How many alerts all series together raise at each threshold: int64 [K]. thresholds: float64 [K]."""
    raised = [alert.threshold for alert in fired_alerts(series, thresholds, settings)]
    return np.bincount(raised, minlength=len(thresholds)).astype(np.int64)


def agreed(error: NDArray[np.floating], settings: DecisionSettings) -> Floats:
    """The error that `k` of the last `n` windows reach: an alert fires where this exceeds the threshold.

    error: floating [N], finite.

    float64 [N] for N finite errors; minus infinity where fewer than `k` windows have been seen.
    """
    lagged = np.full((settings.n, len(error)), -np.inf)
    for lag in range(min(settings.n, len(error))):
        lagged[lag, lag:] = error[: len(error) - lag]
    # the k-th largest of n
    return np.asarray(np.partition(lagged, settings.n - settings.k, axis=0)[settings.n - settings.k])


def _piece(series: list[ErrorSeries], start: int) -> NDArray[np.float32]:
    """The errors [P, S] from window `start` on; NaN, which the rule ignores, behind the end of the shorter ones."""
    several = [one.error[start : start + _PIECE_WINDOWS] for one in series]
    piece = np.full((max(map(len, several)), len(several)), np.nan, np.float32)
    for column, error in enumerate(several):
        piece[: len(error), column] = error
    return piece
