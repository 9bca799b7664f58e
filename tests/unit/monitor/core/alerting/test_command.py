"""A command's topic and payload become one record within its bounds, or one refusal."""

import json
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.alerting.command import MAX_COMMAND_BYTES, MAX_MUTE_SECONDS, Command, commands_below, parse_command
from monitor.core.values.discards import Discard, Reason
from monitor.core.values.duration import read_seconds


@pytest.mark.parametrize(
    ("payload", "seconds"),
    [
        (b'{"seconds": 7200}', 7200),
        (b' {"seconds": 0.5} ', 0.5),
        (b"2h", 7200),
        (b"90min\n", 5400),
        (b"1.5 d", 129600),
        (b"30d", 2592000),
        (b"45s", 45),
        (b"", 0),
        (b"0", 0),
        (b"0h", 0),
        (b'{"seconds": 0}', 0),
    ],
)
def test_a_mute_takes_seconds_in_json_or_a_duration(payload: bytes, seconds: float) -> None:
    assert parse_command("north.press", "mute", payload) == Command("mute", "north.press", seconds)


@pytest.mark.parametrize("kind", ["relearn", "forget"])
@pytest.mark.parametrize("payload", [b"", b"{}", b" \n"])
def test_relearn_and_forget_take_nothing(kind: Literal["relearn", "forget"], payload: bytes) -> None:
    assert parse_command("north.press", kind, payload) == Command(kind, "north.press")


@pytest.mark.parametrize(
    ("kind", "payload", "reason"),
    [
        ("mute", b"2 hours", Reason.MALFORMED),
        ("mute", b"7200", Reason.MALFORMED),  # of what?
        ("mute", b"-2h", Reason.MALFORMED),
        ("mute", b"nan", Reason.MALFORMED),
        ("mute", b"\xff\xfe", Reason.MALFORMED),
        ("mute", "٢h".encode(), Reason.MALFORMED),
        ("mute", b'{"seconds": "7200"}', Reason.MALFORMED),
        ("mute", b'{"seconds": true}', Reason.MALFORMED),
        ("mute", b'{"seconds": NaN}', Reason.MALFORMED),
        ("mute", b'{"minutes": 5}', Reason.MALFORMED),
        ("mute", b'{"seconds": 5, "stream": "*"}', Reason.MALFORMED),
        ("mute", b"{}", Reason.MALFORMED),
        ("mute", b"{", Reason.MALFORMED),
        ("mute", b'{"seconds": -1}', Reason.BAD_DURATION),
        ("mute", b"31d", Reason.BAD_DURATION),
        ("mute", b'{"seconds": 2592000.1}', Reason.BAD_DURATION),
        ("mute", b" " * (MAX_COMMAND_BYTES + 1), Reason.TOO_LARGE),
        ("relearn", b"now", Reason.MALFORMED),
        ("relearn", b" " * (MAX_COMMAND_BYTES + 1), Reason.TOO_LARGE),
        ("forget", b"now", Reason.MALFORMED),
        ("delete", b"", Reason.UNKNOWN_COMMAND),
        ("", b"", Reason.UNKNOWN_COMMAND),
        ("Mute", b"", Reason.UNKNOWN_COMMAND),
    ],
)
def test_anything_else_is_refused_with_its_reason(kind: str, payload: bytes, reason: Reason) -> None:
    found = parse_command("north.press", kind, payload)
    assert isinstance(found, Discard)
    assert found.reason is reason


@pytest.mark.parametrize("stream", ["", "a b", "a\n", ".a", "a" * 129, 'a"'])
def test_a_stream_must_have_a_safe_name(stream: str) -> None:
    found = parse_command(stream, "mute", b"2h")
    assert isinstance(found, Discard)
    assert found.reason is Reason.BAD_NAME


@given(st.text(max_size=20), st.sampled_from(["mute", "relearn", "forget", "other"]), st.binary(max_size=300))
def test_whatever_comes_is_a_bounded_command_or_a_printable_refusal(stream: str, kind: str, payload: bytes) -> None:
    found = parse_command(stream, kind, payload)
    if isinstance(found, Discard):
        assert found.detail.isprintable()
        assert len(found.detail) < 200
    else:
        assert 0 <= found.seconds <= MAX_MUTE_SECONDS


@given(st.floats(0, MAX_MUTE_SECONDS))
def test_seconds_come_through_as_they_are(seconds: float) -> None:
    assert parse_command("a", "mute", json.dumps({"seconds": seconds}).encode()) == Command("mute", "a", seconds)


@pytest.mark.parametrize("text", ["", "h", "1 h 30min", "1e3s", "2H", ".5h", "5.", "1234567890s"])
def test_what_is_no_duration_is_said_so(text: str) -> None:
    with pytest.raises(ValueError, match="no duration"):
        read_seconds(text)


@pytest.mark.parametrize("base", ["residuald", "plant/one", "a{b}"])
def test_commands_have_a_topic_for_each_stream_below_the_base(base: str) -> None:
    commands = commands_below(base)
    assert commands.subscription == f"{base}/+/set/+"
    assert commands.match(f"{base}/north.press/set/mute") == {"stream": "north.press", "command": "mute"}
    for other in (f"{base}/north.press/get/mute", f"{base}/a/b/set/mute", "other/a/set/mute", f"{base}/a/set/mute/x"):
        assert commands.match(other) is None
