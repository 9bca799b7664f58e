"""What the journal keeps of one step of the pipeline: what came, and when. The pipeline makes the rest of it again."""

import msgspec

from monitor.core.values.messages import Message


class StepRecord(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """One step. messages: those to be replayed, in order; None where the step was housekeeping."""

    wall_seconds: float
    messages: list[Message] | None


class RecordError(ValueError):
    """The bytes are no record of a step; the text says why."""


encode_step = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(StepRecord).decode


def decode_step(data: bytes) -> StepRecord:
    """Bytes as a record; the opposite of `encode_step`.

    Raises:
        RecordError: the bytes are damaged.

    """
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RecordError(f"no record of a step: {error}") from None
