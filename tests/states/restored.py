"""What versions of the daemon left on the disk (see `write.py`), for tests that restore it without an engine."""

import json
import shutil
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from monitor.adapters.storage.checkpoint import read_checkpoint
from monitor.core.artifact.manifest import Manifest
from monitor.core.streams.model_group import ModelGroup
from monitor.core.values.scorer import Floats32, ScoreBatch
from monitor.core.values.snapshots import State
from monitor.pipeline.pipeline import Pipeline
from monitor.setup.build import Setup, build_pipeline
from monitor.setup.config_file import load_config
from monitor.setup.registry import Config

VERSIONS = sorted(file.parent for file in Path(__file__).parent.glob("*/meta.json"))


@dataclass(frozen=True)
class LoudnessScorer:
    """A model that knows waves of amplitude 1: what swings wider is far above the threshold, all else below it."""

    threshold: float

    def score(self, windows: Floats32, *_: Floats32) -> ScoreBatch:
        loud = windows[:, 0].std(axis=1) > 1.5
        error = np.where(loud, 10 * self.threshold, 0.1 * self.threshold).astype(np.float32)
        return ScoreBatch(error, np.repeat(error[:, None], windows.shape[1], axis=1))


@dataclass(frozen=True)
class Stand:
    """What stands for an artifact."""

    manifest: Manifest
    scorer: LoudnessScorer
    max_batch: int = 256


@dataclass(frozen=True)
class Left:
    """What one version left, in a folder of its own."""

    folder: Path
    meta: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def copied(cls, version: Path, folder: Path) -> "Left":
        """A copy that may be changed."""
        shutil.copytree(version, folder, symlinks=True)
        return cls(folder, json.loads((folder / "meta.json").read_bytes()))

    def config(self) -> Config:
        return load_config(self.folder / "monitor.toml")

    def pipeline(self) -> Pipeline:
        """A fresh pipeline of its configuration and artifacts."""
        config = self.config()
        stands: Any = {model.name: _stand_for(self.folder / "models" / model.name) for model in config.model}
        return build_pipeline(Setup(config, stands), lambda source, topic, discard: None)

    def checkpoint(self) -> State:
        state = read_checkpoint(self.folder / "kept" / "checkpoint")
        assert state is not None
        return state


def _stand_for(model: Path) -> Stand:
    with zipfile.ZipFile(model / "current") as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/manifest.json"))
        manifest = Manifest.model_validate_json(archive.read(name))
    return Stand(manifest, LoudnessScorer(manifest.threshold))


def phases_of(group: ModelGroup) -> dict[str, str]:
    """The phase of each open alert, by stream."""
    return {step.stream: step.phase for step in group.alerts.open_steps()}
