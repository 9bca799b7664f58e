"""Blocks wait to be measured until they are many or old, and are then measured in the order in which they came."""

import numpy as np
import pytest

from monitor.core.streams.unmeasured_blocks import UnmeasuredBlocks
from monitor.core.windows.stream_blocks import StreamBlocks


def blocks(*arrivals: float, group: int = 0, timed: bool = True) -> StreamBlocks:
    came, ones = np.array(arrivals, np.float64), np.ones(len(arrivals), np.int64)
    return StreamBlocks(group * ones, ones[:, None], came, ones, came, timed, np.zeros((len(arrivals), 1), np.float32))


@pytest.mark.parametrize("step", [1, 3, 64])
def test_so_many_are_measured_at_once(step: int) -> None:
    unmeasured = UnmeasuredBlocks()
    due = [unmeasured.add(blocks(*np.full(step, 1.0 + at / 1000))) for at in range(-(-64 // step))]
    assert due == [False] * (len(due) - 1) + [True]


def test_none_waits_for_longer_than_a_second_while_more_come() -> None:
    unmeasured = UnmeasuredBlocks()
    assert not unmeasured.add(blocks(10.0, 10.4))
    assert not unmeasured.add(blocks(10.9))
    assert unmeasured.add(blocks(11.0))
    list(unmeasured.take())
    assert not unmeasured.add(blocks(11.5))


def test_those_that_carry_their_time_are_measured_apart_and_each_once_in_the_order_in_which_they_came() -> None:
    unmeasured = UnmeasuredBlocks()
    for each in (blocks(1.0, group=1), blocks(1.1, group=2, timed=False), blocks(group=7), blocks(1.2, 1.3, group=3)):
        unmeasured.add(each)
    found = [(each.timed, each.channel_group.tolist(), each.arrival_seconds.tolist()) for each in unmeasured.take()]
    assert found == [(True, [1, 3, 3], [1.0, 1.2, 1.3]), (False, [2], [1.1])]
    assert list(unmeasured.take()) == []
