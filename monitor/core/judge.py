"""Verdicts: threshold, quality, k-of-n and hysteresis."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator


class JudgeSettings(BaseModel):
    """When windows become an alert.

    firing: k of the last n windows anomalous. resolved: `release_windows` windows in a row with a score below
    `release_score` (below the threshold, so that a score that hovers around it does not flap).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    k: Annotated[int, Field(ge=1, le=64)] = 2
    n: Annotated[int, Field(ge=1, le=64)] = 3
    release_score: Annotated[float, Field(gt=0, le=1)] = 0.9
    release_windows: Annotated[int, Field(ge=1, le=10000)] = 3

    @model_validator(mode="after")
    def _k_fits_n(self) -> "JudgeSettings":
        if self.k > self.n:
            raise ValueError(f"k ({self.k}) must not exceed n ({self.n})")
        return self
