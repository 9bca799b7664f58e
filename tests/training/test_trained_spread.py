"""The trained spread on simulated motors: healthy ones are taken at their word, faulty ones are not."""

import numpy as np
import pytest
from numpy.typing import NDArray

from monitor.core.artifact.normalization_spec import NormalizationSpec
from monitor.core.artifact.trained_spread import TrainedSpread
from monitor.core.scoring.normalize import Normalizer
from monitor.core.windows.window_batch import WindowBatch
from monitor.simulators.catalogue import Profile
from monitor.simulators.fault import Fault
from monitor.simulators.motor import Motor
from trainer.data.normalization import normalization_spec
from trainer.data.trained_spread import ENOUGH_STREAMS, trained_spread
from trainer.settings import NormalizationSettings

LENGTH, WARMUP = 256, 32
SETTINGS = NormalizationSettings.model_validate({"kind": "stream", "warmup_windows": WARMUP})


def windows(device: int, warmups: int = 1, fault: str | None = None) -> NDArray[np.float32]:
    """Windows of one motor under a load that changes in steps: float32 [N, C, L]."""
    faults = () if fault is None else (Fault(name=fault, severity=1.0),)
    motor = Motor(seed=3, device=device, profile=Profile.LOAD_STEPS, faults=faults)
    samples = motor.take(warmups * WARMUP * LENGTH).values.astype(np.float32)
    return samples.reshape(-1, LENGTH, samples.shape[1]).transpose(0, 2, 1).copy()


def fitted(streams: list[NDArray[np.float32]]) -> NormalizationSpec:
    """The normalization that a fit to some streams makes."""
    spec = normalization_spec(np.concatenate(streams), SETTINGS)
    return spec.model_copy(update={"trained": trained_spread(streams, spec)})


def spread_of(streams: list[NDArray[np.float32]]) -> TrainedSpread:
    spread = fitted(streams).trained
    assert spread is not None
    return spread


def outside(spec: NormalizationSpec, streams: list[NDArray[np.float32]]) -> float:
    """Which part of some streams does not teach, when each has shown one warm-up."""
    normalizer = Normalizer(spec, *streams[0].shape[1:])
    for number, values in enumerate(streams):
        times = np.arange(len(values), dtype=np.float64)
        stream, coverage = np.full(len(values), number), np.ones(len(values), np.float32)
        normalizer.parameters(WindowBatch(stream, times, times, coverage, values), np.ones(len(values), np.bool_))
    return float(normalizer.unlike[: len(streams)].mean())


@pytest.fixture(scope="module")
def healthy() -> list[NDArray[np.float32]]:
    return [windows(1000 + device) for device in range(40)]


@pytest.mark.parametrize("motors", [1, 3, 10])
def test_healthy_motors_are_within_and_motors_that_are_faulty_from_the_start_are_not(
    motors: int, healthy: list[NDArray[np.float32]]
) -> None:
    spec = fitted([windows(device, 6) for device in range(motors)])
    assert spec.trained is not None
    assert spec.trained.streams == motors
    assert outside(spec, healthy) <= 0.03
    for fault in ("imbalance", "misalignment", "bearing_outer"):
        assert outside(spec, [windows(2000 + device, fault=fault) for device in range(10)]) >= 0.9, fault
    larger = [stream * np.array([5, 1, 1, 1, 1], np.float32)[:, None] for stream in healthy]
    assert outside(spec, larger) >= 0.9


def test_many_streams_narrow_the_bounds_to_what_they_differ_by() -> None:
    rng = np.random.default_rng(0)

    def streams(count: int) -> list[NDArray[np.float32]]:
        return [rng.normal(rng.normal(10, 0.1), 1.0, (WARMUP, 1, LENGTH)).astype(np.float32) for _ in range(count)]

    few, spec = spread_of(streams(ENOUGH_STREAMS - 1)), fitted(streams(40))
    many = spec.trained
    assert many is not None
    assert few.centre_high[0] > 14
    assert few.scale_high[0] > 1.9
    assert 10.2 < many.centre_high[0] < 10.6
    assert many.scale_high[0] < 1.2
    assert outside(spec, streams(200)) <= 0.03


def test_a_recording_shorter_than_a_warm_up_counts_as_one_stretch_and_an_empty_one_as_none() -> None:
    short = windows(1)[:5]
    spread = spread_of([short, short[:0]])
    assert spread.streams == 1
    assert spread.holds(np.array(spread.centre), np.array(spread.scale))
