"""The table `[refit.bounds]`: how much of a slow change refits take in without a person."""

from typing import Annotated

from pydantic import Field

from monitor.core.values.names import Name
from monitor.settings.section import Section

Above = Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)]


class ChannelBound(Section):
    """A bound of one channel, in the unit of its sensor. Repeat `[[refit.bounds.channel]]` for each."""

    name: Name
    """The channel."""

    centre: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    """So far may its centre move, in the place of what `[refit.bounds]` says: `5.0` of a temperature in degrees."""


class RefitBounds(Section):
    """How far a stream's normal data may move from the anchor's, over all refits together.

    What lies beyond is not learnt until a person accepts it.
    """

    centre: Above = 1.0
    """So far may a channel's centre move, in scales of that channel in the anchor's data, beside what all streams of
    the model share. Wear within what was normal is taken in, a fault that grows is not."""

    scale: Annotated[float, Field(gt=1, le=1000, allow_inf_nan=False)] = 1.5
    """A channel's scale may become so many times as large, or as small."""

    shared_centre: Above = 4.0
    """So far may the centres of most streams move together, likewise: a season, another product. It takes five streams
    to tell what they share."""

    channel: Annotated[tuple[ChannelBound, ...], Field(max_length=1024)] = ()
    """Bounds of single channels; see `[[refit.bounds.channel]]`."""
