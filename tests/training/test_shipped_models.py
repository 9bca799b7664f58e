"""The models that ship beside the configurations: whole, small, and able to tell what the simulators do to a device."""

import zipfile
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from monitor.adapters.engines.loader import Artifact, load_artifact
from monitor.adapters.engines.settings import ScoringConfig
from monitor.core.artifact.model_folder_names import ANCHOR_FILE
from monitor.core.dataset.cutting import window_labels
from monitor.core.scoring.normalize import Normalizer
from monitor.simulators.catalogue import ECG, MOTOR, Kind
from monitor.simulators.ecg import Ecg
from monitor.simulators.fault import Fault
from monitor.simulators.motor import Motor
from monitor.simulators.simulator import Simulator
from tests.repository import ROOT
from tests.sines import data_file
from trainer.artifact import export as trainer_export
from trainer.data.cutting import cut
from trainer.evaluation.evaluation import score_file

MODELS = ROOT / "configs" / "models"
KINDS = {"motor": MOTOR, "ecg": ECG}
ONSET_SECONDS = 15.0
SECONDS = 30.0


@pytest.fixture(scope="module", params=KINDS)
def name(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture(scope="module")
def artifacts() -> dict[str, Artifact]:
    return {name: load_artifact(MODELS / name, ScoringConfig(device="cpu"), max_batch=64) for name in KINDS}


def simulator(kind: Kind, device: int, faults: Sequence[Fault] = ()) -> Simulator:
    # run 9: not what the models were fitted on
    return (Motor if kind is MOTOR else Ecg)(seed=0, device=device, run=9, faults=faults)


def anomalous(artifact: Artifact, device: Simulator) -> tuple[float, float]:
    """The fraction of anomalous windows among those that are healthy throughout, and among those with a fault."""
    manifest = artifact.manifest
    recording, _ = device.record(SECONDS, "device")
    piece = cut(data_file(recording), 0, manifest.channel_names, manifest.window, manifest.sample_period_seconds)
    batch = piece.batch
    normalizer = Normalizer(manifest.normalization, len(manifest.channels), manifest.window.length)
    centre, scale, _ = normalizer.parameters(batch, np.ones(len(batch), dtype=bool))
    above = artifact.scorer.score(batch.values, centre, scale).error > manifest.threshold
    assert piece.labels is not None
    faulty = piece.labels.astype(bool)
    touched = window_labels(recording, batch, manifest.window.length).astype(bool)
    return float(above[~touched].mean()), float(above[faulty].mean()) if faulty.any() else float("nan")


def masked_alarms(artifact: trainer_export.Artifact, device: int, channel: int, faults: Sequence[Fault] = ()) -> float:
    """The fraction of anomalous windows while one channel delivers nothing."""
    recording, _ = simulator(MOTOR, device, faults).record(SECONDS, "device")
    recording.samples[:, channel] = np.nan
    scored = score_file(artifact, data_file(replace(recording, labels=None)))
    assert (scored.withheld == "").all()
    return float((scored.score > 1).mean())


def test_there_is_one_artifact_and_it_is_small(name: str) -> None:
    link = MODELS / name / "current"
    artifact = MODELS / name / link.readlink()
    files = set((MODELS / name).iterdir()) - {link, MODELS / name / ANCHOR_FILE}
    assert files == {artifact}, "keep the artifact in use, and name it without its folder"
    # of five channels, golden windows take 110 kB and what stands in for masked ones 14 kB
    assert artifact.stat().st_size < 220_000


def test_it_takes_what_the_simulator_delivers(name: str, artifacts: dict[str, Artifact]) -> None:
    manifest, kind = artifacts[name].manifest, KINDS[name]
    assert manifest.measured_names == kind.channels
    assert tuple(channel.unit for channel in manifest.channels if not channel.derived) == kind.units
    assert manifest.sample_period_seconds == pytest.approx(1 / kind.sample_rate_hz)


def test_healthy_devices_hardly_ever_cross_the_threshold(name: str, artifacts: dict[str, Artifact]) -> None:
    rates = [anomalous(artifacts[name], simulator(KINDS[name], device))[0] for device in range(1, 7)]
    assert np.mean(rates) < 0.01


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("motor", "imbalance"),
        ("motor", "misalignment"),
        ("motor", "bearing_outer"),
        ("motor", "bearing_inner"),
        ("motor", "looseness"),
        ("ecg", "pvc"),
    ],
)
def test_most_windows_with_a_fault_do(kind: str, fault: str, artifacts: dict[str, Artifact]) -> None:
    suffered = Fault(name=fault, onset_seconds=ONSET_SECONDS, severity=0.6)
    before, after = anomalous(artifacts[kind], simulator(KINDS[kind], 1, [suffered]))
    assert before < 0.05
    assert after > 0.5


def test_it_names_no_folder_of_the_machine_that_made_it(name: str) -> None:
    with zipfile.ZipFile(MODELS / name / "current") as archive:
        text = b"".join(archive.read(record) for record in archive.namelist())
    assert b"site-packages" not in text
    assert str(MODELS.parents[1]).encode() not in text


def test_check_has_nothing_to_say_against_it(name: str, artifacts: dict[str, Artifact]) -> None:
    manifest = artifacts[name].manifest
    assert not manifest.needs_all_channels
    assert not manifest.normalization.unbounded


def test_a_motor_with_any_sensor_gone_is_calm_and_its_faults_are_found() -> None:
    artifact = trainer_export.load_artifact("motor", (MODELS / "motor" / "current").read_bytes())
    for channel in range(len(MOTOR.channels)):
        assert np.mean([masked_alarms(artifact, device, channel) for device in range(1, 7)]) < 0.01
    suffered = Fault(name="imbalance", onset_seconds=0.0, severity=0.6)
    assert all(masked_alarms(artifact, 1, channel, [suffered]) > 0.5 for channel in range(len(MOTOR.channels)))
