"""Which part of the data serves for what."""

from typing import Annotated, Literal

from pydantic import Field

from monitor.settings.section import Section

Fraction = Annotated[float, Field(gt=0, lt=0.5)]


class SplitSettings(Section):
    """Which fractions of each recording are kept from the optimization. The rest trains."""

    validation: Fraction = 0.15
    """The fraction that decides when the optimization stops."""

    calibration: Fraction = 0.25
    """The fraction that sets the threshold: the last one of each recording, unless every part calibrates in its
    turn."""

    cross_fit: bool | None = None
    """Every part of the data calibrates in its turn, on the errors of a model that was fitted to the others only; the
    model that is used is fitted to all of them. This takes as many more fits as calibration parts make a whole. Left
    out, the data decide: yes where windows are few and not ready-made."""

    by: Literal["time", "recording"] = "time"
    """What is held out together where every part calibrates in its turn. `time`: stretches of each recording, for the
    streams that were recorded. `recording`: whole recordings, for a model that is to watch other streams than those it
    was fitted to."""
