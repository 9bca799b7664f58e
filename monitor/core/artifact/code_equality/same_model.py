"""Whether a refit judges what its parent judges: the same quantities, cut into the same windows."""

from typing import Any

from monitor.core.artifact.code_equality.unequal import UnequalError
from monitor.core.artifact.manifest import Manifest


def require_same_model(refit: Manifest, parent: Manifest) -> None:
    """Hold a refit to the model, the channels and the windows of its parent.

    What is learnt from data may differ: thresholds, centres and scales, and which channels may rest.

    Raises:
        UnequalError: one of them is another.

    """
    ours, theirs = _held(parent), _held(refit)
    for what, value in ours.items():
        if theirs[what] != value:
            raise UnequalError(f"its {what} is another than that of its parent {parent.version}")


def _held(manifest: Manifest) -> dict[str, Any]:
    return {
        "model": manifest.model,
        "list of channels": [channel.model_dump(exclude={"may_rest"}) for channel in manifest.channels],
        "sample period": manifest.sample_period_seconds,
        "window": manifest.window,
        "kind of normalization": manifest.normalization.kind,
    }
