"""The section `[timing]`: how event time is kept."""

from typing import Annotated

from pydantic import Field

from monitor.config.field_types import Seconds
from monitor.core.alerting.questions import ASK_AFTER_SECONDS
from monitor.settings.section import Section


class TimingConfig(Section):
    """How event time is kept."""

    jitter_samples: Annotated[float, Field(ge=0, le=1000)] = 0.75
    """A block whose time differs from the expected by at most so many sample periods is contiguous."""

    rate_tolerance: Annotated[float, Field(ge=0.001, le=1)] = 0.02
    """How far the measured sample period of a stream may be from the model's, as a fraction; windows of a stream that
    is further off are withheld as `wrong_rate`. Of payloads without a time, arrivals are measured, and may be off by
    five times as much."""

    lateness_seconds: Annotated[float, Field(ge=0, le=3600)] = 2.0
    """How long a stream waits for a channel that lags behind the others, and at least a window. What counts is when
    messages arrive, and time in which a channel catches up does not: what a gateway stored may come channel by channel.
    Where a message of one channel covers a longer time than that, windows may never fill."""

    max_ahead_seconds: Seconds = 60.0
    """A timestamp further ahead of its arrival than this is refused."""

    silent_after_seconds: Seconds = 30.0
    """A stream that sends nothing for so long, and for three sample periods, is silent. It must be longer than the time
    between two messages."""

    expire_after_seconds: Seconds = 3600.0
    """A stream silent for so long is forgotten, and its metrics with it."""

    ask_after_seconds: Seconds = ASK_AFTER_SECONDS
    """An alert that fires for so long on a steady level asks whether it is a fault or the new normal; see
    docs/labels.md."""
