"""A model of beats computes the same in every engine, with a template for a centre."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from monitor.adapters.engines.loader import load_artifact
from monitor.adapters.engines.settings import ScoringConfig
from tests.engines import OTHERS, REFERENCE
from tests.hearts import heart_recording
from tests.sines import data_file
from trainer.artifact.folder import publish
from trainer.data.gathering import gather
from trainer.fitting.fit import fit
from trainer.settings import load_settings
from trainer.settings.presets import preset

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("other", OTHERS)
def test_engines_agree(tmp_path: Path, other: ScoringConfig) -> None:
    files = [data_file(heart_recording(70, device=device)) for device in (1, 2)]
    chosen = {"model.family": "pca", "normalization.warmup_windows": 20, "export.onnx": True}
    settings = load_settings(None, chosen, preset("ecg", len(files)))
    corpus = gather(files, settings)
    fitted = fit(corpus, settings, "heart", datetime(2026, 1, 31, tzinfo=UTC), lambda *_: None)
    path = publish(tmp_path / "heart", fitted.manifest.version, fitted.artifact, "", fitted.onnx)

    rng = np.random.default_rng(0)
    windows, centre = rng.normal(0.5, 0.5, (2, 33, 3, fitted.manifest.window.length)).astype(np.float32)
    scale = rng.uniform(0.1, 1.0, (33, 3)).astype(np.float32)
    reference, found = (
        load_artifact(path, engine, 64).scorer.score(windows, centre, scale) for engine in (REFERENCE, other)
    )
    np.testing.assert_allclose(found.error, reference.error, rtol=1e-3)
    np.testing.assert_allclose(found.channel_error, reference.channel_error, rtol=1e-3)
