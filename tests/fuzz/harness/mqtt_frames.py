# However the stream is cut, the same messages come out, or a FrameError; nothing else is raised, and memory is bounded.
"""The byte stream of a broker; the first two bytes say how it is cut and which MQTT it is."""

from monitor.adapters.mqtt.frames import FrameError, FrameReader
from monitor.adapters.mqtt.inbound_session import InboundSession
from monitor.adapters.mqtt.outbound_session import OutboundSession
from monitor.core.values.messages import Message

_LIMIT = 64


def one(data: bytes) -> None:
    if len(data) < 3:
        return
    mqtt5, piece = bool(data[0] & 1), 1 + data[1]
    whole = _read([data[2:]], mqtt5)
    pieces = _read([data[at : at + piece] for at in range(2, len(data), piece)], mqtt5)
    assert pieces == whole
    for message in whole or ():
        assert len(message[1]) <= _LIMIT + 1


def _read(parts: list[bytes], mqtt5: bool) -> list[tuple[str, bytes, bool]] | None:
    reader = FrameReader(mqtt5, _LIMIT, InboundSession(), OutboundSession(mqtt5=mqtt5))
    messages: list[Message] = []
    try:
        for part in parts:
            messages += reader.feed(part, 0.0).rows()
    except FrameError:
        return None
    return [(message.topic, bytes(message.payload), message.retained) for message in messages]
