"""A slow channel that drifts away is seen, whatever the representation makes of the fast ones."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from monitor.core.dataset.recording import Recording
from tests.sines import data_file
from trainer.artifact.export import load_artifact
from trainer.data.gathering import gather
from trainer.evaluation.evaluation import Scored, score_file
from trainer.fitting.fit import fit
from trainer.settings import load_settings

RATE_HZ = 50.0
DRIFT_FROM = 0.5  # of the recording


def motor(count: int, seed: int, drift: float = 0.0) -> Recording:
    """Two vibrations whose phase wanders, and a temperature that swings by one degree; it drifts by `drift` degrees."""
    rng = np.random.default_rng(seed)
    at = np.arange(count) / RATE_HZ
    phase = 2 * np.pi * 7.0 * at + np.cumsum(rng.normal(0, 0.05, count))
    temperature = (
        60 + np.sin(2 * np.pi * at / 40 + rng.uniform(0, 6)) + drift * np.clip(at / at[-1] - DRIFT_FROM, 0, None)
    )
    samples = np.stack([np.sin(phase), 0.5 * np.cos(phase), temperature], axis=1)
    samples += rng.normal(0, [0.2, 0.2, 0.02], samples.shape)
    return Recording(
        name=f"motor-{seed}-{drift:g}.npz",
        channels=("vib_x", "vib_y", "temperature"),
        samples=samples.astype(np.float32),
        time_seconds=at,
        sample_period_seconds=1 / RATE_HZ,
        labels=None,
        segment=np.zeros(count, np.int64),
    )


def scored(options: dict[str, Any]) -> Scored:
    """Fit without drift, then score a recording at whose end the temperature is six degrees too high."""
    settings = load_settings(None, {"model.family": "pca", "window.length": 64, "window.stride": 16, **options})
    files = [data_file(motor(16_000, seed)) for seed in (1, 2, 4)]
    fitted = fit(gather(files, settings), settings, "motor", datetime(2025, 1, 1, tzinfo=UTC), lambda *_: None)
    return score_file(load_artifact("test", fitted.artifact), data_file(motor(8000, 3, drift=12.0)))


SEEING = [
    {"representation.kind": "spectrum"},
    {"representation.kind": "envelope_spectrum"},
    {"representation.kind": "spectrogram"},
]


@pytest.mark.parametrize("kind", ["fixed", "window", "stream"])
@pytest.mark.parametrize("options", SEEING)
def test_a_drift_is_seen_and_put_down_to_its_channel(options: dict[str, Any], kind: str) -> None:
    result = scored({"normalization.kind": kind, "normalization.warmup_windows": 150, **options})
    usable = result.withheld == ""
    last = np.flatnonzero(usable)[-len(result.score) // 10 :]  # five degrees and more
    before = usable & (np.arange(len(result.score)) < DRIFT_FROM * len(result.score))
    assert (result.score[last] > 1).mean() > 0.95
    assert (result.score[before] > 1).mean() < 0.1
    assert (result.channel_error[last].argmax(axis=1) == 2).mean() > 0.95


def test_windows_normalized_by_themselves_show_it_only_with_their_level() -> None:
    rates = {}
    for level in (False, True):
        result = scored({"normalization.kind": "window", "representation.level": level})
        rates[level] = (result.score[-len(result.score) // 10 :] > 1).mean()
    assert rates[False] < 0.2
    assert rates[True] > 0.95
