"""JSON payloads: where samples and times are found, and why a payload is refused."""

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.decode.decoded import Decoded
from monitor.core.decode.json_format.settings import JsonFormat
from monitor.core.values.discards import Reason
from tests.payloads import batch_of


def decode(payloads: list[bytes], channels: int, **settings: Any) -> Decoded:
    return JsonFormat(kind="json", **settings).decoder(channels).decode(batch_of(payloads))


def refusal(payload: bytes, channels: int, **settings: Any) -> Reason:
    decoded = decode([payload], channels, **settings)
    assert len(decoded.payload) == 0
    ((_, discard),) = decoded.refused
    return discard.reason


NAN = float("nan")
NUMBER = st.none() | st.floats(width=32, allow_nan=False, allow_infinity=False) | st.integers(-(2**24), 2**24)


def float32(rows: list[Any], channels: int) -> Any:
    return np.array(rows, dtype=np.float64).astype(np.float32).reshape(-1, channels)


# where samples are


def test_values_of_several_channels_are_one_sample() -> None:
    decoded = decode(
        [b'{"ts": 10, "values": [1, 2.5]}', b'{"values": [3, null], "ts": 11.5}'], 2, timestamp="ts", values="values"
    )
    assert decoded.values.tolist()[0] == [1, 2.5]
    assert np.isnan(decoded.values[1, 1])
    assert decoded.first_time_seconds.tolist() == [10, 11.5]
    assert decoded.length.tolist() == [1, 1]
    assert decoded.payload.tolist() == [0, 1]


def test_values_of_one_channel_are_a_number_or_an_array_over_time() -> None:
    decoded = decode([b'{"v": 1}', b'{"v": [2, 3, 4]}', b'{"v": null}'], 1, values="v")
    assert decoded.length.tolist() == [1, 3, 1]
    assert decoded.values[:4].tolist() == [[1], [2], [3], [4]]
    assert np.isnan(decoded.values[4, 0])
    assert np.isnan(decoded.first_time_seconds).all()


def test_rows_are_samples_one_after_another() -> None:
    decoded = decode([b'{"r": [[1, 2], [3, 4]]}', b'{"r": [[5, 6]]}'], 2, rows="r")
    assert decoded.length.tolist() == [2, 1]
    assert decoded.values.tolist() == [[1, 2], [3, 4], [5, 6]]


def test_fields_are_one_column_each_in_the_order_of_the_settings() -> None:
    payloads = [b'{"x": 1, "d": {"y": 2, "z": 3}}', b'{"d": {"z": [30, 31], "y": [20, 21]}, "x": [10, 11]}']
    decoded = decode(payloads, 3, fields=["d.z", "x", "d.y"])
    assert decoded.length.tolist() == [1, 2]
    assert decoded.values.tolist() == [[3, 1, 2], [30, 10, 20], [31, 11, 21]]


def test_one_field_may_serve_two_channels() -> None:
    assert decode([b'{"x": 7}'], 2, fields=["x", "x"]).values.tolist() == [[7, 7]]


def test_keys_may_be_any_text_that_needs_no_escapes_in_json() -> None:
    document = {"Größe (mm)": {"0": 5, "f1": 6}}
    for escaped in (True, False):  # the sender may escape it all the same
        payload = json.dumps(document, ensure_ascii=escaped).encode()
        decoded = decode([payload], 2, fields=["Größe (mm).f1", "Größe (mm).0"])
        assert decoded.values.tolist() == [[6, 5]]


@pytest.mark.parametrize("path", ["", ".", "a.", ".a", "a..b", 'a"b', "a\\b", "a\nb"])
def test_what_is_no_field_path_is_refused_in_the_settings(path: str) -> None:
    with pytest.raises(ValueError, match="String should match"):
        JsonFormat(kind="json", values=path)


def test_other_fields_do_not_matter() -> None:
    payload = b'{"values": [1, 2], "device": {"ts": "x", "values": [[]]}, "huge": 1e999, "text": "\\u00e4"}'
    assert decode([payload], 2, values="values").values.tolist() == [[1, 2]]


@given(st.lists(st.lists(NUMBER, min_size=3, max_size=3), max_size=6))
def test_any_samples_come_back(samples: list[list[float | None]]) -> None:
    decoded = decode([json.dumps({"v": sample}).encode() for sample in samples], 3, values="v")
    assert np.array_equal(decoded.values, float32(samples, 3), equal_nan=True)


@given(st.lists(st.lists(st.tuples(NUMBER, NUMBER), min_size=1, max_size=4), max_size=5))
def test_rows_and_fields_say_the_same(tables: list[list[tuple[float | None, float | None]]]) -> None:
    rows = decode([json.dumps({"r": table}).encode() for table in tables], 2, rows="r")
    columns = [{"a": [a for a, _ in table], "b": [b for _, b in table]} for table in tables]
    fields = decode([json.dumps(column).encode() for column in columns], 2, fields=["a", "b"])
    assert rows.length.tolist() == fields.length.tolist() == [len(table) for table in tables]
    assert np.array_equal(rows.values, fields.values, equal_nan=True)
    assert np.array_equal(rows.values, float32([list(row) for table in tables for row in table], 2), equal_nan=True)


def test_a_number_beyond_float32_becomes_infinite() -> None:
    assert decode([b'{"v": [1e300, -1e300, 1]}'], 3, values="v").values.tolist() == [[np.inf, -np.inf, 1]]


# times


@pytest.mark.parametrize(
    ("unit", "stamp"),
    [
        ("s", "1769860800.25"),
        ("ms", "1769860800250"),
        ("us", "1769860800250000"),
        ("ns", "1769860800250000000"),
        ("ns", "1.76986080025e18"),
        ("iso8601", '"2026-01-31T12:00:00.25Z"'),
        ("iso8601", '"2026-01-31 13:00:00.25+01:00"'),
        ("iso8601", '"2026-01-31T12:00:00.250"'),
    ],
)
def test_a_time_is_told_in_many_units(unit: str, stamp: str) -> None:
    payload = b'{"head": {"t": %s}, "v": 1}' % stamp.encode()
    decoded = decode([payload], 1, timestamp="head.t", timestamp_unit=unit, values="v")
    expected = datetime(2026, 1, 31, 12, 0, 0, 250_000, tzinfo=UTC).timestamp()
    assert decoded.first_time_seconds.tolist() == pytest.approx([expected], abs=1e-6)


@pytest.mark.parametrize(
    ("unit", "stamp"),
    [
        *(
            (unit, stamp)
            for unit in ("s", "ms")
            for stamp in ("-1", "1e300", "1e400", "null", "true", '"1"', "[1]", "{}")
        ),
        ("s", "1769860800250"),
        ("s", "1" + "0" * 400),
        ("iso8601", "1769860800"),
        ("iso8601", '"yesterday"'),
        ("iso8601", '"1969-12-31T23:59:59Z"'),
        ("iso8601", '"9999-01-01T00:00:00Z"'),
        ("iso8601", '"1769860800"'),
        ("iso8601", "null"),
    ],
)
def test_what_is_no_believable_time_is_refused(unit: str, stamp: str) -> None:
    payload = b'{"t": %s, "v": 1}' % stamp.encode()
    assert refusal(payload, 1, timestamp="t", timestamp_unit=unit, values="v") == Reason.BAD_TIMESTAMP


# refusals

SAMPLE = {"channels": 2, "timestamp": "ts", "values": "d.v"}
SERIES = {"channels": 1, "values": "v"}
ROWS = {"channels": 2, "rows": "r"}
FIELDS = {"channels": 2, "fields": ["a", "b"]}


@pytest.mark.parametrize(
    ("settings", "payload", "reason"),
    [
        (SAMPLE, b"{", Reason.MALFORMED),
        (SAMPLE, b"\xff\xfe{}", Reason.MALFORMED),
        (SAMPLE, b'{"ts": 1, "d": {"v": [1, 2]}} x', Reason.MALFORMED),
        (SAMPLE, b'{"ts": 1, "d": {"v": [NaN, 2]}}', Reason.MALFORMED),
        (SAMPLE, b'{"ts": 1, "d": {"v": [Infinity, 2]}}', Reason.MALFORMED),
        (SAMPLE, b'{"ts": 1, "d": {"v": [1e999, 2]}}', Reason.MALFORMED),
        (SAMPLE, b'{"ts": 1, "d": {"v": ["1", 2]}}', Reason.MALFORMED),
        (SAMPLE, b'{"ts": 1, "d": {"v": [true, 2]}}', Reason.MALFORMED),
        (SAMPLE, b'{"ts": 1, "d": {"v": "1, 2"}}', Reason.MALFORMED),
        (SAMPLE, b'{"ts": 1, "d": {"v": {"x": 1}}}', Reason.MALFORMED),
        (SAMPLE, b"[" * 100_000, Reason.MALFORMED),
        (SAMPLE, b'{"ts": 1, "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", Reason.MALFORMED),
        (SAMPLE, b"[1, 2]", Reason.MISSING_FIELD),
        (SAMPLE, b"17", Reason.MISSING_FIELD),
        (SAMPLE, b"{}", Reason.MISSING_FIELD),
        (SAMPLE, b'{"ts": 1, "d": {}}', Reason.MISSING_FIELD),
        (SAMPLE, b'{"ts": 1, "d": [1, 2]}', Reason.MISSING_FIELD),
        (SAMPLE, b'{"ts": 1, "d": null}', Reason.MISSING_FIELD),
        (SAMPLE, b'{"d": {"v": [1, 2]}}', Reason.MISSING_FIELD),
        (SAMPLE, b'{"ts": "x", "d": {}}', Reason.MISSING_FIELD),
        (SAMPLE, b'{"ts": "x", "d": {"v": ["y"]}}', Reason.BAD_TIMESTAMP),
        (SAMPLE, b'{"ts": -1, "d": {"v": [1]}}', Reason.BAD_TIMESTAMP),
        (SAMPLE, b'{"ts": 1, "d": {"v": [1]}}', Reason.WRONG_SHAPE),
        (SAMPLE, b'{"ts": 1, "d": {"v": [1, 2, 3]}}', Reason.WRONG_SHAPE),
        (SAMPLE, b'{"ts": 1, "d": {"v": [[1, 2]]}}', Reason.WRONG_SHAPE),
        (SAMPLE, b'{"ts": 1, "d": {"v": 1}}', Reason.WRONG_SHAPE),
        (SAMPLE, b'{"ts": 1, "d": {"v": null}}', Reason.WRONG_SHAPE),
        (SAMPLE, b'{"ts": 1, "d": {"v": []}}', Reason.EMPTY),
        (SERIES, b'{"v": []}', Reason.EMPTY),
        (SERIES, b'{"v": [[1]]}', Reason.WRONG_SHAPE),
        (SERIES, b'{"v": "1"}', Reason.MALFORMED),
        (SERIES, b'{"V": 1}', Reason.MISSING_FIELD),
        (ROWS, b'{"r": []}', Reason.EMPTY),
        (ROWS, b'{"r": [[]]}', Reason.WRONG_SHAPE),
        (ROWS, b'{"r": [[1, 2], [3]]}', Reason.WRONG_SHAPE),
        (ROWS, b'{"r": [[1, 2, 3], [4]]}', Reason.WRONG_SHAPE),
        (ROWS, b'{"r": [1, 2]}', Reason.WRONG_SHAPE),
        (ROWS, b'{"r": [[1, 2], null]}', Reason.WRONG_SHAPE),
        (ROWS, b'{"r": [[1, "2"]]}', Reason.MALFORMED),
        (FIELDS, b'{"a": 1}', Reason.MISSING_FIELD),
        (FIELDS, b'{"a": 1, "b": [1, 2]}', Reason.WRONG_SHAPE),
        (FIELDS, b'{"a": [1], "b": [1, 2]}', Reason.WRONG_SHAPE),
        (FIELDS, b'{"a": [], "b": []}', Reason.EMPTY),
        (FIELDS, b'{"a": 1, "b": false}', Reason.MALFORMED),
    ],
)
def test_a_refusal_says_what_is_wrong(settings: dict[str, Any], payload: bytes, reason: Reason) -> None:
    assert refusal(payload, **settings) == reason


def test_each_culprit_is_refused_and_the_others_count() -> None:
    good = b'{"ts": 5, "d": {"v": [1, 2]}}'
    payloads = [good, b"{", good, b'{"ts": 5, "d": {"v": [1]}}', b'{"ts": -5, "d": {"v": []}}', b"{}", good]
    decoded = decode(payloads, **SAMPLE)  # type: ignore[arg-type] # a dictionary of mixed settings
    assert decoded.payload.tolist() == [0, 2, 6]
    assert decoded.values.tolist() == [[1, 2]] * 3
    assert [(index, discard.reason) for index, discard in decoded.refused] == [
        (1, Reason.MALFORMED),
        (3, Reason.WRONG_SHAPE),
        (4, Reason.BAD_TIMESTAMP),
        (5, Reason.MISSING_FIELD),
    ]


def test_a_detail_names_the_place_and_shows_little_of_the_payload() -> None:
    payload = b'{"ts": 1, "d": {"v": ["\\u001b[31m secret token"]}}'
    ((_, discard),) = decode([payload], **SAMPLE).refused  # type: ignore[arg-type] # likewise
    assert "$.d.v[0]" in discard.detail
    assert "secret" not in discard.detail
    assert discard.detail.isprintable()


def test_a_detail_stays_short_however_long_the_field_path() -> None:
    ((_, discard),) = decode([b"{}" + b" " * 99], 1, values="x" * 1000).refused
    assert len(discard.detail) <= 200


# keys


def test_each_block_has_the_names_of_its_own_payload() -> None:
    payloads = [b'{"v":1,"m":{"id":"a"}}', b"?", b'{"v":2,"m":{"id":"\\u00e4"},"more":1}', b'{"v":[],"m":{"id":"c"}}']
    decoded = decode(payloads, 1, values="v", keys={"device": "m.id"})
    assert decoded.payload.tolist() == [0, 2]
    assert decoded.keys == {"device": ["a", "ä"]}


def test_without_keys_there_are_none() -> None:
    assert decode([b'{"v":1}'], 1, values="v").keys is None


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b'{"v":1,"m":{}}', Reason.MISSING_FIELD),
        (b'{"v":1}', Reason.MISSING_FIELD),
        (b'{"v":1,"m":{"id":1}}', Reason.MALFORMED),
        (b'{"v":1,"m":{"id":null}}', Reason.MALFORMED),
        (b'{"v":1,"m":{"id":["a"]}}', Reason.MALFORMED),
        (b'{"v":1,"m":{"id":"\\ud800"}}', Reason.MALFORMED),
        (b'{"v":1,"m":7}', Reason.MISSING_FIELD),
        (b'{"v":[[1]],"m":{"id":"a"}}', Reason.WRONG_SHAPE),
    ],
)
def test_a_payload_without_its_names_is_refused(payload: bytes, reason: Reason) -> None:
    assert refusal(payload, 1, values="v", keys={"device": "m.id"}) == reason
