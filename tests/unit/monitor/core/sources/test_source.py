"""What a source may be: topics of a broker or a file, and never half of either."""

from typing import Any

import pytest
from pydantic import ValidationError

from monitor.core.sources.source import SourceSpec


def source(**settings: Any) -> SourceSpec:
    return SourceSpec.model_validate({"name": "s", "model": "m", "format": {"kind": "csv"}, **settings})


def test_a_source_with_a_topic_admits_what_the_topic_matches() -> None:
    assert source(topic="plant/{device}").pattern.match("plant/a") == {"device": "a"}


def test_a_file_admits_exactly_its_own_topic() -> None:
    pattern = source(file="-", stream="press").pattern
    assert pattern.match("file/s") == {}
    assert pattern.match("file/other") is None


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({}, "exactly one of `topic`, `file`"),
        ({"topic": "a/{b}", "file": "x.jsonl"}, "exactly one of `topic`, `file`"),
        ({"file": "", "stream": "press"}, "at least 1 character"),
        ({"file": "x.jsonl", "stream": "press", "qos": 1}, "lines of a file have neither"),
        ({"file": "x.jsonl", "stream": "press", "accept_retained": True}, "lines of a file have neither"),
        ({"file": "x.jsonl"}, "no placeholder to name the stream by"),
    ],
)
def test_what_is_neither_or_both_is_refused(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        source(**settings)


@pytest.mark.parametrize("settings", [{"topic": "a/{b}", "qos": 2}, {"file": "x.jsonl", "stream": "press"}])
def test_settings_come_back_from_the_head_of_a_capture(settings: dict[str, Any]) -> None:
    spec = source(**settings)
    assert SourceSpec.model_validate_json(spec.model_dump_json(exclude_none=True)) == spec
