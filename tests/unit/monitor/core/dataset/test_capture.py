"""Captures: what was written is read back, and what a crash or another program left there does no harm."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.dataset.capture import CaptureError, encode_header, encode_message, read_capture
from monitor.core.sources.source import SourceSpec
from monitor.core.values.messages import Message

SOURCES = tuple(
    SourceSpec.model_validate({"name": name, "topic": topic, "model": "motor", "format": settings, "qos": qos})
    for name, topic, settings, qos in [
        ("motors", "plant/{site}/{device}/motor", {"kind": "json", "timestamp": "ts", "rows": "data.rows"}, 0),
        ("probes", "rig/{device}/{channel}", {"kind": "number"}, 1),
        ("raw", "raw/{device}", {"kind": "binary", "encoding": "i16", "scale": 0.001, "layout": "planar"}, 2),
        ("lines", "csv/{device}", {"kind": "csv", "separator": ";", "time_column": True}, 0),
    ]
)

MESSAGES = st.builds(
    Message,
    topic=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
    payload=st.binary(max_size=60),
    arrival_seconds=st.floats(0, 2e9),
    token=st.none(),
    retained=st.booleans(),
    qos=st.integers(0, 2),
)
CAPTURED = st.lists(MESSAGES, max_size=8)


def encode(captured: list[Message]) -> bytes:
    return encode_header(SOURCES) + b"".join(map(encode_message, captured))


@given(CAPTURED)
def test_messages_come_back_in_order_with_the_source_settings(captured: list[Message]) -> None:
    capture = read_capture(encode(captured))
    assert capture.sources == SOURCES
    assert capture.message_count == len(captured)
    assert capture.leftover_bytes == 0
    assert list(capture) == captured


def test_what_was_acknowledged_is_not_acknowledged_again() -> None:
    message = Message("a/b", b"1", 1.0, token=(17, 1, 1), qos=1)
    (captured,) = read_capture(encode([message]))
    assert captured == message._replace(token=None)


@given(CAPTURED, st.data())
def test_a_capture_that_was_cut_off_gives_what_is_whole_and_says_what_is_left(
    captured: list[Message], data: st.DataObject
) -> None:
    header = len(encode([]))
    whole = encode(captured)
    cut = data.draw(st.integers(header, len(whole)))
    capture = read_capture(whole[:cut])
    messages = list(capture)
    assert messages == captured[: len(messages)]
    assert len(encode(captured[: len(messages)])) + capture.leftover_bytes == cut
    if len(messages) < len(captured):
        assert len(encode(captured[: len(messages) + 1])) > cut


def test_blocks_of_zeros_where_the_disk_was_never_written_are_left_over() -> None:
    message = Message("a/b", b"1", 1.0)
    capture = read_capture(encode([message]) + bytes(4096))
    assert list(capture) == [message]
    assert capture.leftover_bytes == 4096


def test_a_capture_can_be_read_through_a_view_and_more_than_once() -> None:
    capture = read_capture(memoryview(encode([Message("a", b"x", 1.0)])))
    assert list(capture) == list(capture)


def test_a_damaged_record_is_named_after_the_ones_before_it_were_given() -> None:
    good = encode_message(Message("a/b", b"1", 1.0))
    capture = iter(read_capture(encode_header(SOURCES) + good + b"\x03\0\0\0\xc1\xc1\xc1" + good))
    assert next(capture).topic == "a/b"
    with pytest.raises(CaptureError, match="message 2 of 3 is damaged"):
        next(capture)


HEADER = encode_header(SOURCES)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "not a capture"),
        (b"RSDCAP", "not a capture"),
        (b"time,a\n1,2\n", "not a capture"),
        (b"RSDCAPT\x02" + HEADER[8:], "a capture of version 2, this program reads version 1"),
        (HEADER[:10], "cut off before its source settings"),
        (HEADER[:-1], "cut off before its source settings"),
        (HEADER[:8] + b"\x02\0\0\0{}", "source settings cannot be used"),
        (HEADER[:8] + b"\x04\0\0\0nope", "source settings cannot be used"),
    ],
)
def test_what_is_no_capture_is_refused_with_the_reason(data: bytes, complaint: str) -> None:
    with pytest.raises(CaptureError, match=complaint):
        read_capture(data)


def test_source_settings_of_another_version_are_named() -> None:
    text = b'[{"name":"a","topic":"a/{b}","model":"m","format":{"kind":"number"},"colour":"red"}]'
    with pytest.raises(CaptureError, match=r"0\.colour: Extra inputs"):
        read_capture(HEADER[:8] + len(text).to_bytes(4, "little") + text)


@given(st.binary(max_size=120), st.sampled_from([b"", HEADER[:8], HEADER]))
def test_any_bytes_are_a_capture_or_a_capture_error(data: bytes, begin: bytes) -> None:
    with suppress(CaptureError):
        list(read_capture(begin + data))
