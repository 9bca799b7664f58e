"""What a user says of a channel."""

from typing import Annotated

from pydantic import Field

from monitor.core.artifact.manifest import ChannelSpec
from monitor.core.values.names import Name
from monitor.settings.section import Section

Finite = Annotated[float, Field(allow_inf_nan=False)]


class ChannelSettings(Section):
    """A channel of the model. Repeat `[[channel]]` for each, in the model's order.

    Without any, the model takes all channels of the data, with neither unit nor range.
    """

    name: Name
    """The channel's name in the data files, and in the artifact."""

    unit: str = ""
    """Unit of its values, e.g. `mm/s`; for people only."""

    low: Finite | None = None
    """The lowest value that the sensor can deliver. A window with a lower one is `out_of_range`."""

    high: Finite | None = None
    """The highest value that the sensor can deliver. A window with a higher one is `out_of_range`."""

    may_rest: bool | None = None
    """Whether the channel may stand still for a whole window; where it may not, such a window is `stuck`. Left out: it
    may if it did in the data."""

    @property
    def spec(self) -> ChannelSpec:
        """The channel as the manifest has it; `may_rest` is set in it only where the user set it."""
        return ChannelSpec(**self.model_dump(exclude_none=True))
