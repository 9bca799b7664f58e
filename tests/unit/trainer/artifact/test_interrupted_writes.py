"""What the trainer writes is killed at every step, or meets a full disk: what is in use stays, candidates are whole."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from monitor.adapters.artifacts.candidates import candidates_in
from monitor.core.artifact.proposal import Proposal
from tests.model_folders import HOLDS, THEN, content, dies_at, fails_with_full_disk, model_folder
from trainer.artifact.folder import champion_in, propose, publish
from trainer.errors import OutputError
from trainer.refit.refit_lock import refit_locked

KEY = Ed25519PrivateKey.generate()
ARTIFACT = content("v2")


def lay_down(folder: Path) -> None:
    """Write a candidate as a refit does."""
    sha256 = hashlib.sha256(ARTIFACT).hexdigest()
    proposal = Proposal(version="v2", sha256=sha256, at=THEN, parent="v1", by="refit", checks=(HOLDS,))
    with refit_locked(folder):
        propose(folder, proposal, ARTIFACT, "report", b"onnx", KEY)


def first_fit(folder: Path) -> None:
    """Write the first version of a folder, as a fit does."""
    publish(folder, "v2", ARTIFACT, "report", b"onnx", KEY)


def whole_candidates(folder: Path) -> list[str]:
    """The candidates that the daemon would look at; each of them must be whole."""
    found = candidates_in(folder)
    for candidate in found:
        file = folder / "candidates" / f"{candidate.version}.pt"
        assert candidate.problem == ""
        assert file.read_bytes() == ARTIFACT
        KEY.public_key().verify(Path(f"{file}.sig").read_bytes(), ARTIFACT)
        KEY.public_key().verify(file.with_suffix(".onnx.sig").read_bytes(), file.with_suffix(".onnx").read_bytes())
    return [candidate.version for candidate in found]


def test_a_refit_that_is_killed_at_any_step_leaves_what_is_in_use_and_a_whole_candidate_or_none(tmp_path: Path) -> None:
    step, seen, killed = 0, set(), True
    while killed:
        folder = model_folder(tmp_path / str(step), "v1")
        killed = dies_at(step, lambda folder=folder: lay_down(folder))  # type: ignore[misc]
        assert (folder / "current").read_bytes() == content("v1")
        seen.add(tuple(whole_candidates(folder)))
        lay_down(folder)  # its lock went with it, and the next one is not in the way of what it left
        assert whole_candidates(folder) == ["v2"]
        step += 1
    assert seen == {(), ("v2",)}
    assert step > 15


def test_a_first_fit_that_is_killed_at_any_step_leaves_a_whole_version_in_use_or_none(tmp_path: Path) -> None:
    step, seen, killed = 0, set(), True
    while killed:
        folder = tmp_path / str(step)
        killed = dies_at(step, lambda folder=folder: first_fit(folder))  # type: ignore[misc]
        champion = champion_in(folder)
        seen.add(champion)
        if champion is not None:
            assert (folder / "current").read_bytes() == ARTIFACT
        step += 1
    assert seen == {None, "v2"}


def meets(work: Callable[[Path], None], folder: Path) -> None:
    try:
        work(folder)
    except OutputError as error:
        raise OSError(str(error)) from None


@pytest.mark.parametrize("nbytes", [0, 3, 50, 100, 500, 5000])
def test_a_full_disk_leaves_what_is_in_use_and_nothing_half_written(tmp_path: Path, nbytes: int) -> None:
    folder = model_folder(tmp_path / "motor", "v1")
    failed = fails_with_full_disk(nbytes, lambda: meets(lay_down, folder))
    assert (folder / "current").read_bytes() == content("v1")
    assert whole_candidates(folder) == ([] if failed else ["v2"])
    assert failed == (nbytes < len(ARTIFACT))
    left = {entry.name for entry in (folder / "candidates").iterdir()} - {".refit.lock"}
    assert not {name for name in left if name.startswith(".")}


def test_what_a_killed_refit_left_half_written_is_swept_up_a_day_later(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "motor", "v1")
    lay_down(folder)
    inbox = folder / "candidates"
    for name, age_seconds in ((".v1.pt.abcd", 2 * 86_400), (".v3.pt.efgh", 60)):
        (inbox / name).write_bytes(b"half")
        stamp = (inbox / name).stat().st_mtime - age_seconds
        os.utime(inbox / name, (stamp, stamp))
    os.utime(inbox / ".refit.lock", (0, 0))
    lay_down(folder)
    assert {entry.name for entry in inbox.iterdir() if entry.name.startswith(".")} == {".v3.pt.efgh", ".refit.lock"}
