"""Quality: what keeps a window from being trusted, and which reason is told where there are several."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from monitor.core.artifact.manifest import ChannelSpec, WindowSpec
from monitor.core.scoring.channel_limits import ChannelLimits
from monitor.core.scoring.quality import CODES, QUALITIES, Quality, assess, is_trusted, may_teach
from monitor.core.windows.stream_windows import WindowBatch

LENGTH = 8
WINDOW = WindowSpec(length=LENGTH, stride=LENGTH, min_coverage=0.8)
CHANNELS = (ChannelSpec(name="a", low=-10, high=10), ChannelSpec(name="b", may_rest=False), ChannelSpec(name="c"))
LIMITS = ChannelLimits.of(CHANNELS)
MAX_SKEW = 60.0

# what spoils a window; worst last, as in `Quality`
FAULTS: dict[Quality, dict[str, Any]] = {
    Quality.CLOCK_SKEW: {"delay": MAX_SKEW + 1},
    Quality.STUCK: {"b": [5.0] * LENGTH},
    Quality.OUT_OF_RANGE: {"a": [0, 1, 2, 3, 10.5, 5, 6, 7]},
    Quality.LOW_COVERAGE: {"coverage": 0.7},
    Quality.NON_FINITE: {"c": [0, 1, 2, 3, np.nan, 5, 6, 7]},
}


def quality_of(*, coverage: float = 1.0, delay: float = 0.0, **samples: Sequence[float]) -> Quality:
    """The quality of one window of channels a, b and c that is good where nothing else is said."""
    values = np.array([[samples.get(channel.name, range(LENGTH)) for channel in CHANNELS]], np.float32)
    end = np.array([1e9])
    batch = WindowBatch(np.zeros(1, np.int64), end, end + delay, np.array([[1, coverage, 1]], np.float32), values)
    return Quality(QUALITIES[assess(batch, WINDOW, LIMITS, MAX_SKEW)[0]])


def test_a_window_without_fault_is_good() -> None:
    assert quality_of() is Quality.GOOD


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_found(fault: Quality) -> None:
    assert quality_of(**FAULTS[fault]) is fault


@pytest.mark.parametrize("worse", FAULTS)
@pytest.mark.parametrize("fault", FAULTS)
def test_of_two_faults_the_worse_is_told(fault: Quality, worse: Quality) -> None:
    assert quality_of(**FAULTS[fault] | FAULTS[worse]) is max(fault, worse, key=CODES.__getitem__)


@pytest.mark.parametrize("sample", [np.nan, np.inf, -np.inf])
def test_one_sample_that_is_no_number_is_enough(sample: float) -> None:
    assert quality_of(c=[0, 1, 2, sample, 4, 5, 6, 7]) is Quality.NON_FINITE


def test_a_channel_that_may_rest_is_not_stuck() -> None:
    assert quality_of(a=[5.0] * LENGTH) is Quality.GOOD


def test_the_limits_themselves_are_in_range() -> None:
    assert quality_of(a=[-10, 10, 0, 1, 2, 3, 4, 5]) is Quality.GOOD


def test_a_sensor_at_a_limit_that_float32_rounds_is_in_range() -> None:
    channels = (ChannelSpec(name="a", low=-0.1, high=0.1),)  # float32(0.1) > 0.1
    values = np.array([[[-0.1, 0.1] * 4]], np.float32)
    at = np.zeros(1)
    batch = WindowBatch(np.zeros(1, np.int64), at, at, np.ones((1, 1), np.float32), values)
    assert QUALITIES[assess(batch, WINDOW, ChannelLimits.of(channels), MAX_SKEW)[0]] is Quality.GOOD


def test_a_channel_without_limits_may_read_anything_finite() -> None:
    assert quality_of(c=[-3e38, 3e38, 0, 1, 2, 3, 4, 5]) is Quality.GOOD


def test_coverage_at_the_limit_is_enough() -> None:
    assert quality_of(coverage=0.8) is Quality.GOOD


def test_a_window_from_the_future_is_not_skewed_by_its_arrival() -> None:
    assert quality_of(delay=-30) is Quality.GOOD


def test_a_skewed_clock_a_missing_beat_and_masked_channels_are_shown_and_yet_judged() -> None:
    trusted = {quality for code, quality in enumerate(QUALITIES) if is_trusted(np.array([code], np.int8))[0]}
    assert trusted == {Quality.GOOD, Quality.CLOCK_SKEW, Quality.NO_BEAT, Quality.MASKED, Quality.UNLIKE_TRAINING}


def test_what_is_normal_is_not_learnt_from_missing_beats_nor_beside_masked_channels() -> None:
    teaching = {quality for code, quality in enumerate(QUALITIES) if may_teach(np.array([code], np.int8))[0]}
    assert teaching == {Quality.GOOD, Quality.CLOCK_SKEW}


def test_windows_are_assessed_apart_and_none_is_fine() -> None:
    values = np.tile(np.arange(LENGTH, dtype=np.float32), (3, 3, 1))
    values[1, 0, 0] = np.nan
    at = np.zeros(3)
    batch = WindowBatch(
        np.zeros(3, np.int64), at, at, np.array([[1, 1, 1], [1, 1, 1], [1, 0.5, 1]], np.float32), values
    )
    found = [QUALITIES[code] for code in assess(batch, WINDOW, LIMITS, MAX_SKEW)]
    assert found == [Quality.GOOD, Quality.NON_FINITE, Quality.LOW_COVERAGE]
    assert len(assess(batch.select(slice(0, 0)), WINDOW, LIMITS, MAX_SKEW)) == 0
