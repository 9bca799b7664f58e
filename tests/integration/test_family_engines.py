"""Every family, with what changes its layers, computes under every engine what the trainer computed."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.adapters.engines.loader import load_artifact
from monitor.adapters.engines.settings import ScoringConfig
from tests.engines import OTHERS, REFERENCE
from tests.sines import data_file, sine_recording
from trainer.artifact.folder import publish
from trainer.data.gathering import gather
from trainer.fitting.fit import fit
from trainer.settings import load_settings

pytestmark = pytest.mark.integration

FAMILIES: dict[str, dict[str, Any]] = {
    "dense": {"tied_weights": True, "batch_norm": True, "dropout": 0.1, "code_activation": "sigmoid"},
    "conv": {"features": [8, 4], "fully_convolutional": True, "batch_norm": True},
    "conv2d": {"features": [4, 8], "dropout": 0.1},
    "residual": {"features": [4, 8], "batch_norm": True},
    "lstm": {"units": 8},
}


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("family", FAMILIES)
def test_engines_agree_for_one_window_and_for_many(tmp_path: Path, family: str, other: ScoringConfig) -> None:
    sizes = {"window.length": 50, "window.stride": 10, "training.max_epochs": 1}
    sizes["export.onnx"] = other.engine == "onnx"
    options = {f"model.{name}": value for name, value in FAMILIES[family].items()}
    settings = load_settings(None, {"model.family": family, **sizes, **options})
    corpus = gather([data_file(sine_recording(4000))], settings)
    fitted = fit(corpus, settings, family, datetime(2025, 1, 1, tzinfo=UTC), lambda *_: None)
    folder = publish(tmp_path / family, fitted.manifest.version, fitted.artifact, "", fitted.onnx)
    engines = [load_artifact(folder, engine, 64).scorer for engine in (REFERENCE, other)]
    values = np.random.default_rng(0).normal(10, 3, (7, 2, 50)).astype(np.float32)
    for count in (1, 7):
        centre, scale = np.full((count, 2), 10, np.float32), np.full((count, 2), 3, np.float32)
        reference, found = (engine.score(values[:count], centre, scale) for engine in engines)
        np.testing.assert_allclose(found.error, reference.error, rtol=1e-4)
        np.testing.assert_allclose(found.channel_error, reference.channel_error, rtol=1e-4)
