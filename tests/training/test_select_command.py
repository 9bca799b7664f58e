"""`residuald-trainer select` as its users call it."""

from pathlib import Path

import pytest

from tests.sines import sine_recording, write_npz
from trainer.artifact.export import load_artifact
from trainer.artifact.folder import read_artifact
from trainer.cli import main

NO_TIME = "0.00001"  # minutes: the baseline is tried whatever it takes


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_npz(tmp_path / "sines.npz", sine_recording(6000))


def test_select_publishes_the_choice_and_says_why(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "sines"
    assert main(["select", "--data", str(data), "--out", str(out), "--budget-minutes", NO_TIME]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "PCA has the highest AUC" in said
    artifact = load_artifact(*read_artifact(out))
    assert (artifact.manifest.family, artifact.manifest.representation) == ("pca", "raw")
    (report,) = out.glob("*.report.html")
    assert "<h2>Choice</h2>" in report.read_text()


def test_what_is_set_by_hand_holds_for_every_candidate(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "sines"
    arguments = ["--window", "32", "--stride", "8", "--budget-minutes", NO_TIME]
    assert main(["select", "--data", str(data), "--out", str(out), *arguments]) == 0
    assert load_artifact(*read_artifact(out)).manifest.window.length == 32


@pytest.mark.parametrize("minutes", ["0", "-1", "inf", "nan", "soon"])
def test_a_budget_that_is_none_is_refused(minutes: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["select", "--data", "x.csv", "--out", "models/x", "--budget-minutes", minutes])
    told = capsys.readouterr().err
    assert "--budget-minutes" in told
    assert "_minutes" not in told


def test_too_little_data_is_told_and_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short = write_npz(tmp_path / "short.npz", sine_recording(100))
    assert main(["select", "--data", str(short), "--out", str(tmp_path / "m"), "--budget-minutes", NO_TIME]) == 65
    assert "too few windows" in capsys.readouterr().err
    assert not (tmp_path / "m").exists()
