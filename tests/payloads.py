"""Payloads as a source brings them."""

from collections.abc import Sequence

from monitor.core.values.messages import Message, MessageBatch


def batch_of(payloads: Sequence[bytes], topic: str = "plant/a") -> MessageBatch:
    """Messages with these payloads, all of one topic."""
    return MessageBatch.of([Message(topic, payload, 0.0) for payload in payloads])


# spellings that Python or others take for numbers, and that are none here
NOT_NUMBERS = [
    "nan",
    "inf",
    "Infinity",
    "1_000",
    "0x10",
    "1,5",
    "1 2",
    "",
    " ",
    "--1",
    "1e",
    "e5",
    "٣",
    "true",
    "1\0",
    "1;",
]
