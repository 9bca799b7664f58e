"""Generations count up with every change of what is in use, and an old one that is put back brings nothing back."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.artifact.generation import Generation, GenerationError, brings_back, following, parse_generation
from monitor.core.artifact.manifest import Manifest
from tests.manifests import manifest_fields

THEN = datetime(2026, 1, 31, 12, tzinfo=UTC)
hours = st.integers(-50, 50)
numbers = st.integers(1, 9)


def made(at: datetime, version: str) -> Manifest:
    fields = manifest_fields(version=version)
    fields["provenance"]["created"] = at.isoformat()
    return Manifest.model_validate(fields)


def generation(number: int = 3, version: str = "old", at: datetime = THEN) -> Generation:
    return Generation(generation=number, version=version, at=at, by="person", why="rollback", before="new")


def test_the_first_generation_has_none_before_it() -> None:
    first = following(None, None, "v1", THEN, "fit", "first")
    assert (first.generation, first.before) == (1, None)


def test_what_is_in_use_without_a_word_counts_as_the_first_generation() -> None:
    assert following(None, "v1", "v2", THEN, "gate", "promoted").generation == 2


@given(number=numbers)
def test_each_change_counts_one_further_whatever_comes_into_use(number: int) -> None:
    back = following(generation(number, "new"), "new", "old", THEN, "person", "rollback")
    assert (back.generation, back.version, back.before) == (number + 1, "old", "new")


@given(asked=hours, used=hours, number=numbers, known=st.none() | numbers)
def test_an_older_version_comes_back_by_a_generation_that_is_newer_than_what_is_in_use(
    asked: int, used: int, number: int, known: int | None
) -> None:
    candidate, in_use = made(THEN - timedelta(days=9), "old"), made(THEN + timedelta(hours=used), "new")
    found = brings_back(generation(number, at=THEN + timedelta(hours=asked)), candidate, in_use, known)
    assert found == (asked >= used and (known is None or number > known))


def test_a_generation_speaks_for_its_version_alone() -> None:
    candidate, in_use = made(THEN - timedelta(days=9), "older"), made(THEN - timedelta(days=1), "new")
    assert not brings_back(generation(), candidate, in_use, None)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b'{"generation": 0, "version": "1", "at": "2026-01-31T12:00:00Z", "by": "fit", "why": "first"}',
        b'{"generation": 1, "version": "../1", "at": "2026-01-31T12:00:00Z", "by": "fit", "why": "first"}',
        b'{"generation": 1, "version": "1", "at": "2026-01-31T12:00:00", "by": "fit", "why": "first"}',
        b'{"generation": 1e300, "version": "1", "at": "2026-01-31T12:00:00Z", "by": "fit", "why": "first"}',
    ],
)
def test_what_is_no_generation_is_refused(text: bytes) -> None:
    with pytest.raises(GenerationError):
        parse_generation(text)


def test_a_generation_is_read_back_as_it_was_written() -> None:
    assert parse_generation(generation().model_dump_json().encode()) == generation()
