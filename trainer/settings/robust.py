"""What a fit does about windows that do not belong."""

from typing import Annotated

from pydantic import Field

from monitor.settings.section import Section


class RobustSettings(Section):
    """How windows that do not belong to the rest are trimmed from training and validation."""

    trim: Annotated[float, Field(ge=0, le=0.3)] = 0.05
    """At most this fraction of the windows is trimmed; 0: none. Where more do not belong, all are kept: so many are a
    way of operation, not a mistake."""

    rounds: Annotated[int, Field(ge=1, le=10)] = 2
    """How often, at most, windows are looked for that the fitted model cannot reconstruct. A round that finds some
    takes another fit."""
