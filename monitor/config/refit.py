"""The section `[refit]`: how `residuald-trainer refit` goes about the models of this configuration."""

from typing import Annotated

from pydantic import Field

from monitor.config.field_types import Seconds
from monitor.config.refit_bounds import RefitBounds
from monitor.settings.section import Section


class RefitConfig(Section):
    """How `residuald-trainer refit` fits the models of this file anew; the daemon itself uses nothing of it."""

    least_days: Annotated[float, Field(gt=0, le=3650)] = 5.0
    """A model is refitted once so many days of new data are there, and as many windows as its threshold takes."""

    margin_before_seconds: Seconds = 86_400.0
    """So much before an alert that fired is left out, too: a fault was there before it was seen."""

    margin_after_seconds: Seconds = 21_600.0
    """So much after an alert that fired is left out, too: a machine takes a while to run as it did."""

    max_windows: Annotated[int, Field(ge=200, le=10_000_000)] = 20_000
    """A refit learns from at most so many windows, spread evenly over streams and days."""

    max_labels: Annotated[int, Field(ge=0, le=100_000)] = 50
    """With more labels than this since the last fit nothing is refitted until a person has looked: a flood of them is
    rather a mistake, or worse, than work."""

    max_label_share: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Labels may bring back at most this part of what a refit takes. Beyond it nothing is refitted either. What a
    person accepted by `residuald accept` does not count."""

    bounds: RefitBounds = RefitBounds()
    """How far normal data may move unasked; see `[refit.bounds]`."""
