"""In which units the model sees a window."""

from typing import Annotated, Literal

from pydantic import Field

from trainer.settings.section import Section


class NormalizationSettings(Section):
    """Where centre and scale come from; see `monitor.core.manifest.NormalizationSpec`."""

    kind: Literal["fixed", "window", "stream", "template"] = "fixed"
    warmup_windows: Annotated[int, Field(ge=1, le=4096)] = 64
