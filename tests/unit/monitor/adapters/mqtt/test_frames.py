"""Bytes to messages: whole, byte by byte, and with whatever follows; never more memory than one large message."""

import struct
from itertools import pairwise
from typing import NamedTuple
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.adapters.mqtt import frames as mqtt_frames
from monitor.adapters.mqtt.frames import FrameError, FrameReader
from monitor.adapters.mqtt.inbound_session import InboundSession
from monitor.adapters.mqtt.outbound_session import OutboundSession
from monitor.core.values.messages import Message

PINGRESP = b"\xd0\x00"
CONNACK = b"\x20\x03\x00\x00\x00"
MAX_PAYLOAD_BYTES = 300


class Publish(NamedTuple):
    topic: bytes
    payload: bytes
    qos: int = 0
    packet_id: int = 1
    retain: bool = False
    duplicate: bool = False
    properties: bytes = b""

    def encode(self, *, mqtt5: bool) -> bytes:
        body = struct.pack("!H", len(self.topic)) + self.topic
        if self.qos:
            body += struct.pack("!H", self.packet_id)
        if mqtt5:
            body += variable_integer(len(self.properties)) + self.properties
        flags = self.duplicate << 3 | self.qos << 1 | self.retain
        return bytes([0x30 | flags]) + variable_integer(len(body) + len(self.payload)) + body + self.payload


def variable_integer(value: int) -> bytes:
    encoded = b""
    while True:
        value, seven_bits = value >> 7, value & 127
        encoded += bytes([seven_bits | (128 if value else 0)])
        if not value:
            return encoded


def reader(*, mqtt5: bool = True, max_payload_bytes: int = MAX_PAYLOAD_BYTES) -> FrameReader:
    return FrameReader(mqtt5, max_payload_bytes, InboundSession(), OutboundSession(mqtt5=mqtt5))


def checksum(publish: Publish) -> int:
    return crc32(publish.payload[: MAX_PAYLOAD_BYTES + 1], crc32(publish.topic))


def feed_in_pieces(frames: FrameReader, data: bytes, cuts: list[int]) -> list[Message]:
    bounds = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [message for start, stop in pairwise(bounds) for message in frames.feed(data[start:stop], 7.0).rows()]


topics = st.text(st.characters(exclude_categories=["Cs"]), max_size=30).map(str.encode)
publishes = st.builds(
    Publish,
    topic=topics,
    payload=st.binary(max_size=MAX_PAYLOAD_BYTES + 50),
    qos=st.integers(0, 2),
    retain=st.booleans(),
    properties=st.binary(max_size=200),
)


@given(st.lists(publishes, max_size=8), st.booleans(), st.lists(st.integers(0, 5000), max_size=10))
def test_messages_come_out_the_same_however_the_stream_is_cut(
    sent: list[Publish], mqtt5: bool, cuts: list[int]
) -> None:
    sent = [publish._replace(packet_id=number + 1) for number, publish in enumerate(sent)]
    stream = b"".join(publish.encode(mqtt5=mqtt5) + PINGRESP for publish in sent)
    frames = reader(mqtt5=mqtt5)
    got = feed_in_pieces(frames, stream, cuts)
    assert got == [
        Message(
            publish.topic.decode(),
            publish.payload[: MAX_PAYLOAD_BYTES + 1],
            7.0,
            (publish.packet_id, publish.qos, checksum(publish)) if publish.qos else None,
            publish.retain,
            publish.qos,
        )
        for publish in sent
    ]
    assert bytes(frames.passed) == PINGRESP * len(sent)


@given(st.lists(publishes, min_size=1, max_size=4), st.booleans())
def test_byte_by_byte_is_the_same_as_at_once(sent: list[Publish], mqtt5: bool) -> None:
    sent = [publish._replace(packet_id=number + 1) for number, publish in enumerate(sent)]
    stream = b"".join(publish.encode(mqtt5=mqtt5) for publish in sent)
    slow = reader(mqtt5=mqtt5)
    drops = [message for byte in stream for message in slow.feed(bytes([byte]), 7.0).rows()]
    assert drops == list(reader(mqtt5=mqtt5).feed(stream, 7.0).rows())


@given(st.binary(max_size=500), st.booleans(), st.lists(st.integers(0, 500), max_size=5))
def test_any_bytes_are_messages_or_a_frame_error(data: bytes, mqtt5: bool, cuts: list[int]) -> None:
    frames = reader(mqtt5=mqtt5)
    try:
        messages = feed_in_pieces(frames, data, cuts)
    except FrameError:
        return
    assert all(len(message.payload) <= MAX_PAYLOAD_BYTES + 1 for message in messages)


@pytest.mark.parametrize("qos", [0, 1])
def test_a_huge_message_is_cut_and_its_rest_never_held(qos: int) -> None:
    size = 3_000_000
    whole = Publish(b"plant/a", bytes(size), qos).encode(mqtt5=True)
    frames = reader()
    messages: list[Message] = []
    most_held = 0
    for start in range(0, len(whole), 1000):
        messages += frames.feed(whole[start : start + 1000], 7.0).rows()
        most_held = max(most_held, len(frames._partial))
    messages += frames.feed(Publish(b"plant/a", b"next").encode(mqtt5=True), 7.0).rows()
    assert [len(message.payload) for message in messages] == [MAX_PAYLOAD_BYTES + 1, 4]
    assert most_held < 150_000


def test_endless_properties_count_as_a_huge_message() -> None:
    sent = Publish(b"plant/a", b"1", qos=1, properties=bytes(500_000)).encode(mqtt5=True)
    frames = reader()
    messages = [m for start in range(0, len(sent), 1000) for m in frames.feed(sent[start : start + 1000], 7.0).rows()]
    messages += frames.feed(Publish(b"plant/b", b"next").encode(mqtt5=True), 7.0).rows()
    assert [(m.topic, len(m.payload)) for m in messages] == [("plant/a", MAX_PAYLOAD_BYTES + 1), ("plant/b", 4)]
    assert (messages[0].token or ())[:2] == (1, 1)


def test_a_topic_that_is_no_utf8_comes_through_with_replacement_characters() -> None:
    (message,) = reader().feed(Publish(b"plant/\xff\xfe", b"1").encode(mqtt5=True), 7.0).rows()
    assert message.topic == "plant/��"


def test_a_topic_is_decoded_once() -> None:
    batch = reader().feed(Publish(b"plant/a", b"1").encode(mqtt5=True) * 2, 7.0)
    assert batch.topics.texts == ["plant/a"]
    assert batch.topic == [0, 0]


@pytest.mark.parametrize(("bound", "most"), [("_MAX_KNOWN_TOPICS", 3), ("_MAX_KNOWN_BYTES", 3 * len("plant/0"))])
def test_topics_without_end_are_not_remembered_without_end(
    monkeypatch: pytest.MonkeyPatch, bound: str, most: int
) -> None:
    monkeypatch.setattr(mqtt_frames, bound, most)
    frames = reader()
    batches = [frames.feed(Publish(b"plant/%d" % number, b"1").encode(mqtt5=True), 7.0) for number in range(20)]
    assert max(len(batch.topics) for batch in batches) <= 3
    # each batch keeps the table that it was made with
    assert [message.topic for batch in batches for message in batch.rows()] == [f"plant/{n}" for n in range(20)]


@pytest.mark.parametrize(
    ("connack", "confirmed"),
    [
        (CONNACK, b""),  # the broker has forgotten our session, so there is nothing to confirm
        (b"\x20\x03\x01\x00\x00", b"\x40\x02\x00\x05"),
        (b"\x20\x03\x00\x88\x00", b"\x40\x02\x00\x05"),  # refused: it says nothing about the session
    ],
)
def test_connack_is_passed_on_and_tells_whether_the_session_is_there(connack: bytes, confirmed: bytes) -> None:
    inbound = InboundSession()
    frames = FrameReader(True, MAX_PAYLOAD_BYTES, inbound, OutboundSession(mqtt5=True))
    receipt = inbound.arrived(5, 1, duplicate=False)
    assert receipt is not None
    frames.feed(connack, 7.0)
    assert bytes(frames.passed) == connack
    inbound.acknowledge(receipt)
    assert inbound.take_replies() == confirmed


def test_pubrel_is_answered_here_and_not_passed_on() -> None:
    inbound = InboundSession()
    frames = FrameReader(True, MAX_PAYLOAD_BYTES, inbound, OutboundSession(mqtt5=True))
    frames.feed(b"\x62\x02\x01\x02", 7.0)
    assert inbound.take_replies() == b"\x70\x02\x01\x02"
    assert not frames.passed


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x30\x02\x00\x09", "shorter than its fields"),
        (b"\x36\x05\x00\x01a\x00\x01\x00", "QoS 3"),
        (b"\x30\xff\xff\xff\xff\x01", "more than four bytes"),
        (b"\x90\xff\xff\xff\x7f", "type 9 claims 268435460 bytes"),
        (b"\x62\x00", "shorter than its fields"),
        (b"\x30\x05\x00\x01a\x05\x00", "shorter than its topic and properties"),
        (b"\x30\x04\x00\x01a\xff", "ends within its properties"),
    ],
)
def test_what_is_no_mqtt_is_told(data: bytes, why: str) -> None:
    with pytest.raises(FrameError, match=why):
        reader().feed(data, 7.0)
