"""Levels of data are those of most windows, in the units of the sensors."""

import numpy as np
import pytest
from pydantic import ValidationError

from monitor.core.artifact.data_levels import DataLevels


def windows_around(level: float, swing: float, count: int = 200, length: int = 32) -> np.ndarray:
    rng = np.random.default_rng(1)
    return rng.normal(level, swing, (count, 2, length)).astype(np.float32)


def test_centre_and_scale_are_in_the_units_of_the_sensors() -> None:
    levels = DataLevels.of(windows_around(70.0, 3.0))
    assert levels.windows == 200
    np.testing.assert_allclose(levels.centre, 70.0, atol=0.1)
    np.testing.assert_allclose(levels.scale, 3.0, rtol=0.05)


def test_what_varies_from_window_to_window_counts_as_scale() -> None:
    windows = windows_around(0.0, 0.1) + np.linspace(-10, 10, 200, dtype=np.float32)[:, None, None]
    assert min(DataLevels.of(windows).scale) > 4


def test_a_tenth_of_odd_windows_moves_neither() -> None:
    windows = windows_around(70.0, 3.0)
    expected = DataLevels.of(windows)
    windows[::11] = 1e6
    levels = DataLevels.of(windows)
    np.testing.assert_allclose(levels.centre, expected.centre, atol=0.2)
    np.testing.assert_allclose(levels.scale, expected.scale, rtol=0.1)


def test_a_constant_channel_has_no_scale() -> None:
    assert DataLevels.of(np.full((3, 1, 4), 5.0, np.float32)) == DataLevels(windows=3, centre=(5.0,), scale=(0.0,))


def test_columns_must_agree() -> None:
    with pytest.raises(ValidationError, match="for each channel"):
        DataLevels(windows=1, centre=(1.0,), scale=(1.0, 2.0))
