"""The anchor moves for a stream with the first promoted version that holds data which a person accepted."""

from datetime import UTC, datetime

import pytest

from monitor.core.artifact.anchor import AnchorError, AnchorRecord, StreamAnchor, parse_anchor
from monitor.core.artifact.proposal import Proposal

THEN = datetime(2026, 1, 31, 12, tzinfo=UTC)
ANCHOR = AnchorRecord(version="v1", at=THEN, by="fit", streams={"a": StreamAnchor(version="v2", since_seconds=5.0)})


def proposal(**accepted: float) -> Proposal:
    return Proposal(version="v7", sha256="0" * 64, at=THEN, parent="v6", by="refit", accepted=accepted)


def test_accepted_streams_get_the_promoted_version_and_the_others_keep_theirs() -> None:
    moved = ANCHOR.with_accepted(proposal(b=9.0))
    assert moved.streams == {**ANCHOR.streams, "b": StreamAnchor(version="v7", since_seconds=9.0)}
    assert moved.versions == {"v1", "v2", "v7"}
    assert ANCHOR.with_accepted(proposal(a=8.0)).versions == {"v1", "v7"}
    assert ANCHOR.with_accepted(proposal()) == ANCHOR


def test_an_anchor_is_read_back_as_it_was_written_and_anything_else_is_refused() -> None:
    assert parse_anchor(ANCHOR.model_dump_json().encode()) == ANCHOR
    for text in (b"", b"{}", b'{"version": "../v1", "at": "2026-01-31T12:00:00Z", "by": "fit"}'):
        with pytest.raises(AnchorError):
            parse_anchor(text)


def test_each_stream_is_held_to_its_own_anchor_or_to_that_of_all() -> None:
    assert (ANCHOR.version_of("a"), ANCHOR.version_of("b")) == ("v2", "v1")
