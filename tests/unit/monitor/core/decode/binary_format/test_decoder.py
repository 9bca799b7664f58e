"""Packed binary payloads: every encoding, order and layout comes back as the samples that were packed."""

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.decode.binary_format.settings import BinaryFormat
from monitor.core.decode.decoded import Decoded
from monitor.core.values.discards import Reason
from tests.payloads import batch_of

LETTERS = {"f32": "f", "f64": "d", "i16": "h"}
ORDERS = {"little": "<", "big": ">"}


def decode(payloads: list[bytes], channels: int, **settings: Any) -> Decoded:
    return BinaryFormat(kind="binary", **settings).decoder(channels).decode(batch_of(payloads))


def pack(rows: list[list[float]], encoding: str, byte_order: str, layout: str) -> bytes:
    columns = [list(column) for column in zip(*rows, strict=True)]
    flat = [number for part in (rows if layout == "interleaved" else columns) for number in part]
    return struct.pack(f"{ORDERS[byte_order]}{len(flat)}{LETTERS[encoding]}", *flat)


@given(
    encoding=st.sampled_from(sorted(LETTERS)),
    byte_order=st.sampled_from(sorted(ORDERS)),
    layout=st.sampled_from(["interleaved", "planar"]),
    channels=st.integers(1, 4),
    lengths=st.lists(st.integers(1, 5), min_size=1, max_size=4) | st.integers(1, 4).map(lambda count: [3] * count),
    data=st.data(),
)
def test_packed_samples_come_back(
    encoding: str, byte_order: str, layout: str, channels: int, lengths: list[int], data: st.DataObject
) -> None:
    numbers = st.integers(-32768, 32767)
    tables = [
        data.draw(st.lists(st.lists(numbers, min_size=channels, max_size=channels), min_size=length, max_size=length))
        for length in lengths
    ]
    settings = {"encoding": encoding, "byte_order": byte_order, "layout": layout}
    decoded = decode([pack(table, **settings) for table in tables], channels, **settings)  # type: ignore[arg-type] # int is float
    assert decoded.length.tolist() == lengths
    assert decoded.payload.tolist() == list(range(len(lengths)))
    assert decoded.values.tolist() == [row for table in tables for row in table]
    assert np.isnan(decoded.first_time_seconds).all()
    assert not decoded.refused


def test_raw_numbers_are_scaled_and_shifted() -> None:
    decoded = decode([struct.pack("<3h", -2, 0, 3)], 1, encoding="i16", scale=0.5, offset=10)
    assert decoded.values.tolist() == [[9], [10], [11.5]]


def test_scaling_is_exact_where_float32_would_lose_digits() -> None:
    decoded = decode([struct.pack("<d", 1_700_000_000.125)], 1, encoding="f64", offset=-1_700_000_000)
    assert decoded.values.tolist() == [[0.125]]


@pytest.mark.parametrize("settings", [{}, {"scale": 2.0}])
def test_nan_and_infinities_pass_and_overflow_becomes_infinite(settings: dict[str, float]) -> None:
    packed = struct.pack("<4d", np.nan, np.inf, -np.inf, 1e300)
    values = decode([packed], 4, encoding="f64", **settings).values[0]
    assert np.isnan(values[0])
    assert values[1:].tolist() == [np.inf, -np.inf, np.inf]


@pytest.mark.parametrize("layout", ["interleaved", "planar"])
def test_a_part_of_a_sample_is_refused_and_the_other_payloads_count(layout: str) -> None:
    whole = pack([[1, 2], [3, 4]], "f32", "little", layout)
    decoded = decode([whole, whole[:-1], whole[:12], whole, whole[:3]], 2, encoding="f32", layout=layout)
    assert decoded.payload.tolist() == [0, 3]
    assert decoded.values.tolist() == [[1, 2], [3, 4]] * 2
    assert [(index, discard.reason) for index, discard in decoded.refused] == [
        (1, Reason.MALFORMED),
        (2, Reason.MALFORMED),
        (4, Reason.MALFORMED),
    ]
    assert "not a whole number of samples of 2 x 4 bytes" in decoded.refused[0][1].detail
