"""Every representation and error definition computes the same in every engine, from a real fit."""

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

COMBINATIONS: list[dict[str, Any]] = [
    {"representation.level": True, "normalization.kind": "window", "score.residual": "variance"},
    {"representation.kind": "spectrum", "score.residual": "covariance", "score.latent_weight": 1.0},
    {"representation.kind": "envelope_spectrum", "representation.band_hz": [5.0, 20.0]},
    {"representation.kind": "spectrogram", "representation.segment_samples": 9, "score.residual": "variance"},
    {"representation.level": True, "score.smoothing_samples": 1.5, "score.residual": "covariance"},
    {
        "representation.kind": "spectrogram",
        "representation.segment_samples": 9,
        "score.smoothing_samples": 0.8,
        "score.smoothing_axes": 2,
    },
    {"model.family": "conv2d", "training.max_epochs": 1, "normalization.shared": True, "score.smoothing_samples": 1.5},
]


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("options", COMBINATIONS)
def test_engines_agree(tmp_path: Path, options: dict[str, Any], other: ScoringConfig) -> None:
    chosen = {"model.family": "pca", "window.length": 50, "window.stride": 10, "export.onnx": True}
    settings = load_settings(None, chosen | options)
    recording = sine_recording(4000)
    corpus = gather([data_file(recording)], settings)
    fitted = fit(corpus, settings, "sine", datetime(2025, 1, 1, tzinfo=UTC), lambda *_: None)
    path = publish(tmp_path / "sine", fitted.manifest.version, fitted.artifact, "", fitted.onnx)

    rng = np.random.default_rng(0)
    windows = rng.normal([[10.0], [0.0]], [[3.0], [0.2]], (33, 2, 50)).astype(np.float32)
    centre, scale = windows.mean(axis=2), windows.std(axis=2)
    reference, found = (
        load_artifact(path, engine, 64).scorer.score(windows, centre, scale) for engine in (REFERENCE, other)
    )
    np.testing.assert_allclose(found.error, reference.error, rtol=1e-3)
    np.testing.assert_allclose(found.channel_error, reference.channel_error, rtol=1e-3)
