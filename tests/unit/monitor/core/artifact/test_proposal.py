"""A version is promoted by itself only if something was checked, all of it holds, and it still applies."""

from datetime import UTC, datetime, timedelta

import pytest

from monitor.core.artifact.generation import Generation
from monitor.core.artifact.proposal import Check, Proposal, ProposalError, parse_proposal, reasons_to_wait

THEN = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOLDS = Check(name="budget", holds=True, found=1.0, bound=1.2, text="as many false alarms as before")
FAILS = Check(name="recall", holds=False, found=0.7, bound=0.85, text="slow ramps are found less often")


def proposal(*checks: Check, at: datetime = THEN) -> Proposal:
    return Proposal(version="v2", sha256="0" * 64, at=at, parent="v1", by="refit", checks=checks)


def generation(at: datetime) -> Generation:
    return Generation(generation=4, version="v1", at=at, by="person", why="rollback", before="v2")


def test_a_proposal_is_promotable_only_where_something_was_checked_and_all_of_it_holds() -> None:
    assert proposal(HOLDS).promotable
    assert not proposal().promotable
    assert not proposal(HOLDS, FAILS).promotable


def test_what_holds_for_the_champion_in_use_needs_nobody() -> None:
    assert reasons_to_wait(proposal(HOLDS), "v1", generation(THEN - timedelta(days=1)), frozen=False) == ()
    assert reasons_to_wait(proposal(HOLDS), "v1", None, frozen=False) == ()


def test_each_reason_to_wait_is_told() -> None:
    told = reasons_to_wait(proposal(HOLDS, FAILS), "v0", None, frozen=True)
    assert told == (FAILS.text, "it was compared with v1, and v0 is in use", "the model is frozen")
    assert reasons_to_wait(proposal(), "v1", None, frozen=False) == ("nobody compared it with the version in use",)


def test_a_rollback_is_not_overturned_by_what_was_proposed_before_it() -> None:
    (told,) = reasons_to_wait(proposal(HOLDS), "v1", generation(THEN + timedelta(hours=1)), frozen=False)
    assert told == "it was made before v1 came into use"


def test_what_was_made_in_the_second_in_which_the_champion_came_into_use_may_be_promoted() -> None:
    came = THEN + timedelta(milliseconds=700)
    assert reasons_to_wait(proposal(HOLDS, at=THEN), "v1", generation(came), frozen=False) == ()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        proposal().model_dump_json().encode().replace(b"0" * 64, b"0" * 63),
        proposal().model_dump_json().encode().replace(b'"v2"', b'"../v2"'),
        proposal(HOLDS).model_dump_json().encode().replace(b"1.2", b"1e999"),
        proposal().model_dump_json().encode().replace(b'"by"', b'"who"'),
    ],
)
def test_what_is_no_proposal_is_refused(text: bytes) -> None:
    with pytest.raises(ProposalError):
        parse_proposal(text)


def test_a_proposal_is_read_back_as_it_was_written() -> None:
    assert parse_proposal(proposal(HOLDS, FAILS).model_dump_json().encode()) == proposal(HOLDS, FAILS)
