"""`residuald-trainer` as its users call it: tables, JSON, notes and exit codes."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from monitor.core.artifact.array import Array
from monitor.core.dataset.recording_write import recording_to_csv_bytes
from tests.repository import ROOT
from tests.sines import sine_recording, write_npz
from trainer.artifact.export import load_artifact
from trainer.artifact.folder import read_artifact
from trainer.cli import main
from trainer.help_texts import FIT
from trainer.settings import FitSettings, load_settings
from trainer.training import loop

WINDOWS = ("--window", 50, "--stride", 10)
QUICK = (*WINDOWS, "--family", "pca")


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Trainer = Callable[..., Outcome]


@pytest.fixture
def trainer(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Trainer:
    """Run a command line and capture what a terminal of 120 columns would show."""
    monkeypatch.setenv("COLUMNS", "120")

    def run(*arguments: Any) -> Outcome:
        capsys.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = int(end.code or 0)
        return Outcome(code, *capsys.readouterr())

    return run


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a normal recording as NPZ and CSV, ready-made windows, and a labelled recording to evaluate on."""
    folder = tmp_path_factory.mktemp("data")
    write_npz(folder / "normal.npz", sine_recording(6000, seed=1))
    (folder / "normal.csv").write_bytes(recording_to_csv_bytes(sine_recording(6000, seed=1)))
    write_npz(folder / "faulty.npz", sine_recording(4000, seed=2, anomalies=6))
    values = sine_recording(20000, seed=3).samples.reshape(400, 50, 2).transpose(0, 2, 1)
    np.savez(folder / "windows.npz", windows=values, channels=np.array(["a", "b"]))
    return folder


@pytest.fixture(scope="module")
def model(data: Path) -> Path:
    """A model fitted on the NPZ."""
    folder = data / "models" / "sine"
    assert main([*map(str, ("fit", "--data", data / "normal.npz", "--out", folder, *QUICK))]) == 0
    return folder


def threshold(folder: Path) -> float:
    return load_artifact(*read_artifact(folder)).manifest.threshold


def test_fit_publishes_and_says_where(trainer: Trainer, data: Path, tmp_path: Path) -> None:
    done = trainer("fit", "--data", data / "normal.npz", "--out", tmp_path / "sine", *QUICK)
    assert done.code == 0
    (artifact,) = (tmp_path / "sine").glob("*.pt")
    (report,) = (tmp_path / "sine").glob("*.report.html")
    for path in (artifact, report, tmp_path / "sine" / "current"):
        assert str(path) in done.out.replace("\n", "")
    assert "note: the budget 1 per 30d is not kept" in done.err
    assert "false alarms" in done.out


def test_evaluate_tells_all_figures_as_json(trainer: Trainer, data: Path, model: Path) -> None:
    done = trainer("evaluate", "--model", model, "--data", data / "faulty.npz", "--json")
    assert (done.code, done.err) == (0, "")
    figures = json.loads(done.out)
    assert figures["labelled"].keys() == {
        *("normal", "anomalous", "auc_roc", "auc_pr", "f1", "precision", "recall", "false_alarm_rate")
    }
    assert figures["labelled"]["auc_pr"] > 0.9
    assert figures["labelled"]["normal"] + figures["labelled"]["anomalous"] == figures["windows"]
    assert [channel["name"] for channel in figures["channels"]] == ["a", "b"]
    assert figures["fitted_on"] == []
    alerts = figures["alerts"]
    assert alerts["judge"] == {"k": 2, "n": 3, "release_score": 0.9, "release_windows": 3}
    assert alerts["asked_per_day"] == pytest.approx(1 / 30)
    assert (alerts["events"], alerts["hit"]) == (6, 6)


def test_evaluate_tells_a_person_the_same(trainer: Trainer, data: Path, model: Path) -> None:
    done = trainer("evaluate", "--model", model, "--data", data / "faulty.npz", data / "normal.npz")
    words = (
        "AUC-ROC",
        "AUC-PR",
        "F1",
        "precision",
        "recall",
        "false-alarm rate",
        "leads the alarms",
        "faulty.npz",
        "budget",
    )
    assert [word for word in words if word not in done.out] == []
    assert "the model was fitted on normal.npz: figures there are too good" in done.err


def test_evaluate_without_labels_says_so(trainer: Trainer, data: Path, model: Path) -> None:
    done = trainer("evaluate", "--model", model, "--data", data / "normal.npz")
    assert "No labels in the data: only the alarm rate can be told." in done.out
    assert "AUC-ROC  " not in done.out
    as_json = trainer("evaluate", "--model", model, "--data", data / "normal.npz", "--json")
    assert json.loads(as_json.out)["labelled"] is None


def test_scores_are_written_one_line_per_window(trainer: Trainer, data: Path, model: Path, tmp_path: Path) -> None:
    recording = sine_recording(1000, seed=4, anomalies=2)
    recording.samples[500:503] = np.nan  # of all channels, or the others would be judged
    write_npz(tmp_path / "part.npz", recording)
    trainer("evaluate", "--model", model, "--data", tmp_path / "part.npz", "--scores", tmp_path / "scores.csv")
    with (tmp_path / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["end_seconds"]) for row in rows] == pytest.approx(np.arange(49, 1000, 10) / 50)
    withheld = [row for row in rows if row["withheld"]]
    assert {(row["withheld"], row["error"], row["score"]) for row in withheld} == {("non_finite", "", "")}
    scored = [row for row in rows if not row["withheld"]]
    assert [float(r["error"]) / threshold(model) for r in scored] == pytest.approx([float(r["score"]) for r in scored])
    assert {row["label"] for row in rows} == {"0", "1"}


def test_inspect_shows_the_manifest_and_checks_it(trainer: Trainer, model: Path) -> None:
    shown = trainer("inspect", model)
    words = ("sine", "threshold", "calibration errors", "scale floor", "normal.npz", "golden windows", "components")
    assert [word for word in words if word not in shown.out] == []
    inspected = json.loads(trainer("inspect", model, "--json").out)
    assert inspected["golden"] == {"windows": 8, "deviation": pytest.approx(0, abs=1e-4), "passes": True}
    assert inspected["manifest"]["model"] == "sine"


def test_golden_windows_that_do_not_match_fail_the_inspection(trainer: Trainer, model: Path, tmp_path: Path) -> None:
    artifact = load_artifact(*read_artifact(model))
    golden = artifact.manifest.golden
    wrong = golden.model_copy(update={"error": Array.of(golden.error.numpy() * 2)})
    forged = tmp_path / "forged.pt"
    forged.write_bytes(artifact.scorer.to_bytes(artifact.manifest.model_copy(update={"golden": wrong})))
    done = trainer("inspect", forged)
    assert done.code == 66
    assert "this machine does not compute what the trainer computed" in done.err


def test_a_csv_gives_the_same_model_as_the_npz_with_the_same_samples(
    trainer: Trainer, data: Path, model: Path, tmp_path: Path
) -> None:
    assert trainer("fit", "--data", data / "normal.csv", "--out", tmp_path / "sine", *QUICK).code == 0
    assert threshold(tmp_path / "sine") == pytest.approx(threshold(model), rel=1e-6)


def test_ready_made_windows_can_be_fitted_and_scored(trainer: Trainer, data: Path, tmp_path: Path) -> None:
    fit = ("fit", "--data", data / "windows.npz", "--out", tmp_path / "cut", "--family", "pca", "--sample-rate", 50)
    assert trainer(*fit).code == 0
    manifest = load_artifact(*read_artifact(tmp_path / "cut")).manifest
    assert (manifest.window.length, manifest.sample_period_seconds) == (50, 0.02)
    assert manifest.provenance.data[0].start_seconds is None
    assert trainer("evaluate", "--model", tmp_path / "cut", "--data", data / "windows.npz").code == 0


def test_a_settings_file_decides_and_the_artifact_remembers(trainer: Trainer, data: Path, tmp_path: Path) -> None:
    config = tmp_path / "fit.toml"
    config.write_text(
        'seed = 9\n[[channel]]\nname = "b"\nunit = "mm/s"\nlow = -1.0\nhigh = 1.0\n[window]\nlength = 40\nstride = 20\n'
        '[model]\nfamily = "conv"\nfeatures = [4, 8]\n[training]\nmax_epochs = 3\n[calibration]\nrule = "mad"\n'
    )
    fit = ("fit", "--data", data / "normal.npz", "--out", tmp_path / "b", "--config", config, "--stride", 10)
    assert trainer(*fit).code == 0
    manifest = load_artifact(*read_artifact(tmp_path / "b")).manifest
    assert [(c.name, c.unit, c.high) for c in manifest.channels] == [("b", "mm/s", 1.0)]
    assert (manifest.window.length, manifest.window.stride) == (40, 10)
    assert (manifest.family, manifest.settings["features"]) == ("conv", [4, 8])
    assert (manifest.calibration.rule, manifest.provenance.seed) == ("mad", 9)


def junk(folder: Path) -> list[Any]:
    (folder / "junk.npz").write_bytes(b"junk")
    return ["fit", "--data", folder / "junk.npz", "--out", folder / "m"]


def too_short(folder: Path) -> list[Any]:
    return ["fit", "--data", write_npz(folder / "short.npz", sine_recording(300)), "--out", folder / "m"]


def wrong_settings(folder: Path) -> list[Any]:
    (folder / "fit.toml").write_text("sed = 1\n[window]\nlenght = 5\n")
    return ["fit", "--data", "x.npz", "--out", folder / "m", "--config", folder / "fit.toml"]


def damaged_artifact(folder: Path) -> list[Any]:
    (folder / "bad.pt").write_bytes(b"PK\x03\x04")
    return ["inspect", folder / "bad.pt"]


def no_place(folder: Path) -> list[Any]:
    (folder / "occupied").write_text("")
    data = write_npz(folder / "data.npz", sine_recording(6000))
    return ["fit", "--data", data, "--out", folder / "occupied" / "m", *QUICK]


def diverging(folder: Path) -> list[Any]:
    recording = sine_recording(6000)
    recording.samples[5300:5900, 0] = 1e30 * (np.arange(600) % 7)  # the validation part is beyond float32
    data = write_npz(folder / "extreme.npz", recording)
    return ["fit", "--data", data, "--out", folder / "m", *WINDOWS]


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        (lambda folder: ["fit", "--data", folder / "none.npz", "--out", folder / "m"], 65, "No such file"),
        (junk, 65, "junk.npz"),
        (too_short, 65, "too few windows"),
        (wrong_settings, 78, "2 problem(s)\n  window.lenght: unknown key; did you mean 'length'?\n  sed: "),
        (lambda folder: ["inspect", folder / "none.pt"], 66, "give an artifact file"),
        (damaged_artifact, 66, "not a TorchScript archive"),
        (diverging, 70, "lower `training.learning_rate`"),
        (no_place, 73, "cannot write"),
        (lambda folder: ["fit", "--data", "x.csv", "--out", folder / "a b"], 73, "the folder names the model"),
        (lambda folder: ["fit", "--out", folder / "m"], 2, "--data"),
        (lambda folder: ["fit", "--data", "x", "--out", "m", "--family", "gru"], 2, "invalid choice"),
    ],
)
def test_a_mistake_ends_with_its_own_code_and_one_clear_message(
    trainer: Trainer, tmp_path: Path, command: Callable[[Path], list[Any]], code: int, message: str
) -> None:
    done = trainer(*command(tmp_path))
    assert done.code == code
    assert message in done.err
    assert done.out == ""
    assert not (tmp_path / "m").exists()


def test_data_that_does_not_fit_the_model_is_refused(trainer: Trainer, model: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "z.npz", samples=np.zeros((99, 1)), channels=np.array(["z"]), sample_rate_hz=50.0)
    done = trainer("evaluate", "--model", model, "--data", tmp_path / "z.npz")
    assert (done.code, done.err) == (65, "residuald-trainer: z.npz has no channel a, b; it has z\n")


def test_an_interrupted_fit_leaves_nothing_behind(
    trainer: Trainer, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> float:
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "evaluate_loss", interrupted)
    done = trainer("fit", "--data", data / "normal.npz", "--out", tmp_path / "m", *WINDOWS)
    assert (done.code, done.out) == (130, "")
    assert "interrupted" in done.err
    assert not (tmp_path / "m").exists()


def test_the_settings_shown_in_the_help_are_valid_and_say_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "fit.toml"
    path.write_text(FIT.partition("said otherwise):\n")[2].partition("exit codes:")[0])
    shown, default = load_settings(path, {}), FitSettings()
    assert shown.training == default.training
    assert shown.split == default.split
    assert (shown.seed, shown.normalization, shown.model) == (default.seed, default.normalization, default.model)
    assert (shown.calibration.rule, shown.calibration.number) == (default.calibration.rule, default.calibration.number)


@pytest.mark.parametrize("samples", [1, 1500])
def test_a_file_of_which_no_window_can_be_judged_is_evaluated_to_nothing(
    samples: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    motor = ROOT / "configs" / "models" / "motor"
    path = tmp_path / "broken.npz"
    channels = np.array(["vib_x", "vib_y", "vib_z", "current", "temperature"])
    broken = np.full((samples, len(channels)), np.nan, np.float32)
    np.savez(path, samples=broken, channels=channels, sample_rate_hz=1000)
    assert main(["evaluate", "--model", str(motor), "--data", str(path), "--json"]) == 0
    (part,) = json.loads(capsys.readouterr().out)["files"]
    assert sum(part["withheld"].values()) == part["windows"] == (0 if samples == 1 else 4)
    assert part["alarm_rate"] is None
