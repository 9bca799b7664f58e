"""How recordings are cut into windows."""

from typing import Annotated, Literal

from pydantic import Field

from monitor.settings.section import Section


class WindowSettings(Section):
    """How recordings are cut into windows."""

    cut: Literal["sliding", "beat"] = "sliding"
    """`sliding`: every `stride` samples. `beat`: around the heartbeats found in the first channel (60 Hz at least),
    with the intervals between them as channels of their own; see docs/ecg.md."""

    length: Annotated[int, Field(ge=2, le=65536)] | None = None
    """Samples per window. Left out: a power of two of about one second; around beats 0.9 seconds. Ready-made windows
    bring their length."""

    stride: Annotated[int, Field(ge=1, le=65536)] | None = None
    """Samples from one window to the next; of cut `beat`, how often a window is cut where no beat comes. Left out: half
    the length, or an eighth of it below 8 Hz; around beats one second."""

    max_gap_samples: Annotated[int, Field(ge=0, le=1024)] = 2
    """Up to so many missing samples in a row are filled with the last value and lower the window's coverage. A longer
    gap starts a new window."""

    min_coverage: Annotated[float, Field(ge=0, le=1)] = 0.8
    """A channel of which a smaller fraction was measured is `low_coverage`: the window is judged without it, or not at
    all."""

    sample_rate_hz: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Samples per second, in place of what the files say. Files of ready-made windows carry no rate: left out, it is
    1 Hz there."""
