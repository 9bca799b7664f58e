"""Captures: messages as they came, so that what happened can be replayed exactly.

Layout, all integers little-endian:

    magic     8 bytes, the last one is the layout's version
    length    uint32, then so many bytes of JSON: the source settings, so that formats need no guessing
    record    uint32 length, then so many bytes of msgpack: [arrival_seconds, topic, payload, qos, retained]
    record    ...

Records are only ever appended. A recording that was cut off (a crash, a full disk) ends in part of a record: what is
whole is read, and how many bytes are left over is told.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec
from pydantic import TypeAdapter, ValidationError

from monitor.core.sources.source import SourceSpec
from monitor.core.values.messages import Message

_MAGIC = b"RSDCAPT\x01"
_LENGTH = struct.Struct("<I")
_SOURCES = TypeAdapter(tuple[SourceSpec, ...])


class _Record(msgspec.Struct, array_like=True, gc=False, frozen=True):
    arrival_seconds: float
    topic: str
    payload: bytes
    qos: int
    retained: bool


_encode_record = msgspec.msgpack.Encoder().encode
_decode_record = msgspec.msgpack.Decoder(_Record).decode


class CaptureError(ValueError):
    """The file is no capture that can be read; the text says why."""


@dataclass(frozen=True, slots=True)
class Capture:
    """A capture that was opened: iterate it for the messages, in order of arrival.

    sources: what was recorded. message_count: whole messages. leftover_bytes: what a cut-off recording has at its end;
    0 when it was closed properly.
    """

    sources: tuple[SourceSpec, ...]
    message_count: int
    leftover_bytes: int
    _records: memoryview

    def __iter__(self) -> Iterator[Message]:
        """Read the messages one by one, with the QoS that they came with; nothing is left to acknowledge.

        Raises:
            CaptureError: a record is damaged.

        """
        offset = 0
        for number in range(1, self.message_count + 1):
            start = offset + _LENGTH.size
            (length,) = _LENGTH.unpack_from(self._records, offset)
            offset = start + length
            try:
                record = _decode_record(self._records[start:offset])
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise CaptureError(f"message {number} of {self.message_count} is damaged: {error}") from None
            yield Message(
                record.topic, record.payload, record.arrival_seconds, retained=record.retained, qos=record.qos & 3
            )


def encode_header(sources: Iterable[SourceSpec]) -> bytes:
    """Encode what stands at the head of a capture."""
    text = _SOURCES.dump_json(tuple(sources), exclude_none=True)
    return _MAGIC + _LENGTH.pack(len(text)) + text


def encode_message(message: Message) -> bytes:
    """Encode one message, to be appended."""
    record = _Record(message.arrival_seconds, message.topic, message.payload, message.qos, message.retained)
    encoded = _encode_record(record)
    return _LENGTH.pack(len(encoded)) + encoded


def read_capture(data: bytes | memoryview) -> Capture:
    """Open a capture. `data` is not copied: it may be a memory map's view of a file larger than memory.

    Raises:
        CaptureError: not a capture, of another version, or cut off before the first message could be there.

    """
    view = memoryview(data)
    head = bytes(view[: len(_MAGIC)])
    if head[:-1] != _MAGIC[:-1]:
        raise CaptureError("not a capture: it does not begin as `residuald record` begins one")
    if head != _MAGIC:
        raise CaptureError(f"a capture of version {head[-1]}, this program reads version {_MAGIC[-1]}")
    header, end = _cut(view, len(_MAGIC))
    if header is None:
        raise CaptureError("cut off before its source settings were written: there are no messages in it")
    try:
        sources = _SOURCES.validate_json(bytes(header))
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors())
        raise CaptureError(f"its source settings cannot be used: {problems}") from None
    records = view[end:]
    count, offset = 0, 0
    while True:
        record, end = _cut(records, offset)
        if not record:  # none, or one of no bytes: zeros where the file system never wrote
            return Capture(sources, count, len(records) - offset, records)
        count, offset = count + 1, end


def _cut(view: memoryview, offset: int) -> tuple[memoryview | None, int]:
    """Cut out what follows the length at `offset`, and tell where that ends; None where it is not whole."""
    start = offset + _LENGTH.size
    if start > len(view):
        return None, offset
    (length,) = _LENGTH.unpack_from(view, offset)
    end = start + length
    return (view[start:end], end) if end <= len(view) else (None, offset)
