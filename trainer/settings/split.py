"""Which part of the data serves for what."""

from typing import Annotated

from pydantic import Field

from trainer.settings.section import Section

Fraction = Annotated[float, Field(gt=0, lt=0.5)]


class SplitSettings(Section):
    """Which fractions of each recording, at its end, are kept from the optimization. The rest trains."""

    validation: Fraction = 0.15
    calibration: Fraction = 0.25
