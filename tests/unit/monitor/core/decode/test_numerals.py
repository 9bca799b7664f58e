"""Numerals in bulk are the numbers that each of them is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.decode.numerals import numbers_of

numerals = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.from_regex(
        r"[ \t\r\n]?[-+]?([0-9]{1,40}\.?[0-9]{0,40}|\.[0-9]{1,30})([eE][-+]?[0-9]{1,3})?[ \t]?", fullmatch=True
    ),
)


@given(st.lists(numerals, max_size=20))
def test_each_is_read_to_the_last_bit_as_it_is_by_itself(texts: list[str]) -> None:
    assert numbers_of([text.encode() for text in texts]).tolist() == [float(text) for text in texts]


@pytest.mark.parametrize(
    "cells", [[b"1", b"2,3"], [b"1", b"2 3"], [b"1", b" "], [b"1", b""], [b""], [b"1]", b"[2"], [b"null"]]
)
def test_what_is_no_numeral_is_none_in_company_either(cells: list[bytes]) -> None:
    with pytest.raises(ValueError, match=r"numeral|could not convert"):
        numbers_of(cells)
