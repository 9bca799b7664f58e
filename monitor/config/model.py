"""The section `[[model]]`: which models there are."""

from typing import Annotated

from pydantic import Field

from monitor.config.field_types import AnyPath
from monitor.core.alerting.decision_rule import DecisionSettings
from monitor.core.values.names import Name
from monitor.settings.section import Section


class ModelConfig(Section):
    """A model: a folder with artifacts, of which `current` is in use. Repeat `[[model]]` for each."""

    name: Name
    """What sources call it, and the `model` label of its metrics."""

    path: AnyPath
    """Folder that `residuald-trainer fit --out` writes to."""

    artifact: Name | None = None
    """Name of the model that its artifacts say they are of: the name of the folder that `fit --out` wrote. Left out:
    `name`. Another one is refused, so that no model judges what it was not fitted to."""

    history: bool | None = None
    """Whether what its streams measure is kept in the history. Left out: it is, unless it judges heartbeats, which are
    a patient's."""

    max_batch: Annotated[int, Field(ge=1, le=65536)] | None = None
    """Most windows scored in one call. Left out: measured when the artifact is loaded, which takes a moment."""

    judge: DecisionSettings = DecisionSettings()
    """When anomalous windows become an alert; see `[model.judge]`."""
