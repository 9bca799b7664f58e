"""A family that is one file and one entry of the registry is fitted, exported and loaded as all others are."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from monitor.adapters.engines.loader import load_artifact
from tests.sines import sine_recording, write_npz
from trainer.cli import main
from trainer.registry import FAMILIES, Family
from trainer.settings import FitSettings
from trainer.settings.model import FamilySettings

EXAMPLE = "tests.training.example_family"


@pytest.fixture
def single(monkeypatch: pytest.MonkeyPatch) -> Iterator[Family]:
    """The example family, in the registry for one test."""
    from tests.training.example_family import SingleSettings  # noqa: PLC0415 - it makes itself known when imported

    family = Family(SingleSettings, f"{EXAMPLE}:SingleLayer", "one layer there and one back")
    monkeypatch.setitem(FAMILIES, family.name, family)
    yield family
    del FamilySettings.kinds[family.name], sys.modules[EXAMPLE]


def test_a_new_family_is_fitted_exported_and_loaded_by_the_daemon(single: Family, tmp_path: Path) -> None:
    data = write_npz(tmp_path / "normal.npz", sine_recording(3000, seed=1))
    config = tmp_path / "fit.toml"
    config.write_text("[model]\nbottleneck = 3\n[training]\nmax_epochs = 2\n")
    fit = ["fit", "--data", data, "--config", config, "--window", 50, "--family", "single", "--representation", "raw"]
    assert main([*map(str, fit), "--out", str(tmp_path / "models" / "pump")]) == 0

    loaded = load_artifact(tmp_path / "models" / "pump", max_batch=4)  # proves its golden windows, too
    assert (loaded.manifest.family, loaded.manifest.settings) == ("single", {"bottleneck": 3})
    windows = np.zeros((2, 2, 50), np.float32)
    scored = loaded.scorer.score(windows, np.zeros((2, 2), np.float32), np.ones((2, 2), np.float32))
    assert scored.error.shape == (2,)


def test_the_settings_of_a_new_family_are_checked_as_those_of_all_others(single: Family) -> None:
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        FitSettings.model_validate({"model": {"family": "single", "bottleneck": 0}})
    with pytest.raises(ValueError, match="Extra inputs"):
        FitSettings.model_validate({"model": {"family": "single", "dropout": 0.5}})


def test_a_family_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(ValueError, match="expected tags: 'dense', 'conv', 'conv2d', 'residual', 'lstm', 'pca'"):
        FitSettings.model_validate({"model": {"family": "single"}})
