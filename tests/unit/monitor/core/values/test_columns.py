"""Columns grow without losing what they hold, and go through a state by the names that were declared."""

import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.values.channel_groups import ChannelGroups
from monitor.core.values.columns import Columns, column
from monitor.core.values.snapshots import StateError, decode_state, encode_state

CHANNELS = 3


class Table(Columns):
    count: np.ndarray = column("count", np.int64)
    level: np.ndarray = column("level", np.float32, math.nan, shape=("channels",))
    lag: np.ndarray = column("lag", np.float64, math.inf, by_channel_group=True)
    place: np.ndarray = column(None, np.int64, 5)

    def __init__(self) -> None:
        super().__init__(ChannelGroups(CHANNELS), channels=CHANNELS)


class Renamed(Columns):
    """A later version, in which one attribute has another name."""

    number: np.ndarray = column("count", np.int64)
    level: np.ndarray = column("level", np.float32, math.nan, shape=("channels",))
    lag: np.ndarray = column("lag", np.float64, math.inf, by_channel_group=True)

    def __init__(self) -> None:
        super().__init__(ChannelGroups(CHANNELS), channels=CHANNELS)


def filled(streams: int) -> Table:
    table = Table()
    table.ensure_capacity(streams)
    table.count[:streams] = np.arange(streams)
    table.level[:streams] = np.arange(streams)[:, None] + np.arange(CHANNELS) / 10
    table.lag[: streams * CHANNELS] = np.arange(streams * CHANNELS)
    table.place[:streams] = 7
    return table


@given(wishes=st.lists(st.integers(0, 60), max_size=6))
def test_rows_keep_their_values_and_new_ones_hold_the_initial_value(wishes: list[int]) -> None:
    table, known = Table(), 0
    for streams in wishes:
        table.ensure_capacity(streams)
        assert table.capacity >= streams
        assert (len(table.count), len(table.lag)) == (table.capacity, table.capacity * CHANNELS)
        assert (table.count[:known] == 7).all()
        assert (table.lag[: known * CHANNELS] == 8).all()
        assert (table.count[known:] == 0).all()
        assert np.isnan(table.level[known:]).all()
        assert np.isinf(table.lag[known * CHANNELS :]).all()
        known = max(known, streams)
        table.count[:known], table.level[:known], table.lag[: known * CHANNELS] = 7, 7, 8


def test_columns_with_room_are_left_as_they_are() -> None:
    table = filled(5)
    before = table.count
    assert not table.ensure_capacity(5)
    assert table.count is before


def test_adding_one_stream_at_a_time_copies_seldom() -> None:
    table = Table()
    assert sum(table.ensure_capacity(streams) for streams in range(10_000)) < 15


def test_a_stream_that_is_reset_has_fresh_rows_and_its_neighbours_keep_theirs() -> None:
    table = filled(3)
    table.reset(1)
    assert table.count[:3].tolist() == [0, 0, 2]
    assert np.isnan(table.level[1]).all()
    assert table.lag[:9].tolist() == [0, 1, 2, math.inf, math.inf, math.inf, 6, 7, 8]
    assert table.place[:3].tolist() == [7, 5, 7]


def test_rows_go_through_a_state_to_other_numbers() -> None:
    state = decode_state(encode_state(filled(4).snapshot(np.array([3, 1]))))
    assert set(state) == {"count", "level", "lag"}
    other = Table()
    other.check(state, 2)
    other.restore(np.array([0, 2]), state)
    assert other.count[:3].tolist() == [3, 0, 1]
    assert other.lag[:9].tolist() == [9, 10, 11, math.inf, math.inf, math.inf, 3, 4, 5]
    assert (other.place == 5).all()


def test_a_state_is_keyed_by_declared_names_so_that_attributes_may_be_renamed() -> None:
    later = Renamed()
    state = filled(2).snapshot(np.arange(2))
    later.check(state, 2)
    later.restore(np.arange(2), state)
    assert later.number[:2].tolist() == [0, 1]
    assert later.schema() == filled(2).schema()


def test_a_class_has_the_columns_of_the_one_that_it_is_made_from() -> None:
    class More(Table):
        more: np.ndarray = column("more", np.int8)

    table = More()
    table.ensure_capacity(3)
    assert set(table.snapshot(np.arange(3))) == {"count", "level", "lag", "more"}
    assert set(Table().snapshot(np.arange(3))) == {"count", "level", "lag"}


def changed(name: str, value: Any) -> dict[str, Any]:
    return filled(2).snapshot(np.arange(2)) | {name: value}


@pytest.mark.parametrize(
    "state",
    [
        None,
        [],
        {},
        {name: array for name, array in filled(2).snapshot(np.arange(2)).items() if name != "lag"},
        changed("count", [0, 1]),
        changed("count", np.zeros(2, np.int32)),
        changed("count", np.zeros(3, np.int64)),
        changed("count", np.zeros((2, 1), np.int64)),
        changed("level", np.zeros(2, np.float32)),
        changed("lag", np.zeros(2)),
    ],
    ids=["none", "list", "nothing", "missing", "list of numbers", "type", "rows", "rank", "width", "groups"],
)
def test_a_state_of_anything_else_is_refused(state: Any) -> None:
    with pytest.raises(StateError):
        Table().check(state, 2)


_GROW = """
import numpy as np
from pathlib import Path
from monitor.adapters.engines.allocator import keep_freed_memory
from monitor.core.values.columns import Columns, column

class Table(Columns):
    values = column(None, np.float32, shape=("width",))

def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

keep_freed_memory()
table, before = Table(width=1000), resident_bytes()
for rows in range(1, 4001):
    table.ensure_capacity(rows)
    table.values[rows - 1] = 1.0
print(resident_bytes() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_an_array_outgrew_is_given_back_though_the_process_keeps_what_it_frees() -> None:
    done = subprocess.run([sys.executable, "-c", _GROW], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1.4 * 4000 * 1000 * 4


class Watched(Table):
    """Looks at itself at every change, as another thread may. seen: the first row, at each look that found one."""

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if getattr(self, "_capacity", 0):
            assert min(len(self.count), len(self.place)) >= self.capacity
            self.__dict__.setdefault("seen", []).append((int(self.count[0]), int(self.place[0])))


def test_a_look_from_another_thread_finds_all_rows_while_columns_grow() -> None:
    table = Watched()
    table.ensure_capacity(1)
    table.count[0] = 7
    before = len(table.__dict__["seen"])
    table.ensure_capacity(table.capacity + 1)
    seen = table.__dict__["seen"][before:]
    assert len(seen) > 2
    assert set(seen) == {(7, 5)}
