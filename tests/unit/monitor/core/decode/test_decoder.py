"""Decoding, whatever the format: a payload gives blocks or one refusal, never an exception, and never harms another."""

import json
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from monitor.core.decode.decoded import Decoded, Decoder
from monitor.core.decode.decoder import decoder_for
from monitor.core.decode.formats import Format
from monitor.core.values.discards import Discard, Reason
from tests.payloads import batch_of

MAX_PAYLOAD_BYTES = 400

# format, channels, a payload that is good
CASES = {
    "json sample": ({"kind": "json", "timestamp": "ts", "values": "values"}, 3, b'{"ts": 1.5, "values": [1, null, 3]}'),
    "json series": ({"kind": "json", "values": "d.v"}, 1, b'{"d": {"v": [1, 2.5, null]}}'),
    "json rows": (
        {"kind": "json", "timestamp": "ts", "timestamp_unit": "ms", "rows": "r"},
        2,
        b'{"ts": 9, "r": [[1, 2], [3, 4]]}',
    ),
    "json fields": (
        {"kind": "json", "timestamp": "t", "timestamp_unit": "iso8601", "fields": ["a", "b.x"]},
        2,
        b'{"t": "2026-01-31T12:00:00Z", "a": 1, "b": {"x": 2}}',
    ),
    "json keys": (
        {"kind": "json", "rows": "r", "keys": {"device": "a", "channel": "d.x"}},
        2,
        b'{"a": "one", "r": [[1, 2]], "d": {"x": "vib"}}',
    ),
    "number": ({"kind": "number"}, 1, b"21.5\n"),
    "csv": ({"kind": "csv"}, 2, b"1,2\n3,4\n"),
    "csv times": ({"kind": "csv", "separator": ";", "time_column": True, "skip_lines": 1}, 2, b"t;a;b\n1;2;3\n2;;4"),
    "csv iso times": (
        {"kind": "csv", "separator": "\t", "time_column": True, "timestamp_unit": "iso8601"},
        1,
        b"2026-01-31T12:00:00\t1",
    ),
    "f32": ({"kind": "binary", "encoding": "f32"}, 3, bytes(24)),
    "f64 big planar": ({"kind": "binary", "encoding": "f64", "byte_order": "big", "layout": "planar"}, 2, bytes(32)),
    "i16 scaled": ({"kind": "binary", "encoding": "i16", "scale": -1e300, "offset": 1e308}, 1, b"\x01\x02\xff\x7f"),
}


def decoder(case: str) -> Decoder:
    settings, channels, _ = CASES[case]
    return decoder_for(TypeAdapter(Format).validate_python(settings), channels, MAX_PAYLOAD_BYTES)


def blocks(decoded: Decoded) -> list[tuple[int, float, list[list[float]]]]:
    """Each block as (payload, first time, rows), NaN as None's stand-in -1e99 so that lists compare."""
    ends = np.cumsum(decoded.length)
    parts = np.split(decoded.values, ends[:-1]) if len(ends) else []
    times = np.nan_to_num(decoded.first_time_seconds, nan=-1).tolist()
    rows = [np.nan_to_num(part, nan=-1e30, posinf=2e30, neginf=-2e30).tolist() for part in parts]
    return list(zip(decoded.payload.tolist(), times, rows, strict=True))


def check(decoded: Decoded, payloads: list[bytes], channels: int) -> None:
    assert decoded.payload.dtype == np.int64
    assert decoded.first_time_seconds.dtype == np.float64
    assert decoded.length.dtype == np.int64
    assert decoded.values.dtype == np.float32
    assert decoded.values.shape == (decoded.length.sum(), channels)
    assert (decoded.length > 0).all()
    assert decoded.payload.shape == decoded.length.shape == decoded.first_time_seconds.shape
    assert (np.diff(decoded.payload) >= 0).all()
    refused = [index for index, _ in decoded.refused]
    assert refused == sorted(set(refused))
    assert sorted({*decoded.payload.tolist(), *refused}) == list(range(len(payloads)))
    assert not set(decoded.payload.tolist()) & set(refused)
    for values in (decoded.keys or {}).values():
        assert len(values) == len(decoded.length)
        assert all(isinstance(value, str) for value in values)
    for _, discard in decoded.refused:
        assert isinstance(discard, Discard)
        assert len(discard.detail) <= 200
        assert discard.detail.isprintable()


NUMBERS = st.floats(width=64) | st.integers() | st.none() | st.booleans()
KEYS = st.sampled_from(["ts", "t", "values", "r", "v", "d", "a", "b", "x"])
JSON = st.recursive(
    NUMBERS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner),
    max_leaves=12,
)
TEXT = st.text(st.sampled_from("0123456789+-.eE,;\t\n\r _naif٣"), max_size=30)
DEEP = [b"[" * 399, b'{"values":' + b"[" * 380, b'{"d":' * 70]
ODD = [bytes(MAX_PAYLOAD_BYTES + 1), b"", b"1e999", b"\xff" * 24, "٣".encode()]
PAYLOADS = st.lists(
    st.binary(max_size=40)
    | JSON.map(lambda value: json.dumps(value).encode())
    | TEXT.map(str.encode)
    | st.sampled_from([*(payload for _, _, payload in CASES.values()), *DEEP, *ODD]),
    max_size=6,
)


def test_every_format_that_there_is_is_tried_here() -> None:
    union, _ = get_args(Format)
    kinds = {kind for each in get_args(union) for kind in get_args(each.model_fields["kind"].annotation)}
    assert {TypeAdapter(Format).validate_python(settings).kind for settings, _, _ in CASES.values()} == kinds


@pytest.mark.parametrize("case", CASES)
def test_a_good_payload_is_decoded(case: str) -> None:
    _, channels, good = CASES[case]
    decoded = decoder(case).decode(batch_of([good]))
    check(decoded, [good], channels)
    assert not decoded.refused


@pytest.mark.parametrize("case", CASES)
def test_no_payloads_give_no_blocks(case: str) -> None:
    decoded = decoder(case).decode(batch_of([]))
    check(decoded, [], CASES[case][1])


@pytest.mark.parametrize("case", CASES)
@given(payloads=PAYLOADS)
def test_any_bytes_give_blocks_or_one_refusal_each(case: str, payloads: list[bytes]) -> None:
    check(decoder(case).decode(batch_of(payloads)), payloads, CASES[case][1])


@pytest.mark.parametrize("case", CASES)
@given(payloads=PAYLOADS)
def test_payloads_decode_together_as_they_do_alone(case: str, payloads: list[bytes]) -> None:
    made = decoder(case)
    together = made.decode(batch_of(payloads))
    alone = [made.decode(batch_of([payload])) for payload in payloads]
    assert blocks(together) == [(index, time, rows) for index, one in enumerate(alone) for _, time, rows in blocks(one)]
    assert together.refused == tuple((index, one.refused[0][1]) for index, one in enumerate(alone) if one.refused)


@pytest.mark.parametrize("case", CASES)
@given(bad=st.binary(max_size=30), position=st.integers(0, 4))
def test_a_bad_payload_does_not_harm_the_good_ones_around_it(case: str, bad: bytes, position: int) -> None:
    good = CASES[case][2]
    payloads = [good] * 4
    payloads.insert(position, bad)
    decoded = decoder(case).decode(batch_of(payloads))
    expected = blocks(decoder(case).decode(batch_of([good])))
    for index in {0, 1, 2, 3, 4} - {position}:
        assert [(0, time, rows) for payload, time, rows in blocks(decoded) if payload == index] == expected


@pytest.mark.parametrize("case", CASES)
def test_size_is_checked_before_content(case: str) -> None:
    decoded = decoder(case).decode(batch_of([b"", CASES[case][2], b"?" * (MAX_PAYLOAD_BYTES + 1)]))
    assert [(index, discard.reason) for index, discard in decoded.refused] == [(0, Reason.EMPTY), (2, Reason.TOO_LARGE)]
    assert set(decoded.payload.tolist()) == {1}


def test_a_payload_of_exactly_the_limit_is_admitted() -> None:
    payload = b" " * (MAX_PAYLOAD_BYTES - 1) + b"7"
    assert decoder("number").decode(batch_of([payload])).values.tolist() == [[7]]


@pytest.mark.parametrize(
    ("settings", "channels", "complaint"),
    [
        ({"kind": "number"}, 2, "format.kind: it carries one channel, not 2"),
        ({"kind": "json", "fields": ["a", "b"]}, 3, "format.fields: has 2 fields, needs 3"),
    ],
)
def test_a_format_that_cannot_carry_the_channels_is_refused(
    settings: dict[str, object], channels: int, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        decoder_for(TypeAdapter(Format).validate_python(settings), channels, MAX_PAYLOAD_BYTES)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"kind": "json", "fields": ["a", "a.b"]}, "field `a` cannot hold a value and also the field `a.b`"),
        ({"kind": "json", "timestamp": "d.t", "values": "d"}, "field `d` cannot hold a value and also the field `d.t`"),
        ({"kind": "json", "timestamp": "v", "values": "v"}, "field `v` cannot be the timestamp and also a value"),
    ],
)
def test_field_paths_that_cannot_all_be_there_are_refused(settings: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        TypeAdapter(Format).validate_python(settings)
