"""The settings of a refit: those of the model in use, with what its data decided for it.

A refit has the same windows, the same representation and the same network as its parent; only numbers differ. So its
module has the parent's code, and scores can be compared.
"""

from typing import Any

from monitor.core.artifact.manifest import Manifest
from trainer.settings import FitSettings


def settings_of_refit(manifest: Manifest, kept: FitSettings | None, *, onnx: bool) -> FitSettings:
    """Fit settings of a refit of the model that `manifest` describes.

    kept: those that its anchor was fitted with; None where nobody kept them. onnx: whether it has a model for ONNX
    Runtime beside it.
    """
    window, normalization = manifest.window, manifest.normalization
    table: dict[str, Any] = {
        "seed": manifest.provenance.seed,
        "channel": [
            channel.model_dump(include={"name", "unit", "low", "high", "may_rest"})
            for channel in manifest.channels
            if not channel.derived
        ],
        "window": window.model_dump(include={"cut", "length", "stride", "max_gap_samples", "min_coverage"})
        | {"sample_rate_hz": 1 / manifest.sample_period_seconds},
        "normalization": {
            "kind": normalization.kind,
            "warmup_windows": normalization.warmup_windows,
            "shared": kept is not None and kept.normalization.shared,
        },
        "representation": {"kind": manifest.representation} | manifest.representation_settings,
        "model": {"family": manifest.family} | manifest.settings,
        "training": manifest.training,
        "score": manifest.score.model_dump(),
        "export": {"onnx": onnx},
    }
    if kept is None:
        table["calibration"] = _calibration(manifest)
    else:
        table |= {"split": kept.split, "robust": kept.robust, "calibration": kept.calibration}
    return FitSettings.model_validate(table)


def _calibration(manifest: Manifest) -> dict[str, Any]:
    made = manifest.calibration
    if made.false_alarms is not None:
        return {"rule": "budget", "false_alarms": made.false_alarms.asked, "judge": made.false_alarms.judge}
    return {"rule": made.rule, "setting": made.setting}
