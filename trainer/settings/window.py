"""How recordings are cut into windows."""

from typing import Annotated, Literal

from pydantic import Field

from monitor.settings.section import Section


class WindowSettings(Section):
    """How windows are cut. A length or stride left out follows from the sample rate (`data.cutting.plan_windows`).

    cut: `sliding`, every `stride` samples; or `beat`, around the heartbeats found in the first channel, with the
        intervals between them as channels of their own. `stride` is then how often a window is cut where none comes.
    sample_rate_hz: overrides the rate found in the files. Files of ready-made windows carry none; there it is 1 Hz
        unless given.
    """

    cut: Literal["sliding", "beat"] = "sliding"
    length: Annotated[int, Field(ge=2, le=65536)] | None = None
    stride: Annotated[int, Field(ge=1, le=65536)] | None = None
    max_gap_samples: Annotated[int, Field(ge=0, le=1024)] = 2
    min_coverage: Annotated[float, Field(ge=0, le=1)] = 0.8
    sample_rate_hz: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
