"""How a model's folder stands is read from what lies there, whatever was interrupted or put there by hand."""

from datetime import timedelta
from pathlib import Path

from monitor.adapters.artifacts.champion import promote, put_into_use
from monitor.adapters.artifacts.frozen_file import freeze, unfreeze
from monitor.adapters.artifacts.generation_file import write_generation
from monitor.adapters.artifacts.standing import Standing, standing_of
from monitor.core.artifact.proposal import Proposal
from monitor.settings.whole_file import point_link
from tests.model_folders import FAILS, HOLDS, THEN, candidate, content, model_folder, rolled_back

LATER = THEN + timedelta(hours=1)


def promoted(folder: Path, proposal: Proposal) -> None:
    promote(folder, proposal, lambda path: None, LATER, "gate", 2**20)


def test_a_folder_of_before_there_were_generations_stands_at_the_first(tmp_path: Path) -> None:
    standing = standing_of(model_folder(tmp_path, "v1"))
    assert (standing.version, standing.number, standing.generation, standing.candidate) == ("v1", 1, None, None)


def test_an_artifact_of_its_own_has_no_standing(tmp_path: Path) -> None:
    assert standing_of(model_folder(tmp_path, "v1") / "v1.pt") == Standing()


def test_a_candidate_that_nothing_speaks_against_is_promotable_and_others_tell_why_not(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, "v1")
    candidate(folder, "v2", "v1", HOLDS)
    assert standing_of(folder).promotable
    freeze(folder, "me", THEN, "holidays")
    assert standing_of(folder).reasons == ("the model is frozen",)
    unfreeze(folder)
    assert standing_of(folder).promotable
    candidate(folder, "v3", "v1", HOLDS, FAILS, at=LATER)
    standing = standing_of(folder)
    assert standing.candidate is not None
    assert (standing.candidate.version, standing.reasons) == ("v3", (FAILS.text,))


def test_whatever_lies_at_frozen_freezes(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, "v1")
    (folder / "frozen").mkdir()
    standing = standing_of(folder)
    assert standing.frozen is not None
    assert not standing.promotable


def test_what_was_in_use_before_is_no_candidate_any_more(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, "v1")
    promoted(folder, candidate(folder, "v2", "v1", HOLDS))
    candidate(folder, "v2", "v1", HOLDS)  # as where the daemon may not remove it
    assert standing_of(folder).candidate is None
    put_into_use(folder, "v1", LATER, "person", "rollback")
    assert standing_of(folder).candidate is None


def test_an_interrupted_promotion_is_still_to_be_done(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, "v1")
    candidate(folder, "v2", "v1", HOLDS)
    (folder / "v2.pt").write_bytes(content("v2"))
    write_generation(folder, rolled_back("v2", "v1"), None)
    standing = standing_of(folder)
    assert (standing.version, standing.generation, standing.promotable) == ("v1", None, True)


def test_where_current_is_no_link_to_a_version_nothing_is_promotable(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "m", "v1")
    candidate(folder, "v2", "v1", HOLDS)
    (tmp_path / "v9.pt").write_bytes(b"x")
    point_link(folder / "current", "../v9.pt")
    assert standing_of(folder).reasons == ("`current` is no link to a version of this folder",)


def test_what_turned_out_not_to_be_usable_waits_for_that_reason_until_another_comes(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, "v1")
    candidate(folder, "v2", "v1", HOLDS)
    standing = standing_of(folder)
    assert standing.blocked("v2", "damaged").reasons == ("damaged",)
    assert not standing.blocked("v2", "damaged").promotable
    assert standing.blocked("v3", "damaged") is standing
