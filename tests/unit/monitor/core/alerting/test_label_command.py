"""The payload of `label` and `accept` becomes one request, or one refusal that says what to publish instead."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.alerting.label_command import MAX_LABEL_BYTES, parse_label_command
from monitor.core.history.label import OPEN, LabelError
from monitor.core.history.label_request import LabelRequest
from monitor.core.history.labelled_alert import LabelledAlert
from monitor.core.values.discards import Discard, Reason

NOW = 1_772_370_000.0  # 2026-03-01T13:00:00Z


def parsed(command: str, payload: Any, now: float = NOW) -> LabelRequest | Discard:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return parse_label_command("north.press", command, body, now)


def request(command: str, payload: Any) -> LabelRequest:
    found = parsed(command, payload)
    assert isinstance(found, LabelRequest), found
    return found


@pytest.mark.parametrize(
    ("since", "until"),
    [
        (NOW - 3600, NOW),
        (1772366400, 1772370000),
        ("2026-03-01T12:00:00Z", "2026-03-01T14:00:00+01:00"),
        ("1h ago", "now"),
    ],
)
def test_a_label_says_when_in_numbers_or_words(since: object, until: object) -> None:
    label = request("label", {"kind": "confirmed", "from": since, "to": until, "who": "ann", "note": "bearing"}).label()
    assert (label.stream, label.kind, label.who, label.note) == ("north.press", "confirmed", "ann", "bearing")
    assert (label.from_seconds, label.to_seconds, label.at_seconds) == (NOW - 3600, NOW, NOW)
    assert label.source == "mqtt"


def test_a_label_without_an_end_is_open_and_one_without_a_name_is_of_mqtt() -> None:
    label = request("label", {"kind": "bad", "from": NOW - 1}).label()
    assert (label.to_seconds, label.who) == (OPEN, "mqtt")


def test_an_alert_brings_its_interval_along() -> None:
    asked = request("label", {"kind": "false_alarm", "alert": "6f0c2c1e"})
    assert asked.alert == "6f0c2c1e"
    over = asked.label(LabelledAlert("6f0c2c1e", "north.press", NOW - 900, NOW - 300))
    assert (over.from_seconds, over.to_seconds) == (NOW - 900, NOW - 300)
    still_open = asked.label(LabelledAlert("6f0c2c1e", "north.press", NOW - 900, OPEN))
    assert still_open.to_seconds == NOW


def test_an_alert_of_another_stream_is_refused() -> None:
    asked = request("label", {"kind": "false_alarm", "alert": "6f0c2c1e"})
    with pytest.raises(LabelError, match="of stream south"):
        asked.label(LabelledAlert("6f0c2c1e", "south", NOW - 900, NOW))


def test_accept_is_the_new_normal_without_an_end() -> None:
    asked = request("accept", {"since": NOW - 7200, "who": "ann"})
    label = asked.label()
    assert (label.kind, label.source, label.to_seconds) == ("new_normal", "accept", OPEN)
    assert asked.command == "accept"


def test_the_same_command_has_the_same_key_and_another_has_another() -> None:
    payload = {"kind": "bad", "from": NOW - 5, "to": NOW}
    key = request("label", payload).key
    assert request("label", payload).key == key
    others = [parsed("label", payload, NOW + 1), parsed("label", payload | {"who": "ben"})]
    assert all(isinstance(other, LabelRequest) and other.key != key for other in others)


@pytest.mark.parametrize(
    ("command", "payload", "reason"),
    [
        ("label", b"", Reason.MALFORMED),
        ("label", b"{", Reason.MALFORMED),
        ("label", {"kind": "fine", "from": NOW, "to": NOW + 1}, Reason.MALFORMED),
        ("label", {"from": NOW - 1, "to": NOW}, Reason.MALFORMED),
        ("label", {"kind": "bad", "from": NOW - 1, "until": NOW}, Reason.MALFORMED),
        ("label", {"kind": "bad", "from": True, "to": NOW}, Reason.MALFORMED),
        ("label", {"kind": "bad"}, Reason.BAD_LABEL),
        ("label", {"kind": "bad", "from": NOW, "to": NOW - 1}, Reason.BAD_LABEL),
        ("label", {"kind": "bad", "from": "2026-03-01T12:00", "to": NOW}, Reason.BAD_LABEL),  # in which zone?
        ("label", {"kind": "bad", "from": "yesterday", "to": NOW}, Reason.BAD_LABEL),
        ("label", {"kind": "bad", "from": NOW * 1000, "to": NOW * 1000 + 1}, Reason.BAD_LABEL),
        ("label", {"kind": "bad", "from": NOW - 1, "to": NOW, "who": ""}, Reason.BAD_LABEL),
        ("label", {"kind": "bad", "from": NOW - 1, "to": NOW, "note": "\x1b[2J"}, Reason.BAD_LABEL),
        ("label", {"kind": "bad", "alert": "6f0c2c1e", "from": NOW - 1}, Reason.BAD_LABEL),
        ("label", {"kind": "bad", "alert": "../x"}, Reason.BAD_LABEL),
        ("label", {"kind": "false_alarm", "from": NOW - 1, "to": NOW + 3600}, Reason.BAD_LABEL),
        ("label", {"kind": "false_alarm", "from": NOW - 1}, Reason.BAD_LABEL),
        ("accept", {}, Reason.MALFORMED),
        ("accept", {"since": NOW + 3600}, Reason.BAD_LABEL),
        ("accept", b" " * (MAX_LABEL_BYTES + 1), Reason.TOO_LARGE),
    ],
)
def test_anything_else_is_refused_with_its_reason(command: str, payload: Any, reason: Reason) -> None:
    found = parsed(command, payload)
    assert isinstance(found, Discard)
    assert found.reason is reason


def test_json_that_is_no_number_is_refused() -> None:
    found = parsed("label", b'{"kind": "bad", "from": 1e999, "to": 1}')
    assert isinstance(found, Discard)


@given(st.text(max_size=20), st.sampled_from(["label", "accept"]), st.binary(max_size=300))
def test_whatever_comes_is_a_request_or_a_printable_refusal(stream: str, command: str, payload: bytes) -> None:
    found = parse_label_command(stream, command, payload, NOW)
    if isinstance(found, Discard):
        assert found.detail.isprintable()
        assert len(found.detail) < 400
    else:
        assert found.stream == stream
