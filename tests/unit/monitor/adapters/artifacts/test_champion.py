"""What is in use moves in one step, by one at a time, and whatever dies in between leaves a whole version in use."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.adapters.artifacts.anchor_file import read_anchor
from monitor.adapters.artifacts.candidates import CandidateError, candidates_in, copy_in
from monitor.adapters.artifacts.champion import promote, put_into_use
from monitor.adapters.artifacts.generation_file import known_generation, read_generation, read_generations
from monitor.adapters.artifacts.lock import LockedError, locked
from monitor.adapters.artifacts.versions import version_in_use
from monitor.core.artifact.proposal import Proposal, reasons_to_wait
from tests.model_folders import (
    HOLDS,
    THEN,
    candidate,
    content,
    dies_at,
    fails_with_full_disk,
    model_folder,
    names,
)

LATER = THEN + timedelta(hours=1)
LARGE = 2**20


def promoted(folder: Path, proposal: Proposal) -> None:
    with locked(folder):
        promote(folder, proposal, lambda path: None, LATER, "gate", LARGE)


def in_use(folder: Path) -> bytes:
    return (folder / "current").read_bytes()


def test_a_candidate_that_is_promoted_takes_its_files_along_and_leaves_the_candidates(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, "v1")
    promoted(folder, candidate(folder, "v2", "v1", HOLDS))
    assert in_use(folder) == content("v2")
    assert {f"v2{suffix}" for suffix in (".pt", ".pt.sig", ".onnx", ".report.html")} < names(folder)
    assert names(folder / "candidates") == set()
    generation = known_generation(folder)
    assert generation is not None
    assert (generation.generation, generation.version, generation.before) == (2, "v2", "v1")
    assert (generation.by, generation.why) == ("gate", "promoted")


def test_a_rollback_is_a_new_generation_of_an_old_file(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, "v1")
    promoted(folder, candidate(folder, "v2", "v1", HOLDS))
    put_into_use(folder, "v1", LATER, "person", "rollback")
    assert in_use(folder) == content("v1")
    assert [(each.generation, each.version) for each in read_generations(folder)] == [(2, "v2"), (3, "v1")]


def test_what_was_promoted_before_a_rollback_is_not_promoted_again_where_it_cannot_be_removed(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, "v1")
    proposal = candidate(folder, "v2", "v1", HOLDS)
    promoted(folder, proposal)
    put_into_use(folder, "v1", LATER, "person", "rollback")
    candidate(folder, "v2", "v1", HOLDS)  # as where the candidates are another user's
    assert reasons_to_wait(proposal, "v1", known_generation(folder), frozen=False) == (
        "it was made before v1 came into use",
    )


def test_streams_whose_accepted_data_it_holds_get_it_as_their_anchor(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, "v1")
    promoted(folder, candidate(folder, "v2", "v1", HOLDS, accepted={"pump": 5.0}))
    anchor, generation = read_anchor(folder), known_generation(folder)
    assert anchor is not None
    assert generation is not None
    assert (anchor.version, anchor.streams["pump"].version, anchor.streams["pump"].since_seconds) == ("v1", "v2", 5.0)
    assert generation.why == "accepted"


def test_the_anchor_does_not_move_along_where_none_is_written_down(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, "v1")
    promoted(folder, candidate(folder, "v2", "v1", HOLDS))
    promoted(folder, candidate(folder, "v3", "v2", HOLDS, at=LATER))
    anchor = read_anchor(folder)
    assert anchor is not None
    assert (anchor.version, anchor.by, anchor.streams) == ("v1", "fit", {})


def test_nothing_is_promoted_over_an_anchor_that_cannot_be_read(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, "v1")
    (folder / "anchor.json").write_text("{")
    with pytest.raises(OSError, match="is no anchor"):
        promoted(folder, candidate(folder, "v2", "v1", HOLDS))
    assert in_use(folder) == content("v1")


def test_a_promotion_that_is_killed_at_any_step_leaves_a_whole_version_and_can_be_done_again(tmp_path: Path) -> None:
    step, outcomes = 0, set()
    killed = True
    while killed:
        folder = model_folder(tmp_path / str(step), "v1")
        proposal = candidate(folder, "v2", "v1", HOLDS, accepted={"pump": 5.0})
        killed = dies_at(step, lambda folder=folder, proposal=proposal: promoted(folder, proposal))  # type: ignore[misc]
        version = version_in_use(folder)
        assert version is not None
        outcomes.add(version)
        assert in_use(folder) == content(version)
        if version == "v1":
            promoted(folder, proposal)  # the lock went with the child
            assert in_use(folder) == content("v2")
        generation = known_generation(folder)
        assert generation is not None
        assert generation.version == "v2"
        assert read_generations(folder)[-1] == generation
        assert {"v2.onnx", "v2.pt.sig", "v2.report.html"} < names(folder)
        step += 1
    assert outcomes == {"v1", "v2"}
    assert step > 25


def test_a_rollback_that_is_killed_at_any_step_leaves_a_whole_version(tmp_path: Path) -> None:
    step, outcomes = 0, set()
    killed = True
    while killed:
        folder = model_folder(tmp_path / str(step), "v1", "v2")

        def back(folder: Path = folder) -> None:
            with locked(folder):
                put_into_use(folder, "v1", LATER, "person", "rollback", lambda data: bytes(64))

        killed = dies_at(step, back)
        version = version_in_use(folder)
        assert version is not None
        outcomes.add(version)
        assert in_use(folder) == content(version)
        if version == "v1":
            assert read_generation(folder) is not None  # it was written first
        back()
        assert in_use(folder) == content("v1")
        step += 1
    assert outcomes == {"v1", "v2"}


def test_a_full_disk_leaves_the_version_in_use_and_nothing_half_written(tmp_path: Path) -> None:
    failed = []
    for nbytes in (0, 3, 10, 100, 300, 1100, 5000):
        folder = model_folder(tmp_path / str(nbytes), "v1")
        proposal = candidate(folder, "v2", "v1", HOLDS, accepted={"pump": 5.0})
        failed.append(fails_with_full_disk(nbytes, lambda folder=folder, proposal=proposal: promoted(folder, proposal)))  # type: ignore[misc]
        version = version_in_use(folder)
        assert version is not None
        assert in_use(folder) == content(version)
        assert version == ("v1" if failed[-1] else "v2")
        assert not {name for name in names(folder) if name.startswith(".")}
        if nbytes < len(content("v2")):
            assert not (folder / "v2.pt").exists()
    assert failed == [True, True, True, True, True, False, False]


def test_what_the_daemon_could_not_use_is_not_promoted_and_leaves_no_copy(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, "v1")
    proposal = candidate(folder, "v2", "v1", HOLDS)
    before = names(folder)

    def refuses(path: Path) -> None:
        assert path.read_bytes() == content("v2")
        raise ValueError("golden windows do not match")

    with pytest.raises(ValueError, match="golden windows"):
        promote(folder, proposal, refuses, LATER, "gate", LARGE)
    assert names(folder) == before
    assert in_use(folder) == content("v1")


def test_only_one_at_a_time_changes_what_is_in_use(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, "v1")
    proposal = candidate(folder, "v2", "v1", HOLDS)
    with locked(folder), pytest.raises(LockedError, match="somebody else is changing"):
        promoted(folder, proposal)
    assert in_use(folder) == content("v1")
    promoted(folder, proposal)


def test_the_lock_that_one_user_made_can_be_taken_by_another_whatever_the_umask(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, "v1")
    before = os.umask(0o077)
    try:
        with locked(folder):
            pass
    finally:
        os.umask(before)
    assert (folder / "lock").stat().st_mode & 0o777 == 0o644


def test_no_lock_is_taken_through_a_link(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "m", "v1")
    (folder / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"), locked(folder):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_that_is_not_the_one_that_was_checked_is_not_copied(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, "v1")
    proposal = candidate(folder, "v2", "v1", HOLDS)
    (folder / "candidates" / "v2.pt").write_bytes(b"another")
    with pytest.raises(CandidateError, match="is not the file that was checked"):
        copy_in(folder, proposal, LARGE)
    assert "v2.pt" not in names(folder)


def test_no_candidate_replaces_a_version_that_is_there(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, "v1")
    proposal = candidate(folder, "v1", "v0", HOLDS)  # the same artifact, and another report and ONNX model
    assert copy_in(folder, proposal, LARGE) == []
    assert (folder / "v1.report.html").read_text() == "report"
    assert "v1.onnx" not in names(folder)
    (folder / "v1.pt").write_bytes(b"mine")
    with pytest.raises(CandidateError, match="is there already"):
        copy_in(folder, proposal, LARGE)
    assert (folder / "v1.pt").read_bytes() == b"mine"


@pytest.mark.parametrize("name", ["v2.pt", "v2.report.html", "v2.json"])
def test_links_and_pipes_among_the_candidates_are_not_read(tmp_path: Path, name: str) -> None:
    folder = model_folder(tmp_path / "m", "v1")
    proposal = candidate(folder, "v2", "v1", HOLDS)
    secret = tmp_path / "secret"
    secret.write_bytes((folder / "candidates" / name).read_bytes())
    for trap in (lambda path: path.symlink_to(secret), os.mkfifo):
        (folder / "candidates" / name).unlink()
        trap(folder / "candidates" / name)
        if name == "v2.json":
            (found,) = candidates_in(folder)
            assert found.proposal is None
            assert "cannot be read" in found.problem
        else:
            with pytest.raises(OSError, match=r"link|FIFO"):
                copy_in(folder, proposal, LARGE)
            assert not {each for each in names(folder) if each.startswith(("v2", ".v2"))}


def test_a_candidate_without_a_proposal_is_still_being_written(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, "v1")
    candidate(folder, "v2", "v1", HOLDS)
    (folder / "candidates" / "v2.json").unlink()
    assert candidates_in(folder) == []


def test_the_newest_candidate_comes_first_and_a_proposal_for_another_version_counts_for_nothing(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, "v1")
    candidate(folder, "v2", "v1", HOLDS, at=LATER)
    older = candidate(folder, "v3", "v1", HOLDS)
    (folder / "candidates" / "v4.pt").write_bytes(b"")
    (folder / "candidates" / "v4.json").write_text(older.model_dump_json())
    found = candidates_in(folder)
    assert [each.version for each in found] == ["v2", "v3", "v4"]
    assert (found[2].proposal, found[2].problem) == (None, "its proposal is of another")


def test_candidates_behind_a_link_are_none(tmp_path: Path) -> None:
    folder, other = model_folder(tmp_path / "m", "v1"), model_folder(tmp_path / "n", "v1")
    candidate(other, "v2", "v1", HOLDS)
    (folder / "candidates").symlink_to(other / "candidates")
    assert candidates_in(folder) == []
