"""Publishing is atomic: `current` always points at a whole artifact."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor.core.artifact.rollback import Rollback, parse_rollback
from trainer.artifact import folder as folder_module
from trainer.artifact.folder import model_name, publish, read_artifact, roll_back
from trainer.errors import ArtifactError, OutputError


def test_publishing_writes_artifact_and_report_and_points_current_at_it(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "pump"
    path = publish(folder, "v1", b"artifact", "report")
    assert sorted(entry.name for entry in folder.iterdir()) == ["current", "v1.pt", "v1.report.html"]
    assert path.read_bytes() == b"artifact"
    assert (folder / "current").readlink() == Path("v1.pt")  # relative, so that the folder can be moved
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_later_version_takes_over_and_the_earlier_one_stays(tmp_path: Path) -> None:
    publish(tmp_path, "v1", b"one", "")
    publish(tmp_path, "v2", b"two", "")
    assert read_artifact(tmp_path) == (str(tmp_path / "current"), b"two")
    assert read_artifact(tmp_path / "v1.pt")[1] == b"one"


def test_a_failure_leaves_the_artifact_in_use_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(tmp_path, "v1", b"one", "")
    before = sorted(entry.name for entry in tmp_path.iterdir())

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        publish(tmp_path, "v2", b"two", "")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == before
    assert read_artifact(tmp_path)[1] == b"one"


def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        publish(tmp_path / "file" / "pump", "v1", b"", "")


@pytest.mark.parametrize("name", ["pump", "pump.v2", "_x"])
def test_the_folder_names_the_model(tmp_path: Path, name: str) -> None:
    assert model_name(tmp_path / name) == name


@pytest.mark.parametrize("name", ["a pump", "-x", "pümp", ".hidden"])
def test_an_unsafe_folder_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match="the folder names the model"):
        model_name(tmp_path / name)


def test_a_missing_artifact_says_what_to_give(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.pt"):
        with pytest.raises(ArtifactError, match="give an artifact file or a folder that `fit` wrote"):
            read_artifact(path)


def test_a_rollback_is_written_before_current_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(tmp_path, "v1", b"one", "")
    publish(tmp_path, "v2", b"two", "")
    at = datetime(2026, 1, 31, 12, tzinfo=UTC)

    def fails(link: Path, target: str) -> None:
        assert parse_rollback((link.parent / "rollback.json").read_bytes()) == Rollback(version="v1", at=at)
        assert target == "v1.pt"
        raise OSError(28, "No space left on device", str(link))

    monkeypatch.setattr(folder_module, "point_link", fails)
    with pytest.raises(OutputError, match="No space left on device"):
        roll_back(tmp_path, "v1", at)
    assert read_artifact(tmp_path)[1] == b"two"
