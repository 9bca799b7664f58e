"""Records of steps: they come back as they were, also those of earlier layouts; anything else is a `RecordError`."""

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.adapters.mqtt.inbound_session import resume_of
from monitor.core.outputs.journal_record import RecordError, StepRecord, decode_step, encode_step
from monitor.core.values.messages import Message, MessageBatch, TopicTable

MESSAGES = st.lists(
    st.builds(
        Message,
        topic=st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
        payload=st.binary(max_size=20),
        arrival_seconds=st.floats(0, 2e9),
        token=st.none() | st.just((1, 1, 1)),
        retained=st.booleans(),
        qos=st.integers(0, 2),
    ),
    max_size=6,
)


@given(MESSAGES, st.floats(0, 2e9), st.dictionaries(st.text(max_size=5), st.binary(max_size=9), max_size=2))
def test_a_step_comes_back_without_its_tokens(
    messages: list[Message], wall_seconds: float, resume: dict[str, bytes]
) -> None:
    table = TopicTable()
    for number in range(3):
        table.number_of(f"not in the record {number}")
    record = decode_step(encode_step(StepRecord(wall_seconds, MessageBatch.of(messages, table), resume)))
    assert (record.wall_seconds, record.resume) == (wall_seconds, resume)
    assert record.messages is not None
    assert list(record.messages.rows()) == [message._replace(token=None) for message in messages]
    assert len(record.messages.topics) == len({message.topic for message in messages})


def test_housekeeping_comes_back_as_such() -> None:
    assert decode_step(encode_step(StepRecord(7.0, None))) == StepRecord(7.0, None)


def test_a_record_of_the_layout_without_a_version_is_read_with_its_receipts() -> None:
    # as it was before records had a version: msgpack of [wall_seconds, messages], with an array for each message
    data = msgspec.msgpack.encode(
        [5.0, [["a/b", b"1", 4.0, [3 << 16 | 17, 1, 99], True], ["a/c", b"2", 4.5, None, False]]]
    )
    record = decode_step(data)
    assert (record.wall_seconds, record.resume) == (5.0, {"mqtt": resume_of([(17, 1, 99)])})
    assert record.messages is not None
    assert list(record.messages.rows()) == [Message("a/b", b"1", 4.0, retained=True), Message("a/c", b"2", 4.5)]
    assert decode_step(msgspec.msgpack.encode([6.0, None])) == StepRecord(6.0, None)


def columns(**changed: object) -> bytes:
    good: dict[str, object] = {
        "topics": ["a", "b"],
        "topic": [0, 1],
        "payload": [b"1", b"2"],
        "arrival_seconds": [1.0, 2.0],
        "flags": b"\0\0",
    }
    assert good.keys() >= changed.keys()
    return msgspec.msgpack.encode([2, 1.0, {}, list((good | changed).values())])


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "truncated"),
        (columns()[:-1], "truncated"),
        (columns(topic=[0, 2]), "topic that is not there"),
        (columns(topic=[0, -1]), "topic that is not there"),
        (columns(topics=[]), "topic that is not there"),
        (columns(topic=[0]), "different lengths"),
        (columns(payload=[b"1"]), "different lengths"),
        (columns(arrival_seconds=[1.0]), "different lengths"),
        (columns(flags=b"\0"), "different lengths"),
        (columns(flags=b"\0\x10"), "flags that there are not"),
        (msgspec.msgpack.encode([3, 1.0, {}, None]), "of version 3, this program reads 2"),
        (b"\x92\xcb\0", "truncated"),
    ],
)
def test_what_is_no_record_is_refused_with_the_reason(data: bytes, why: str) -> None:
    assert decode_step(columns()).messages is not None
    with pytest.raises(RecordError, match=why):
        decode_step(data)


@given(st.binary(max_size=60), MESSAGES, st.data())
def test_any_bytes_are_a_record_or_a_record_error(junk: bytes, messages: list[Message], data: st.DataObject) -> None:
    good = bytearray(encode_step(StepRecord(1.0, MessageBatch.of(messages), {"mqtt": b"x"})))
    good[data.draw(st.integers(0, len(good) - 1))] ^= data.draw(st.integers(0, 255))
    for damaged in (junk, bytes(good)):
        with suppress(RecordError):
            record = decode_step(damaged)
            if record.messages is not None:
                assert len(list(record.messages.rows())) == len(record.messages)
