"""Factors per stream: one threshold for all gives most of the false alarms to the few streams that vary most.

Where a stream's own held-out errors take a higher threshold to keep the budget, it is held to a multiple of the
model's, never to less: a quiet stream is no reason to call more often. The multiple is bounded, so that no stream falls
silent.
"""

from collections.abc import Sequence

from trainer.calibration.alerts_at_threshold import ErrorSeries
from trainer.calibration.threshold import keep_budget
from trainer.settings import CalibrationSettings

MOST_FACTOR = 2.0
# Estimates from so little data differ by about that much between streams that are alike.
LEAST_FACTOR = 1.1


def stream_factors(series: Sequence[ErrorSeries], threshold: float, settings: CalibrationSettings) -> dict[str, float]:
    """How many times the threshold each stream is held to, by name; streams that need no more are left out.

    series: held-out errors, one of each stream. Streams with too few peaks to see a tail get no factor, and neither
    does any where the threshold keeps no budget.
    """
    if settings.rule != "budget":
        return {}
    factors = {}
    for one in series:
        own = keep_budget([one], settings.budget, settings.false_alarms, settings.judge, settings.max_extrapolation)
        counted = settings.budget.seconds_per_alarm < one.seconds
        factor = own.threshold / threshold
        if factor > LEAST_FACTOR and (own.false_alarms.tail is not None or counted):
            factors[one.name] = min(MOST_FACTOR, factor)
    return factors
