"""Channel groups: numbers and back."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.values.channel_groups import ChannelGroups


@given(channels=st.integers(1, 64), stream=st.integers(0, 10_000), data=st.data())
def test_a_number_says_its_stream_and_its_first_channel(channels: int, stream: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, channels - 1))
    groups = ChannelGroups(channels)
    number = groups.number(stream, first)
    assert (groups.stream(number), groups.first_channel(number)) == (stream, first)
    assert number in range(*groups.of_stream(stream).indices(10**7))


def test_arrays_are_taken_as_numbers_are() -> None:
    groups = ChannelGroups(3)
    numbers = groups.number(np.array([0, 2]), np.array([1, 0]))
    assert numbers.tolist() == [1, 6]
    assert groups.stream(numbers).tolist() == [0, 2]
    assert groups.first_channel(numbers).tolist() == [1, 0]
    assert groups.of_streams(np.array([2, 0])).tolist() == [6, 7, 8, 0, 1, 2]
