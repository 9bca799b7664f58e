"""Stretches and score lines as bytes: what goes in comes out, and what is damaged is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from monitor.core.history.content import ContentError, decode_content, encode_content
from monitor.core.history.score_line import ScoreLine


def line_of(windows: int, seed: int = 0) -> ScoreLine:
    rng = np.random.default_rng(seed)
    ends = 1.7e9 + np.cumsum(rng.uniform(0.001, 3.0, windows))
    score = rng.gamma(2.0, 0.2, windows).astype(np.float32)
    if windows:
        score[0] = np.nan
    return ScoreLine(ends, score, rng.integers(0, 3, windows).astype(np.int8), np.zeros(windows, np.int8))


@given(
    hnp.arrays(np.float32, st.tuples(st.integers(0, 4), st.integers(0, 50)), elements=st.floats(width=32)),
    st.integers(0, 40),
)
def test_what_is_encoded_is_decoded_to_the_last_bit_and_times_to_the_microsecond(
    values: np.ndarray, windows: int
) -> None:
    line = line_of(windows)
    found, told = decode_content(encode_content(values, line))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, values)
    np.testing.assert_allclose(told.ends_seconds, line.ends_seconds, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(told.score, line.score)
    np.testing.assert_array_equal(told.verdict, line.verdict)
    np.testing.assert_array_equal(told.quality, line.quality)


def test_a_line_of_regular_windows_takes_few_bytes_for_each() -> None:
    line = line_of(1000)
    regular = ScoreLine(
        np.linspace(1.7e9, 1.7e9 + 640, 1000), line.score, np.zeros(1000, np.int8), np.zeros(1000, np.int8)
    )
    assert len(encode_content(np.zeros((0, 0), np.float32), regular)) < 4.5 * 1000


@pytest.mark.parametrize("cut", [0, 5, 13, 40, -1])
def test_what_is_cut_off_is_refused(cut: int) -> None:
    with pytest.raises(ContentError):
        decode_content(encode_content(np.ones((2, 30), np.float32), line_of(5))[:cut])


def test_a_later_version_and_a_head_that_asks_for_more_memory_than_there_is_are_refused() -> None:
    whole = encode_content(np.ones((2, 30), np.float32), line_of(5))
    with pytest.raises(ContentError, match="version 2"):
        decode_content(b"\x02" + whole[1:])
    with pytest.raises(ContentError, match="claims"):
        decode_content(whole[:1] + b"\xff" * 12 + whole[13:])
