"""Payloads of one number: which spellings are numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.decode.decoded import Decoded
from monitor.core.decode.number_format.settings import NumberFormat
from monitor.core.values.discards import Reason
from tests.payloads import NOT_NUMBERS, batch_of

NUMBERS = ["21.5", "-12", "+3", "3e-4", "3E4", ".5", "5.", " 7\n", "007", "1e999"]


def decode(payloads: list[bytes]) -> Decoded:
    return NumberFormat(kind="number").decoder(1).decode(batch_of(payloads))


@pytest.mark.parametrize("text", NUMBERS)
def test_a_decimal_numeral_is_a_number(text: str) -> None:
    decoded = decode([text.encode()])
    assert decoded.values[0, 0] == np.float32(text)
    assert decoded.length.tolist() == [1]
    assert np.isnan(decoded.first_time_seconds).all()


@pytest.mark.parametrize("text", NOT_NUMBERS)
def test_nothing_else_is_a_number(text: str) -> None:
    decoded = decode([b"1", text.encode(), b"2"])
    assert decoded.values.tolist() == [[1], [2]]
    assert decoded.payload.tolist() == [0, 2]
    assert [(index, discard.reason) for index, discard in decoded.refused] == [(1, Reason.MALFORMED)]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), max_size=20))
def test_any_number_comes_back(numbers: list[float]) -> None:
    decoded = decode([repr(number).encode() for number in numbers])
    assert decoded.values[:, 0].tolist() == numbers
