# Any bytes give one sample or exactly one refusal per payload, printable and short.
"""Payloads that are one number as text."""

from tests.fuzz.decoding import check_decoder


def one(data: bytes) -> None:
    check_decoder([{"kind": "number"}], data)
