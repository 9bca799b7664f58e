# A file becomes a Capture, whole messages of which are as they were written, or a CaptureError; nothing else is raised.
"""Captures of messages."""

from monitor.core.dataset.capture import CaptureError, encode_message, read_capture


def one(data: bytes) -> None:
    try:
        capture = read_capture(data)
        messages = list(capture)
    except CaptureError:
        return
    assert len(messages) == capture.message_count
    assert 0 <= capture.leftover_bytes < len(data)
    for message in messages:
        again = encode_message(message)
        assert isinstance(again, bytes)
