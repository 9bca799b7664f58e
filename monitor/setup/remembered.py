"""Whose samples the history keeps, and for how long."""

from collections.abc import Mapping

from monitor.core.artifact.manifest import Manifest
from monitor.setup.build import Setup

# Heartbeats are a patient's: they are kept where somebody asks for it, and not for ever.
HEARTBEATS_MAX_AGE_SECONDS = 30 * 86400.0


def remembered_models(setup: Setup) -> Mapping[str, float | None]:
    """The models whose streams are kept: by name, after how many seconds what is kept is deleted. None: never."""
    config = setup.config
    found: dict[str, float | None] = {}
    for model in config.model:
        manifest = setup.artifacts[model.name].manifest
        wanted = not judges_heartbeats(manifest) if model.history is None else model.history
        if wanted:
            default = HEARTBEATS_MAX_AGE_SECONDS if judges_heartbeats(manifest) else None
            found[model.name] = config.history.max_age_seconds or default
    return found


def judges_heartbeats(manifest: Manifest) -> bool:
    """Whether the windows of an artifact are cut around heartbeats."""
    return manifest.window.beat is not None
