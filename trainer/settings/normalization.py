"""In which units the model sees a window."""

from typing import Annotated

from pydantic import Field, model_validator

from monitor.core.artifact.manifest import NormalizationKind
from monitor.settings.section import Section


class NormalizationSettings(Section):
    """Where centre and scale come from; see `monitor.core.artifact.manifest.NormalizationSpec`.

    shared: one centre and one scale for all measured channels, which then must be in one unit (kind `fixed`).
    """

    kind: NormalizationKind = "fixed"
    warmup_windows: Annotated[int, Field(ge=1, le=4096)] = 64
    shared: bool = False

    @model_validator(mode="after")
    def _shared_is_of_fixed(self) -> "NormalizationSettings":
        if self.shared and self.kind != "fixed":
            raise ValueError('`shared` belongs to kind = "fixed": the others take each channel\'s own numbers')
        return self
