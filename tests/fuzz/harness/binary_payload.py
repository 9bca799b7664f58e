# Any bytes give blocks or exactly one refusal per payload; payloads do not affect one another.
"""Packed binary payloads."""

from typing import Any

from tests.fuzz.decoding import check_decoder

_SETTINGS: list[dict[str, Any]] = [
    {"kind": "binary", "encoding": "f32"},
    {"kind": "binary", "encoding": "f64", "byte_order": "big", "layout": "planar"},
    {"kind": "binary", "encoding": "i16", "scale": -1e300, "offset": 1e308},
    {"kind": "binary", "encoding": "i16", "byte_order": "big", "scale": 0.001},
]


def one(data: bytes) -> None:
    check_decoder(_SETTINGS, data)
