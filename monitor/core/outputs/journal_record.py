"""What the journal keeps of one step of the pipeline: what came, and when. The pipeline makes the rest of it again.

Layout: msgpack, an array. Of version 2:

    [2, wall_seconds, {source name: resume}, messages or nil]
    messages: [[topic, ...], [number of the topic, ...], [payload, ...], [arrival_seconds, ...], flags]

where the topics stand once each and `flags` are bytes, one for each message (see `MessageBatch`). The layout without a
version, which earlier versions of the program wrote, is read as well:

    [wall_seconds, [[topic, payload, arrival_seconds, receipt or nil, retained], ...] or nil]
    receipt: [session number * 65536 + packet identifier, QoS, checksum]
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from monitor.core.values.messages import ACKNOWLEDGE, Message, MessageBatch, TopicTable

_VERSION = 2
_UNVERSIONED = 0x92  # how a record of the layout without a version begins: an array of two


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step.

    wall_seconds: epoch. messages: those to be replayed, in order, without tokens; None where the step was housekeeping.
    resume: what each source has to know once the step is committed, by the source's name.
    """

    wall_seconds: float
    messages: MessageBatch | None
    resume: Mapping[str, bytes] = field(default_factory=dict)


class RecordError(ValueError):
    """The bytes are no record of a step; the text says why."""


class _Messages(msgspec.Struct, array_like=True, gc=False, frozen=True):
    topics: list[str]
    topic: list[int]
    payload: list[bytes]
    arrival_seconds: list[float]
    flags: bytes


class _Record(msgspec.Struct, array_like=True, gc=False, frozen=True):
    version: int
    wall_seconds: float
    resume: dict[str, bytes]
    messages: _Messages | None


class _OldMessage(msgspec.Struct, array_like=True, gc=False, frozen=True):
    topic: str
    payload: bytes
    arrival_seconds: float
    receipt: tuple[int, int, int] | None
    retained: bool


class _OldRecord(msgspec.Struct, array_like=True, gc=False, frozen=True):
    wall_seconds: float
    messages: list[_OldMessage] | None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Record).decode
_decode_old = msgspec.msgpack.Decoder(_OldRecord).decode


def encode_step(record: StepRecord) -> bytes:
    """A record as bytes, without tokens."""
    batch = record.messages
    return _encode(
        (_VERSION, record.wall_seconds, record.resume, None if batch is None else _columns_of(batch)),
    )


def _columns_of(batch: MessageBatch) -> _Messages:
    # only the topics that are used, numbered in the order in which they come
    used = {topic: number for number, topic in enumerate(dict.fromkeys(batch.topic))}
    texts = batch.topics.texts
    return _Messages(
        [texts[topic] for topic in used],
        [used[topic] for topic in batch.topic],
        batch.payload,
        batch.arrival_seconds,
        bytes(batch.flags),
    )


def decode_step(data: bytes) -> StepRecord:
    """Bytes as a record; the opposite of `encode_step`.

    Raises:
        RecordError: the bytes are damaged, or of a later version.

    """
    try:
        if data[:1] == bytes([_UNVERSIONED]):
            return _from_unversioned(_decode_old(data))
        record = _decode(data)
        if record.version != _VERSION:
            raise RecordError(f"no record of a step: of version {record.version}, this program reads {_VERSION}")
        messages = None if record.messages is None else _batch_of(record.messages)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RecordError(f"no record of a step: {error}") from None
    return StepRecord(record.wall_seconds, messages, record.resume)


def _batch_of(columns: _Messages) -> MessageBatch:
    count, topics = len(columns.topic), len(columns.topics)
    if not len(columns.payload) == len(columns.arrival_seconds) == len(columns.flags) == count:
        raise RecordError("no record of a step: its columns are of different lengths")
    if count and not 0 <= min(columns.topic) <= max(columns.topic) < topics:
        raise RecordError("no record of a step: a message has a topic that is not there")
    if columns.flags and max(columns.flags) >= 2 * ACKNOWLEDGE:
        raise RecordError("no record of a step: a message has flags that there are not")
    table = TopicTable()
    numbers = [table.number_of(text) for text in columns.topics]
    return MessageBatch(
        table,
        [numbers[number] for number in columns.topic],
        columns.payload,
        columns.arrival_seconds,
        [flags & ~ACKNOWLEDGE for flags in columns.flags],
        [],
    )


def _from_unversioned(record: _OldRecord) -> StepRecord:
    if record.messages is None:
        return StepRecord(record.wall_seconds, None)
    batch = MessageBatch.of(
        Message(each.topic, each.payload, each.arrival_seconds, retained=each.retained) for each in record.messages
    )
    receipts = [each.receipt for each in record.messages if each.receipt is not None]
    try:  # as the source of MQTT resumes now, see `monitor/adapters/mqtt/inbound_session.py`
        resume = b"".join(struct.pack("<HI", number & 0xFFFF, content) for number, _, content in receipts)
    except struct.error as error:
        raise RecordError(f"no record of a step: a receipt of another size: {error}") from None
    return StepRecord(record.wall_seconds, batch, {"mqtt": resume} if resume else {})
