"""In which units the model sees a window."""

from typing import Annotated

from pydantic import Field, model_validator

from monitor.core.artifact.normalization_spec import NormalizationKind
from monitor.settings.section import Section


class NormalizationSettings(Section):
    """Where the centre and the scale come from by which windows are normalized before the model sees them."""

    kind: NormalizationKind = "fixed"
    """`fixed`: one centre and scale per channel, from the training data. `window`: each window's own mean and standard
    deviation. `stream`: learnt robustly from the first windows of each stream. `template`: as `stream`, but the centre
    is a whole window, the stream's usual one, for windows cut around beats."""

    warmup_windows: Annotated[int, Field(ge=1, le=4096)] = 64
    """From how many windows a stream's own numbers are learnt, for kinds `stream` and `template`."""

    shared: bool = False
    """One centre and one scale for all measured channels, which then must be in one unit: the rows of an image. Only
    for kind `fixed`."""

    @model_validator(mode="after")
    def _shared_is_of_fixed(self) -> "NormalizationSettings":
        if self.shared and self.kind != "fixed":
            raise ValueError('`shared` belongs to kind = "fixed": the others take each channel\'s own numbers')
        return self
