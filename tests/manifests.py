"""Valid manifests, and a scorer that needs no torch, for tests of the core."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from monitor.core.alerting.decision_rule import DecisionSettings
from monitor.core.artifact.array import Array
from monitor.core.artifact.manifest import Manifest
from monitor.core.grid.sample_grid import GridRules
from monitor.core.streams.model_group import ModelGroup
from monitor.core.values.scorer import Floats32, ScoreBatch

PERIOD = 0.01  # seconds per sample


class MeanSquareScorer:
    """A model that reconstructs every window as its centre: the error is the mean squared normalized value."""

    def score(self, windows: Floats32, centre: Floats32, scale: Floats32) -> ScoreBatch:
        with np.errstate(over="ignore", invalid="ignore"):  # as torch: no warning on the way to infinity
            channel_error = np.square((windows - centre[:, :, None]) / scale[:, :, None]).mean(axis=2)
            return ScoreBatch(channel_error.mean(axis=1), channel_error)


@dataclass(frozen=True)
class Fake:
    """An artifact as far as the pipeline looks at it."""

    manifest: Manifest
    scorer: MeanSquareScorer
    max_batch: int = 256


def manifest_fields(
    channels: tuple[str, ...] = ("x",), length: int = 8, stride: int = 4, kind: str = "fixed", **changed: Any
) -> dict[str, Any]:
    """The fields of a valid manifest as JSON has them; `changed` replaces whole top-level fields."""
    count = len(channels)
    golden = np.ones((1, count, length), np.float32)
    zeros, ones = np.zeros((1, count), np.float32), np.ones((1, count), np.float32)
    scores = MeanSquareScorer().score(golden, zeros, ones)
    normalization: dict[str, Any] = {"kind": kind, "scale_floor": [1e-6] * count}
    if kind == "fixed":
        normalization |= {"centre": [0.0] * count, "scale": [1.0] * count}
    return {
        "schema_version": 1,
        "model": "m",
        "version": "1",
        "channels": [{"name": name, "unit": "g"} for name in channels],
        "sample_period_seconds": PERIOD,
        "window": {"length": length, "stride": stride},
        "normalization": normalization,
        "family": "constant",
        "settings": {},
        "parameters": 0,
        "threshold": 2.0,
        "calibration": {"rule": "quantile", "setting": 0.99, "windows": 100, "error_quantiles": {"0.99": 2.0}},
        "golden": {
            "windows": array_fields(golden),
            "centre": array_fields(zeros),
            "scale": array_fields(ones),
            "error": array_fields(scores.error),
            "channel_error": array_fields(scores.channel_error),
        },
        "provenance": {
            "created": "2026-01-31T12:00:00Z",
            "code_version": "0",
            "torch_version": "0",
            "python_version": "3.11",
            "seed": 0,
            "data": [],
            "train_windows": 100,
            "validation_windows": 10,
            "calibration_windows": 100,
        },
    } | changed


def budget_fields(**changed: Any) -> dict[str, Any]:
    """The calibration of a manifest whose threshold keeps a budget of one false alarm in 30 days."""
    false_alarms: dict[str, Any] = {
        "asked": "1 per 30d",
        "asked_per_day": 1 / 30,
        "expected_per_day": 0.05,
        "low_per_day": 0.0,
        "high_per_day": 0.5,
        "method": "tail",
        "normal_seconds": 172800.0,
        "needed_seconds": 259200.0,
        "judge": {"k": 2, "n": 3},
    }
    return {
        "rule": "budget",
        "setting": 1 / 30,
        "windows": 100,
        "error_quantiles": {"0.99": 2.0},
        "false_alarms": false_alarms | changed,
    }


def masking_fields(channels: int, length: int = 8, **changed: Any) -> dict[str, Any]:
    """What a manifest has where its channels can be masked: flat stand-ins, and a threshold of 2 whatever is masked."""
    flat = np.zeros((channels, length), np.float32)
    return {"threshold": [2.0] * channels, "stand_in": array_fields(flat)} | changed


def array_fields(values: Floats32) -> dict[str, Any]:
    """An array as the manifest has it."""
    return Array.of(values).model_dump(mode="json")


def manifest_of(channels: tuple[str, ...] = ("x",), length: int = 8, stride: int = 4, **changed: Any) -> Manifest:
    """A valid manifest with threshold 2; see `manifest_fields`."""
    return Manifest.model_validate(manifest_fields(channels, length, stride, **changed))


def model_group_of(
    manifest: Manifest | None = None, max_batch: int = 256, lateness_samples: int = 0, **judge: Any
) -> ModelGroup:
    """An empty model group; by default of one channel, windows of 8 samples every 4, normalized by 0 and 1."""
    manifest = manifest or manifest_of()
    window = manifest.window
    rules = GridRules(
        manifest.sample_period_seconds, window.length, window.max_gap_samples, lateness_samples=lateness_samples
    )
    return ModelGroup(manifest.model, manifest, rules, DecisionSettings.model_validate(judge), max_batch, 0.0)
