"""Slots of time: what is decided upon at once, and how much time that is for a model."""

from typing import NamedTuple

from monitor.core.history.layout import Layout

_SLOT_BYTES = 16 * 1024  # of samples: less would be more rows than content, more would be all or nothing
_LEAST_WINDOWS = 8
_MOST_SECONDS = 600.0  # a process that is killed has not written the slot that it was in
_MARGIN_WINDOWS = 16
_SAMPLE_BYTES = 4


class Slots(NamedTuple):
    """How the time of a model's streams is divided.

    seconds: of a slot. margin_seconds: what is kept before and after an alert. bytes_per_second: of one stream's
    samples, not compressed.
    """

    seconds: float
    margin_seconds: float
    bytes_per_second: float

    @staticmethod
    def of(layout: Layout, stride_samples: int) -> "Slots":
        """The slots for a model whose windows lie `stride_samples` apart, or about so."""
        rate = len(layout.channels) * _SAMPLE_BYTES / layout.sample_period_seconds
        stride_seconds = stride_samples * layout.sample_period_seconds
        seconds = max(min(_SLOT_BYTES / rate, _MOST_SECONDS), _LEAST_WINDOWS * stride_seconds)
        margin = _MARGIN_WINDOWS * stride_seconds + layout.window_length * layout.sample_period_seconds
        return Slots(seconds, margin, rate)
