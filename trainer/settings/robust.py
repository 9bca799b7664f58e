"""What a fit does about windows that do not belong."""

from typing import Annotated

from pydantic import Field

from monitor.settings.section import Section


class RobustSettings(Section):
    """How windows that do not belong to the rest are trimmed from training and validation (`trainer.fitting.robust`).

    trim: at most this fraction of them (0: none). If more lie beyond the cut, all are kept: so many are a way of
        operation, not a mistake.
    rounds: how often, at most, a fitted model is asked which windows it cannot reconstruct. A round that finds some
        takes another fit.
    """

    trim: Annotated[float, Field(ge=0, le=0.3)] = 0.05
    rounds: Annotated[int, Field(ge=1, le=10)] = 2
