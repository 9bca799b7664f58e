"""Lines of numbers: which spellings are numbers, and what lines mean."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.decode.csv_format.settings import CsvFormat
from monitor.core.decode.decoded import Decoded
from monitor.core.values.discards import Reason
from tests.payloads import NOT_NUMBERS, batch_of


def csv(payloads: list[bytes], channels: int, **settings: Any) -> Decoded:
    return CsvFormat(kind="csv", **settings).decoder(channels).decode(batch_of(payloads))


def refusal(payload: bytes, channels: int, **settings: Any) -> Reason:
    decoded = csv([payload], channels, **settings)
    assert len(decoded.payload) == 0
    ((_, discard),) = decoded.refused
    return discard.reason


def test_lines_are_samples_of_one_block() -> None:
    decoded = csv([b"1,2\n3,4\n", b"5,6", b"7,8\r\n\r\n 9 ,10\n\n"], 2)
    assert decoded.values.tolist() == [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10]]
    assert decoded.length.tolist() == [2, 1, 2]
    assert decoded.payload.tolist() == [0, 1, 2]
    assert np.isnan(decoded.first_time_seconds).all()


def test_an_empty_cell_is_a_missing_value() -> None:
    decoded = csv([b"1,,3\n, ,6"], 3)
    assert np.isnan(decoded.values).tolist() == [[False, True, False], [True, True, False]]


def test_with_a_time_column_every_line_is_a_block() -> None:
    decoded = csv([b"10;1;2\n10.7;3;4", b"12;5;6"], 2, separator=";", time_column=True)
    assert decoded.payload.tolist() == [0, 0, 1]
    assert decoded.first_time_seconds.tolist() == [10, 10.7, 12]
    assert decoded.length.tolist() == [1, 1, 1]
    assert decoded.values.tolist() == [[1, 2], [3, 4], [5, 6]]


def test_times_may_be_iso_text_or_in_another_unit() -> None:
    iso = csv([b"1970-01-01T00:01:00Z,5"], 1, time_column=True, timestamp_unit="iso8601")
    assert iso.first_time_seconds.tolist() == [60]
    assert csv([b"60000,5"], 1, time_column=True, timestamp_unit="ms").first_time_seconds.tolist() == [60]


def test_leading_lines_are_skipped_where_the_settings_say_so() -> None:
    assert csv([b"a,b\n# g\n1,2\n3,4"], 2, skip_lines=2).values.tolist() == [[1, 2], [3, 4]]
    assert refusal(b"a,b\n1,2", 2, skip_lines=2) == Reason.EMPTY


@given(
    st.lists(
        st.lists(st.tuples(*[st.none() | st.floats(width=32, allow_nan=False, allow_infinity=False)] * 2), min_size=1),
        max_size=4,
    )
)
def test_any_table_comes_back(tables: list[list[tuple[float | None, float | None]]]) -> None:
    payloads = [
        "\n".join(";".join("" if cell is None else repr(cell) for cell in row) for row in table) for table in tables
    ]
    decoded = csv([payload.encode() for payload in payloads], 2, separator=";")
    expected = np.array([row for table in tables for row in table], dtype=np.float64).reshape(-1, 2)
    assert np.array_equal(decoded.values, expected.astype(np.float32), equal_nan=True)
    assert decoded.length.tolist() == [len(table) for table in tables]


@pytest.mark.parametrize("cell", [text for text in NOT_NUMBERS if text.strip() and "," not in text])
def test_a_cell_is_a_number_by_the_same_rule(cell: str) -> None:
    assert refusal(b"1,2\n" + cell.encode() + b",3", 2) == Reason.MALFORMED


@pytest.mark.parametrize(
    ("payload", "settings", "reason"),
    [
        (b"\n\n", {}, Reason.EMPTY),
        (b" ", {}, Reason.EMPTY),
        (b"1,2,3", {}, Reason.WRONG_SHAPE),
        (b"1", {}, Reason.WRONG_SHAPE),
        (b"1,2\n3", {}, Reason.WRONG_SHAPE),
        (b"1,2\n3,4,", {}, Reason.WRONG_SHAPE),
        (b"1;2", {}, Reason.MALFORMED),
        (b"hello", {}, Reason.MALFORMED),
        (b"\x00\xff\n\x80", {}, Reason.MALFORMED),
        (b"1,2", {"time_column": True}, Reason.WRONG_SHAPE),
        (b"x,1,2", {"time_column": True}, Reason.BAD_TIMESTAMP),
        (b",1,2", {"time_column": True}, Reason.BAD_TIMESTAMP),
        (b"-5,1,2", {"time_column": True}, Reason.BAD_TIMESTAMP),
        (b"5,1,2\n1700000000000,1,2", {"time_column": True}, Reason.BAD_TIMESTAMP),
        (b"5,1,x", {"time_column": True}, Reason.MALFORMED),
        (b"5,1,2", {"time_column": True, "timestamp_unit": "iso8601"}, Reason.BAD_TIMESTAMP),
        ("٢,1,2".encode(), {"time_column": True}, Reason.BAD_TIMESTAMP),
        ("2026-01-3٢,1,2".encode(), {"time_column": True, "timestamp_unit": "iso8601"}, Reason.BAD_TIMESTAMP),
    ],
)
def test_a_refusal_says_what_is_wrong(payload: bytes, settings: dict[str, Any], reason: Reason) -> None:
    assert refusal(payload, 2, **settings) == reason


def test_each_culprit_is_refused_and_the_others_count() -> None:
    decoded = csv([b"1,1", b"2,x", b"3,3\n4,4", b"", b"5"], 1, time_column=True)
    assert decoded.payload.tolist() == [0, 2, 2]
    assert decoded.first_time_seconds.tolist() == [1, 3, 4]
    assert decoded.values.tolist() == [[1], [3], [4]]
    assert [(index, discard.reason) for index, discard in decoded.refused] == [
        (1, Reason.MALFORMED),
        (3, Reason.EMPTY),
        (4, Reason.WRONG_SHAPE),
    ]
