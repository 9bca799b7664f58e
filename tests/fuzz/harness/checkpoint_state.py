# Bytes become a state, which survives a round trip, or a StateError; nothing else is raised.
"""The content of a checkpoint, behind its checksum."""

from monitor.core.values.snapshots import StateError, decode_state, encode_state


def one(data: bytes) -> None:
    try:
        state = decode_state(data)
    except StateError:
        return
    try:
        encoded = encode_state(state)
    except RecursionError:
        return
    assert encode_state(decode_state(encoded)) == encoded
