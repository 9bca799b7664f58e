"""Real recordings through the real trainer, broker and daemon: what the benchmark does, on a few of them."""

import csv
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.common.broker import mosquitto
from benchmarks.datasets.figures import figures_of
from benchmarks.real_replay.cases import MITDB_SUBSTITUTES, Case, load_cases
from benchmarks.real_replay.publisher import TimedMessage, messages_of
from benchmarks.real_replay.trial import Detector, Trial, fit_all, prepare, watch
from monitor.core.dataset.recording import Recording, parse_recording
from tests.forked import check_forked
from tests.repository import ROOT

pytestmark = [pytest.mark.integration, pytest.mark.realdata]

PCA = Detector("pca", 0)


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder with the real recordings."""
    folder = Path(os.environ.get("RESIDUALD_DATA") or ROOT.parent / "shared" / "data")
    if not (folder / "skab_dev.npz").exists():
        pytest.skip(f"no real recordings in {folder}: name their folder in RESIDUALD_DATA (see docs/real-telemetry.md)")
    return folder


@pytest.fixture(scope="session")
def cases(data: Path) -> list[Case]:
    """The fan at three of its speeds."""
    return [case for case in load_cases(data, quick=True)[0] if case.model == "fan"]


@pytest.fixture(scope="session")
def fitted(cases: list[Case], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with contract files and a linear model for each case."""
    folder = tmp_path_factory.mktemp("realdata")
    prepare(cases, folder)
    fit_all(PCA, cases, folder, lambda: None)
    return folder


@pytest.fixture(scope="session")
def trial(cases: list[Case], fitted: Path) -> Trial:
    with mosquitto() as port:
        return watch(PCA, cases, fitted, port, None, lambda samples: None)


def test_the_running_daemon_loses_nothing_and_says_what_a_replay_says(trial: Trial, cases: list[Case]) -> None:
    assert trial.void == []
    assert trial.samples == sum(len(stream.samples) for case in cases for stream in case.split.stream)
    assert trial.windows == sum(len(judged.score) for streams in trial.judged.values() for judged in streams)
    assert trial.alert_steps > 0


def test_an_unbalanced_fan_scores_above_a_balanced_one_at_every_speed(trial: Trial) -> None:
    for judged in trial.judged["fan"]:
        assert figures_of([judged]).auc_roc == pytest.approx(1.0, abs=0.02), judged.stream


def test_a_fan_that_becomes_unbalanced_at_middle_speed_is_alerted_within_seconds(trial: Trial) -> None:
    (middle,) = (judged for judged in trial.judged["fan"] if judged.stream == "fan-070")
    found = figures_of([middle])
    assert (found.events, found.hit, found.false_alarms) == (1, 1, 0)
    assert found.delay_seconds is not None
    assert found.delay_seconds < 5.0


def test_a_message_that_gets_lost_makes_the_run_void(
    cases: list[Case], fitted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgetful(recording: Recording, topic: str) -> Iterator[TimedMessage]:
        return (message for at, message in enumerate(messages_of(recording, topic)) if at != 20)

    monkeypatch.setattr("benchmarks.real_replay.trial.messages_of", forgetful)
    with mosquitto() as port:
        assert watch(PCA, cases, fitted, port, None, lambda samples: None, patience_seconds=5.0).void


def test_replay_and_evaluate_give_the_same_scores(fitted: Path, trial: Trial, tmp_path: Path) -> None:
    scores = tmp_path / "scores.csv"
    model = fitted / PCA.name / "models" / "fan"
    files = sorted((fitted / "data" / "fan" / "stream").glob("*.npz"))
    check_forked("residuald-trainer", "evaluate", "--model", model, "--scores", scores, "--data", *files)
    with scores.open(newline="") as lines:
        evaluated = [float(line["score"]) for line in csv.DictReader(lines)]
    replayed = np.concatenate([judged.score for judged in trial.judged["fan"]])
    np.testing.assert_allclose(replayed, evaluated, rtol=1e-4)


def test_missing_records_are_substituted_and_said_so(data: Path) -> None:
    found, notes = load_cases(data, quick=False)
    records = {case.model for case in found if case.data_set.name == "mitdb"}
    assert len(records) == 4
    for wanted, substitute in MITDB_SUBSTITUTES.items():
        assert (f"mitdb-{wanted}" in records) != (f"mitdb-{substitute}" in records)
        assert any(wanted in note for note in notes) == (f"mitdb-{substitute}" in records)


def test_every_file_of_the_folder_converts_to_contract_files(data: Path, tmp_path: Path) -> None:
    convert: list[str | Path] = [sys.executable, "-m", "benchmarks.convert", "--data", data, "--out", tmp_path]
    subprocess.run(convert, cwd=ROOT, check=True, capture_output=True)
    written = list(tmp_path.rglob("*.npz"))
    assert len(written) > 80
    for path in written:
        content = parse_recording(path.name, path.read_bytes())
        values = content.samples if isinstance(content, Recording) else content.windows
        assert np.isfinite(values).all(), path.name


def test_a_folder_without_recordings_is_refused_with_the_file_that_is_missing(tmp_path: Path) -> None:
    command: list[str | Path] = [sys.executable, "-m", "benchmarks.real_replay", "--data", tmp_path, "--quick"]
    done = subprocess.run([*command, "--out", tmp_path / "out"], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "no mitdb*.npz" in done.stdout
