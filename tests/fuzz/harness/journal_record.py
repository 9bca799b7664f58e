# Bytes become a record of a step, which survives a round trip and can be walked through, or a RecordError.
"""Records of the journal."""

from monitor.core.outputs.journal_record import RecordError, decode_step, encode_step
from monitor.core.values.messages import Message


def one(data: bytes) -> None:
    try:
        record = decode_step(data)
    except RecordError:
        return
    encoded = encode_step(record)
    assert encode_step(decode_step(encoded)) == encoded
    assert isinstance(record.wall_seconds, float)
    for name, resume in record.resume.items():
        assert isinstance(name, str)
        assert isinstance(resume, bytes)
    for message in () if record.messages is None else record.messages.rows():
        assert isinstance(message, Message)
        assert isinstance(message.topic, str)
        assert isinstance(message.payload, bytes)
        assert isinstance(message.arrival_seconds, float)
        assert message.token is None
