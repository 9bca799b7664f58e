# Any bytes give blocks or exactly one refusal per payload, printable and short; payloads do not affect one another.
"""JSON payloads."""

from typing import Any

from tests.fuzz.decoding import check_decoder

_SETTINGS: list[dict[str, Any]] = [
    {"kind": "json", "timestamp": "ts", "values": "v"},
    {"kind": "json", "values": "d.v"},
    {"kind": "json", "timestamp": "ts", "timestamp_unit": "ms", "rows": "r"},
    {"kind": "json", "timestamp": "t", "timestamp_unit": "iso8601", "fields": ["a", "b.x"]},
    {"kind": "json", "timestamp": "ts", "timestamp_unit": "ns", "rows": "d.r"},
    {"kind": "json", "rows": "r", "keys": {"device": "d.id", "channel": "a"}},
]


def one(data: bytes) -> None:
    check_decoder(_SETTINGS, data)
