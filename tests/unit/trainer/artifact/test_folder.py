"""Publishing is atomic: `current` always points at a whole artifact."""

import hashlib
import os
from pathlib import Path

import pytest

from monitor.core.artifact.generation import parse_generation
from monitor.core.artifact.proposal import parse_proposal
from monitor.settings.whole_file import write_whole
from trainer.artifact import folder as folder_module
from trainer.artifact.folder import model_name, publish, read_artifact
from trainer.errors import ArtifactError, OutputError


def test_the_first_version_comes_into_use_and_it_is_written_down_how(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "pump"
    path = publish(folder, "v1", b"artifact", "report")
    assert sorted(entry.name for entry in folder.iterdir()) == ["current", "generation.json", "v1.pt", "v1.report.html"]
    generation = parse_generation((folder / "generation.json").read_bytes())
    assert (generation.generation, generation.version, generation.by, generation.why) == (1, "v1", "fit", "first")
    assert path.read_bytes() == b"artifact"
    assert (folder / "current").readlink() == Path("v1.pt")  # relative, so that the folder can be moved
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_later_version_waits_with_a_proposal_that_nobody_checked(tmp_path: Path) -> None:
    publish(tmp_path, "v1", b"one", "")
    path = publish(tmp_path, "v2", b"two", "report")
    assert path == tmp_path / "candidates" / "v2.pt"
    assert read_artifact(tmp_path) == (str(tmp_path / "current"), b"one")
    proposal = parse_proposal((tmp_path / "candidates" / "v2.json").read_bytes())
    assert (proposal.version, proposal.parent, proposal.by, proposal.promotable) == ("v2", "v1", "fit", False)
    assert proposal.sha256 == hashlib.sha256(b"two").hexdigest()


def test_a_proposal_comes_last_so_that_what_it_speaks_of_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path, "v1", b"one", "")
    written: list[str] = []

    def note(path: Path, data: bytes) -> None:
        written.append(path.name)
        write_whole(path, data)

    monkeypatch.setattr(folder_module, "write_whole", note)
    publish(tmp_path, "v2", b"two", "", b"onnx")
    assert written == ["v2.report.html", "v2.onnx", "v2.pt", "v2.json"]


def test_candidates_that_came_into_use_and_old_ones_go(tmp_path: Path) -> None:
    publish(tmp_path, "v1", b"one", "")
    for number in range(2, 12):
        publish(tmp_path, f"v{number:02}", b"x", "")
    (tmp_path / "v10.pt").write_bytes(b"x")  # the daemon took it over
    publish(tmp_path, "v12", b"x", "")
    waiting = {entry.name.partition(".")[0] for entry in (tmp_path / "candidates").iterdir()}
    assert waiting == {"v08", "v09", "v11", "v12"}


def test_a_first_version_after_others_counts_on(tmp_path: Path) -> None:
    publish(tmp_path, "v1", b"one", "")
    (tmp_path / "current").unlink()
    publish(tmp_path, "v2", b"two", "")
    assert read_artifact(tmp_path)[1] == b"two"
    assert parse_generation((tmp_path / "generation.json").read_bytes()).generation == 2


def test_a_failure_leaves_the_artifact_in_use_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(tmp_path, "v1", b"one", "")
    before = sorted(entry.name for entry in tmp_path.iterdir())

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        publish(tmp_path, "v2", b"two", "")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted([*before, "candidates"])
    assert not list((tmp_path / "candidates").iterdir())
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
