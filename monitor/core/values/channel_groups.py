"""Channel groups: the channels of one stream that arrive together, and their numbers in arrays.

A channel group is named by its stream and the first of its channels. In arrays by channel group it has one number, and
how that is made stands in this file alone.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
_Numbers = TypeVar("_Numbers", int, Ints)


class ChannelGroups:
    """Numbers of channel groups, for streams of so many `channels`."""

    def __init__(self, channels: int) -> None:
        self.channels = channels

    def number(self, stream: _Numbers, first_channel: _Numbers) -> _Numbers:
        """The number of the channel group of a stream that begins with this channel; either may be an array [M]."""
        return stream * self.channels + first_channel

    def stream(self, number: _Numbers) -> _Numbers:
        """The stream of a channel group, or of many [M]."""
        return number // self.channels

    def first_channel(self, number: _Numbers) -> _Numbers:
        """The first channel of a channel group, or of many [M]."""
        return number % self.channels

    def of_stream(self, stream: int) -> slice:
        """The rows of one stream in arrays by channel group."""
        return slice(stream * self.channels, (stream + 1) * self.channels)

    def of_streams(self, streams: Ints) -> Ints:
        """The rows of streams in arrays by channel group: int64 [T * C], stream by stream. streams: int64 [T]."""
        return (streams[:, None] * self.channels + np.arange(self.channels)).reshape(-1)
