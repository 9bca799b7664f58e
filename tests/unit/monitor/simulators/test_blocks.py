"""What all simulators promise: the same samples however they are asked for, labels that agree, and speed."""

import time
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.dataset.recording import parse_recording
from monitor.core.dataset.recording_write import recording_to_csv_bytes, recording_to_npz_bytes
from monitor.simulators.bursts import bursts_of
from monitor.simulators.ecg import Ecg
from monitor.simulators.fault import Episode, Fault
from monitor.simulators.motor import Motor
from monitor.simulators.simulator import Simulator

MOTOR_FAULTS = [Fault(name=name, onset_seconds=0.5, ramp_seconds=1.0) for name in list(Motor.kind.faults)[:8]]
ECG_FAULTS = [
    Fault(name="pvc", onset_seconds=1, severity=1.0),
    Fault(name="st_elevation", onset_seconds=2),
    Fault(name="lead_off", onset_seconds=6, end_seconds=7),
]
SIMULATORS: dict[str, Callable[[], Simulator]] = {
    "healthy motor": lambda: Motor(seed=5),
    "broken motor": lambda: Motor(seed=5, faults=MOTOR_FAULTS),
    "motor that loses samples": lambda: Motor(seed=5, faults=[Fault(name="sensor_dropout")]),
    "healthy heart": lambda: Ecg(seed=5),
    "sick heart": lambda: Ecg(seed=5, faults=ECG_FAULTS),
}
WHOLE = {name: make().take(5000) for name, make in SIMULATORS.items()}


@pytest.mark.parametrize("name", SIMULATORS)
@given(sizes=st.lists(st.integers(0, 1700), max_size=8))
@settings(max_examples=25, deadline=None)
def test_the_way_samples_are_asked_for_does_not_change_them(name: str, sizes: Sequence[int]) -> None:
    simulator, done = SIMULATORS[name](), 0
    for size in sizes:
        expected = slice(done, min(done + size, 5000))
        block = simulator.take(size)
        assert block.first_sample == done
        assert block.values.shape == (size, len(simulator.kind.channels))
        np.testing.assert_array_equal(block.values[: len(WHOLE[name].values[expected])], WHOLE[name].values[expected])
        np.testing.assert_array_equal(block.faults[: len(WHOLE[name].faults[expected])], WHOLE[name].faults[expected])
        done += size


@pytest.mark.parametrize("name", SIMULATORS)
def test_a_recording_holds_the_samples_of_the_stream(name: str) -> None:
    simulator = SIMULATORS[name]()
    recording, _ = simulator.record(5000 / simulator.sample_rate_hz, "device")
    np.testing.assert_array_equal(recording.samples, WHOLE[name].values)
    np.testing.assert_array_equal(recording.labels, WHOLE[name].labels)


@pytest.mark.parametrize("kind", [Motor, Ecg])
def test_a_fault_does_not_disturb_the_samples_before_it(kind: type[Motor] | type[Ecg]) -> None:
    for fault in kind.kind.faults:
        faulty = kind(seed=1, faults=[Fault(name=fault, onset_seconds=8.0, severity=1.0)])
        samples = round(8.0 * faulty.sample_rate_hz) - round(0.5 * faulty.sample_rate_hz)
        np.testing.assert_array_equal(faulty.take(samples).values, kind(seed=1).take(samples).values)


def test_episodes_say_which_fault_showed_when() -> None:
    faults = [Fault(name="imbalance", onset_seconds=1, end_seconds=3), Fault(name="looseness", onset_seconds=2)]
    recording, episodes = Motor(faults=faults).record(4, "motor-1")
    assert episodes == (Episode("imbalance", 1.0, 3.0), Episode("looseness", 2.0, 4.0))
    assert recording.labels is not None
    assert recording.labels.tolist() == [0] * 1000 + [1] * 3000


def test_bursts_keep_the_beginning_of_each_period_as_a_segment() -> None:
    whole, _ = Ecg(faults=[Fault(name="lead_off", onset_seconds=5)]).record(10, "bed-1")
    kept = bursts_of(whole, 0.5, 2.0)
    assert whole.labels is not None
    assert kept.labels is not None
    mask = np.arange(2500) % 500 < 125
    np.testing.assert_array_equal(kept.samples, whole.samples[mask])
    np.testing.assert_array_equal(kept.time_seconds, whole.time_seconds[mask])
    np.testing.assert_array_equal(kept.labels, whole.labels[mask])
    np.testing.assert_array_equal(kept.segment, np.repeat(range(5), 125))
    with pytest.raises(ValueError, match="a burst of 3 s does not fit into 2 s"):
        bursts_of(whole, 3.0, 2.0)


@pytest.mark.parametrize("kind", [Motor, Ecg])
def test_recordings_keep_the_dataset_contract(kind: type[Motor] | type[Ecg]) -> None:
    recording, _ = kind().record(10, "device")
    for suffix, to_bytes in ((".npz", recording_to_npz_bytes), (".csv", recording_to_csv_bytes)):
        parsed = parse_recording(f"device{suffix}", to_bytes(recording))
        assert parsed.channels == recording.channels
        assert parsed.sample_period_seconds == pytest.approx(1 / kind().sample_rate_hz)  # type: ignore[union-attr]  # a recording, as it has a time
        np.testing.assert_array_equal(parsed.samples, recording.samples)  # type: ignore[union-attr]  # likewise


@pytest.mark.parametrize("kind", [Motor, Ecg])
def test_simulating_is_far_quicker_than_real_time(kind: type[Motor] | type[Ecg]) -> None:
    simulator, began = kind(), time.process_time()
    simulator.record(200, "device")
    assert time.process_time() - began < 200 / 50


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"severity": 0.0}, "severity of pvc must be above 0"),
        ({"severity": 1.1}, "at most 1"),
        ({"severity": float("nan")}, "at most 1"),
        ({"onset_seconds": -1.0}, "begin at 0 s or later"),
        ({"onset_seconds": float("inf")}, "begin at 0 s or later"),
        ({"ramp_seconds": -1.0}, "to develop"),
        ({"onset_seconds": 5.0, "end_seconds": 5.0}, "before it begins"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(wrong: dict[str, float], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Fault(name="pvc", **wrong)  # type: ignore[arg-type]  # the table holds numbers only
