"""Streams have numbers; a number that was given back is used again, with a clean row."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.streams.stream_table import StreamState, StreamTable


def test_numbers_are_dense_and_names_are_found_by_them() -> None:
    table = StreamTable(1)
    assert [table.open(name, {}) for name in "abc"] == [0, 1, 2]
    assert table.name(1) == "b"
    assert table.numbers().tolist() == [0, 1, 2]
    assert len(table) == 3


def test_a_number_that_was_given_back_is_used_again_with_a_clean_row() -> None:
    table = StreamTable(2)
    for name in "ab":
        table.open(name, {"site": name})
    table.windows_scored[0], table.score[0], table.state[0] = 7, 3.0, StreamState.FIRING
    table.channel_error[0] = 1.0
    assert table.close("a") == 0
    assert table.open("c", {}) == 0
    assert table.windows_scored[0] == 0
    assert np.isnan(table.score[0])
    assert np.isnan(table.channel_error[0]).all()
    assert table.state[0] == StreamState.WARMING_UP
    assert table.labels == {"b": {"site": "b"}, "c": {}}


def test_a_closed_number_has_no_name() -> None:
    table = StreamTable(1)
    table.open("a", {})
    table.close("a")
    with pytest.raises(KeyError):
        table.name(0)


def test_states_are_shown_by_lower_case_names() -> None:
    assert [state.label for state in StreamState] == ["warming_up", "normal", "pending", "firing", "withheld"]


@given(names=st.lists(st.sampled_from("abcdefgh"), max_size=60))
def test_opening_and_closing_in_any_order_keeps_names_and_numbers_one_to_one(names: list[str]) -> None:
    table, most = StreamTable(1), 0
    for name in names:
        if name in table.number:
            table.close(name)
        else:
            table.open(name, {})
        most = max(most, len(table))
        assert len(set(table.number.values())) == len(table)
        assert all(table.name(number) == known for known, number in table.number.items())
    assert len(table.names) <= most
