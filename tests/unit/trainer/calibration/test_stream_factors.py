"""A stream that varies more than most is held to a multiple of the threshold, and never to less than the threshold."""

import numpy as np
import pytest

from trainer.calibration.alerts_at_threshold import ErrorSeries
from trainer.calibration.calibrate import calibrate
from trainer.calibration.stream_factors import LEAST_FACTOR, MOST_FACTOR, stream_factors
from trainer.settings import CalibrationSettings

SETTINGS = CalibrationSettings(false_alarms="1 per 30d")


def series(name: str, spread: float = 0.3, days: float = 8.0, seed: int = 0, size: float = 1.0) -> ErrorSeries:
    """Lognormal errors, one each 10 minutes."""
    count = round(days * 144)
    error = size * np.exp(spread * np.random.default_rng(seed).normal(size=count))
    return ErrorSeries(name, 600.0 * np.arange(count, dtype=np.float64), error.astype(np.float32), 600.0)


def factors_of(several: list[ErrorSeries]) -> dict[str, float]:
    return stream_factors(several, calibrate(several, SETTINGS).threshold, SETTINGS)


def test_streams_that_are_alike_need_hardly_any_factor() -> None:
    factors = factors_of([series(f"m{seed}", seed=seed) for seed in range(12)])
    assert len(factors) <= 4
    assert all(factor < 1.6 for factor in factors.values())


def test_a_restless_stream_gets_a_factor_and_the_quiet_ones_none() -> None:
    quiet = [series(f"m{seed}", seed=seed) for seed in range(9)]
    several = [*quiet, series("restless", spread=0.6, seed=99)]
    # the threshold of all but the restless one: it must not raise everybody's
    factors = stream_factors(several, calibrate(quiet, SETTINGS).threshold, SETTINGS)
    assert factors["restless"] > max((factor for name, factor in factors.items() if name != "restless"), default=1.2)
    assert LEAST_FACTOR < factors["restless"] <= MOST_FACTOR


def test_a_factor_is_bounded_and_a_stream_with_little_data_or_without_a_budget_has_none() -> None:
    several = [series("loud", size=50.0), series("m1", seed=1)]
    assert stream_factors(several, 1.0, SETTINGS)["loud"] == MOST_FACTOR
    assert stream_factors([series("short", days=0.03, size=50.0)], 1.0, SETTINGS) == {}
    assert stream_factors(several, 1.0, CalibrationSettings(rule="quantile")) == {}


@pytest.mark.parametrize("size", [0.01, 0.5])
def test_a_quiet_stream_is_never_held_to_less(size: float) -> None:
    assert stream_factors([series("quiet", size=size)], 10.0, SETTINGS) == {}
