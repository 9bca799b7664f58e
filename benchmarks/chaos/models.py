"""The models of the chaos run, fitted as the trainer fits them, but without the pictures of its reports."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from benchmarks.chaos.devices import CHANNELS, RATE_HZ, wave
from benchmarks.common.models_in_use import use_version
from trainer.artifact.folder import publish, write_version
from trainer.data.cutting import read_files
from trainer.data.gathering import gather
from trainer.fitting.fit import fit
from trainer.settings import load_settings

_SAMPLES = 12_000
_SETTINGS = {"model.family": "pca", "training.threads": 1}
_OF_STREAMS = {"normalization.kind": "stream", "normalization.warmup_windows": 8}


def fit_all(folder: Path) -> Path:
    """The folder of two models, `hum` and `wave`, of two artifacts each.

    Those of `hum` have the same numbers and different names, to be swapped without another verdict. Those of `wave` cut
    other windows, and learn what is usual for each stream.
    """
    fit_hum(folder, artifacts=2)
    for number, length in enumerate((64, 48)):
        _fit(folder, "wave", number, {"window.length": length, "window.stride": length // 2} | _OF_STREAMS)
    return folder / "models"


def fit_hum(folder: Path, *, artifacts: int = 1, length: int = 64, stride: int = 32) -> Path:
    """Fit the model `hum`; its folder. length, stride: samples of a window, and from one to the next."""
    for number in range(artifacts):
        _fit(folder, "hum", number, {"window.length": length, "window.stride": stride})
    return folder / "models" / "hum"


def _fit(folder: Path, name: str, number: int, settings: dict[str, object]) -> None:
    """Fit artifact `number` of a model."""
    data = folder / "hum.npz"
    samples = wave(np.arange(_SAMPLES) / RATE_HZ)
    samples += np.random.default_rng(0).normal(0, 0.05, samples.shape)
    np.savez(data, samples=samples.astype(np.float32), channels=list(CHANNELS), sample_rate_hz=RATE_HZ)
    chosen = load_settings(None, _SETTINGS | settings, {})
    corpus = gather(read_files([data], chosen.reading, chosen.window.sample_rate_hz), chosen)
    created = datetime.now(UTC) + timedelta(seconds=number)  # versions are named by the second
    fitted = fit(corpus, chosen, name, created, lambda *_: None)
    model, version = folder / "models" / name, fitted.manifest.version
    if number == 0:
        publish(model, version, fitted.artifact, "")
    else:
        write_version(model, version, fitted.artifact, "")
        use_version(model, version)
