"""Limits of 0 in a CONNACK: MQTT 5 forbids them, and the library gives up without a reason where it meets one.

The layout of properties: MQTT 5.0, section 2.2.2.2. Pure.
"""

_RECEIVE_MAXIMUM, _MAXIMUM_PACKET_SIZE, _USER_PROPERTY = 0x21, 0x27, 0x26
_BYTES = {
    **dict.fromkeys((0x24, 0x25, 0x28, 0x29, 0x2A), 1),
    **dict.fromkeys((0x13, _RECEIVE_MAXIMUM, 0x22), 2),
    **dict.fromkeys((0x11, _MAXIMUM_PACKET_SIZE), 4),
}
_NAMES = {_RECEIVE_MAXIMUM: "receive maximum", _MAXIMUM_PACKET_SIZE: "maximum packet size"}


def limit_of_nothing(body: bytes) -> str | None:
    """Name the limit that a CONNACK sets to 0; None where it sets none so, or cannot be read.

    body: the packet behind its length.
    """
    position = 2
    while position < len(body) and body[position] > 127:  # the length of the properties
        position += 1
    position += 1
    while position < len(body):
        kind, position = body[position], position + 1
        size = _BYTES.get(kind)
        if size is None:
            for _ in range(2 if kind == _USER_PROPERTY else 1):  # texts, with their length
                position += 2 + int.from_bytes(body[position : position + 2], "big")
            continue
        if kind in _NAMES and not any(body[position : position + size]):
            return _NAMES[kind]
        position += size
    return None
