"""Blocks wait to be measured, and are measured in the order in which they came before a verdict on them can matter."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.scoring.quality import CODES, Quality
from monitor.core.streams.unmeasured_blocks import UnmeasuredBlocks
from monitor.core.values.channel_groups import ChannelGroups
from monitor.core.windows.stream_blocks import StreamBlocks
from tests.manifests import PERIOD, manifest_of, model_group_of

START = 1_790_000_000.0


def unmeasured_blocks(streams: int = 1) -> UnmeasuredBlocks:
    unmeasured = UnmeasuredBlocks(ChannelGroups(1), PERIOD)
    unmeasured.open_stream(streams - 1)
    return unmeasured


def blocks(
    *times: float, group: int = 0, length: int = 1, timed: bool = True, arrival: float | None = None
) -> StreamBlocks:
    """Blocks of one stream that arrive when they begin, unless all arrive at one time."""
    began, ones = np.array(times, np.float64), np.ones(len(times), np.int64)
    came = began if arrival is None else np.full(len(times), arrival)
    values = np.zeros((len(times) * length, 1), np.float32)
    return StreamBlocks(group * ones, 0 * ones[:, None], began, length * ones, came, timed, values)


def test_none_waits_for_longer_than_a_second_while_more_come() -> None:
    unmeasured = unmeasured_blocks()
    assert not unmeasured.add(blocks(10.0, 10.4, timed=False))
    assert not unmeasured.add(blocks(10.9, timed=False))
    assert unmeasured.add(blocks(11.0, timed=False))
    list(unmeasured.take())
    assert not unmeasured.add(blocks(11.5, timed=False))


def test_a_backlog_does_not_wait_for_longer_than_a_second_of_its_own_time() -> None:
    unmeasured = unmeasured_blocks(2)
    assert not unmeasured.add(blocks(10.0, 10.4, arrival=500.0))
    assert not unmeasured.add(blocks(10.9, arrival=500.0))
    assert not unmeasured.add(blocks(7000.0, 7000.5, group=1, arrival=500.0))  # the clock of another stream
    assert unmeasured.add(blocks(11.0, arrival=500.0))
    list(unmeasured.take())
    assert not unmeasured.add(blocks(11.5, 12.0, arrival=500.0))


def test_a_busy_second_is_measured_at_once_up_to_a_bound() -> None:
    unmeasured = unmeasured_blocks(10_000)
    due = [unmeasured.add(blocks(*np.full(64, 1.0 + step / 1000), group=step)) for step in range(128)]
    assert due == [False] * 127 + [True]


def test_what_waits_holds_no_samples() -> None:
    unmeasured, whole = unmeasured_blocks(), blocks(1.0, length=1000)
    unmeasured.add(whole)
    (waiting,) = unmeasured.take()
    assert not any(np.shares_memory(column, whole.values) for column in waiting[:-1])
    assert waiting.end_seconds == pytest.approx([1.0 + 999 * PERIOD])


def test_those_that_carry_their_time_are_measured_apart_and_each_once_in_the_order_in_which_they_came() -> None:
    unmeasured = unmeasured_blocks(8)
    for each in (blocks(1.0, group=1), blocks(1.1, group=2, timed=False), blocks(group=7), blocks(1.2, 1.3, group=3)):
        unmeasured.add(each)
    found = [(each.timed, each.channel_group.tolist(), each.arrival_seconds.tolist()) for each in unmeasured.take()]
    assert found == [(True, [1, 3, 3], [1.0, 1.2, 1.3]), (False, [2], [1.1])]
    assert list(unmeasured.take()) == []


@given(
    step=st.sampled_from([1, 64, 300]),
    length=st.sampled_from([10, 40, 150]),
    backlog=st.booleans(),
    ahead=st.floats(-9000, 0),
)
@settings(max_examples=8, deadline=None)
def test_however_messages_are_cut_into_steps_windows_are_withheld_from_the_same_on(
    step: int, length: int, backlog: bool, ahead: float
) -> None:
    # after a while, samples of one stream come a quarter slower than the model's
    interval, count = length * PERIOD, 3600 // length + 120
    times = START + np.cumsum(np.repeat([1.0, 1.25], [count // 4, count - count // 4])) * interval
    steady = START + np.arange(count) * interval + ahead
    both = np.concatenate((times, steady))
    group = np.repeat([0, 1], count)
    arrivals = both + interval - np.where(group == 1, ahead, 0.0)
    order = np.argsort(arrivals, kind="stable")
    if backlog:
        arrivals = np.full(2 * count, START + 1e5)

    def wrong(size: int) -> list[tuple[int, float, bool]]:
        model_group = model_group_of(manifest_of(window={"length": 8, "stride": 4, "max_gap_samples": 100}))
        for name in ("changing", "steady"):
            model_group.open_stream(name, {}, [[0]])
        found = []
        for at in range(0, len(order), size):
            rows = order[at : at + size]
            ones, values = np.ones(len(rows), np.int64), np.zeros((len(rows) * length, 1), np.float32)
            part = StreamBlocks(group[rows], 0 * ones[:, None], both[rows], length * ones, arrivals[rows], True, values)
            model_group.ingest(part, 0.0)
            windows = model_group.ready(0.0, everything=True)
            if windows is not None:
                code = model_group.prepare(windows).quality == CODES[Quality.WRONG_RATE]
                found += list(zip(windows.stream.tolist(), windows.end_seconds.round(6), code.tolist(), strict=True))
        return sorted(found)

    at_once = wrong(len(order))
    assert wrong(step) == at_once
    assert {(stream, is_wrong) for stream, _, is_wrong in at_once} == {(0, False), (0, True), (1, False)}
