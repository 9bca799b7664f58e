# Any bytes give blocks or exactly one refusal per payload, printable and short; payloads do not affect one another.
"""CSV payloads."""

from typing import Any

from tests.fuzz.decoding import check_decoder

_SETTINGS: list[dict[str, Any]] = [
    {"kind": "csv"},
    {"kind": "csv", "separator": ";", "time_column": True, "skip_lines": 1},
    {"kind": "csv", "separator": "\t", "time_column": True, "timestamp_unit": "iso8601"},
    {"kind": "csv", "time_column": True, "timestamp_unit": "us"},
]


def one(data: bytes) -> None:
    check_decoder(_SETTINGS, data)
