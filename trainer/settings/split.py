"""Which part of the data serves for what."""

from typing import Annotated, Literal

from pydantic import Field

from monitor.settings.section import Section

Fraction = Annotated[float, Field(gt=0, lt=0.5)]


class SplitSettings(Section):
    """Which fractions of each recording are kept from the optimization. The rest trains.

    cross_fit: every part of the data calibrates in its turn, on the errors of a model that was fitted to the others
        only, and the model that is used is fitted to all of them. It takes as many more fits as calibration parts make
        a whole, so the data decide if left out: where windows are few and no ready-made ones.
    by: what is held out together where every part calibrates in its turn. `time`: stretches of each recording, for the
        streams that were recorded. `recording`: whole recordings, for a model that is to watch other streams than
        those it was fitted to.
    """

    validation: Fraction = 0.15
    calibration: Fraction = 0.25
    cross_fit: bool | None = None
    by: Literal["time", "recording"] = "time"
