"""An older artifact takes the place of a newer one by a person's word only, given when the newer one was there."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.artifact.manifest import Manifest
from monitor.core.artifact.rollback import Rollback, RollbackError, allows, is_older, parse_rollback
from tests.manifests import manifest_fields

THEN = datetime(2026, 1, 31, 12, tzinfo=UTC)
hours = st.integers(-50, 50)


def made(at: datetime | str, version: str = "1") -> Manifest:
    fields = manifest_fields(version=version)
    fields["provenance"]["created"] = at if isinstance(at, str) else at.isoformat()
    return Manifest.model_validate(fields)


@given(one=hours, other=hours)
def test_older_is_what_was_made_before(one: int, other: int) -> None:
    first, second = made(THEN + timedelta(hours=one)), made(THEN + timedelta(hours=other))
    assert is_older(first, second) == (one < other)


def test_times_of_other_zones_and_without_a_zone_are_compared_in_utc() -> None:
    assert is_older(made("2026-01-31T13:59:59+02:00"), made("2026-01-31T12:00:00"))
    assert not is_older(made("2026-01-31T14:00:00+02:00"), made("2026-01-31T12:00:00Z"))


def test_what_does_not_tell_when_it_was_made_is_not_older() -> None:
    assert not is_older(made("once upon a time"), made(THEN))
    assert not is_older(made(THEN), made("once upon a time"))


@given(asked=hours, used=hours)
def test_a_rollback_counts_against_what_was_made_before_it_was_given(asked: int, used: int) -> None:
    rollback = Rollback(version="old", at=THEN + timedelta(hours=asked))
    candidate, in_use = made(THEN - timedelta(days=9), "old"), made(THEN + timedelta(hours=used), "new")
    assert allows(rollback, candidate, in_use) == (asked >= used)


def test_a_rollback_speaks_for_its_version_alone() -> None:
    rollback = Rollback(version="old", at=THEN)
    assert not allows(rollback, made(THEN - timedelta(days=9), "older"), made(THEN, "new"))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b'{"version": "1", "at": "2026-01-31T12:00:00"}',
        b'{"version": "../1", "at": "2026-01-31T12:00:00Z"}',
    ],
)
def test_what_is_no_rollback_is_refused(text: bytes) -> None:
    with pytest.raises(RollbackError):
        parse_rollback(text)


def test_a_rollback_is_read_back_as_it_was_written() -> None:
    rollback = Rollback(version="20260131T120000Z-12345678", at=THEN)
    assert parse_rollback(rollback.model_dump_json().encode()) == rollback
