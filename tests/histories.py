"""Histories for tests: machines whose samples come once a minute, as the daemon would have kept them."""

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

import numpy as np

from monitor.adapters.storage.history_store import HistoryStore
from monitor.adapters.storage.label_table import add_label
from monitor.core.dataset.recording import Recording
from monitor.core.history.alert_record import AlertRecord
from monitor.core.history.label import Label
from monitor.core.history.layout import Layout
from monitor.core.history.stretch import Kept, Stretch
from trainer.settings import FitSettings

PERIOD_SECONDS = 60.0
DAY_SAMPLES = 1440
LENGTH, STRIDE = 16, 4
START = 1_700_006_400.0  # midnight, UTC
CHANNELS = ("load", "heat")
SETTINGS = FitSettings.model_validate(
    {
        "channel": [{"name": name, "unit": "A"} for name in CHANNELS],
        "window": {"length": LENGTH, "stride": STRIDE},
        "representation": {"kind": "raw"},
        "model": {"family": "pca"},
        "calibration": {"false_alarms": "1 per 30d"},
    }
)


def machine(
    days: float, seed: int = 0, first_day: float = 0.0, level: float = 10.0, ramp_per_day: float = 0.0
) -> Recording:
    """A machine's load swings by the hour, and its heat follows. level: of the heat, which drifts by `ramp_per_day`."""
    rng = np.random.default_rng(seed)
    count = round(days * DAY_SAMPLES)
    at = first_day * DAY_SAMPLES + np.arange(count, dtype=np.float64)
    load = 5 + np.sin(2 * np.pi * at / 60) + rng.normal(0, 0.2, count)
    heat = level + 0.5 * load + ramp_per_day * (at / DAY_SAMPLES - first_day) + rng.normal(0, 0.2, count)
    return Recording(
        name=f"m{seed}",
        channels=CHANNELS,
        samples=np.stack([load, heat], axis=1).astype(np.float32),
        time_seconds=START + at * PERIOD_SECONDS,
        sample_period_seconds=PERIOD_SECONDS,
        labels=None,
        segment=np.zeros(count, np.int64),
    )


def stretch_of(recording: Recording, model: str, stream: str, version: str = "1", kept: Kept = "whole") -> Stretch:
    """What the daemon keeps of a recording, if all its windows are normal."""
    ends = recording.time_seconds[LENGTH - 1 :: STRIDE]
    return Stretch(
        model=model,
        stream=stream,
        version=version,
        channels=recording.channels,
        sample_period_seconds=recording.sample_period_seconds,
        start_seconds=float(recording.time_seconds[0]),
        values=np.ascontiguousarray(recording.samples.T),
        ends_seconds=ends,
        score=np.full(len(ends), 0.3, np.float32),
        verdict=np.zeros(len(ends), np.int8),
        quality=np.zeros(len(ends), np.int8),
        kept=kept,
    )


def write_history(
    file: Path,
    model: str,
    recordings: Mapping[str, Recording],
    alerts: Iterable[AlertRecord] = (),
    labels: Iterable[Label] = (),
) -> Path:
    """A history of these streams; recordings by stream."""
    store = HistoryStore(file, 2**30)
    store.open()
    store.put_layout(Layout(model, "1", CHANNELS, PERIOD_SECONDS, LENGTH, "0" * 64))
    for stream, recording in recordings.items():
        store.put_stretch(stretch_of(recording, model, stream))
    for alert in alerts:
        store.put_alert(alert)
    store.flush()
    store.close()
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        for label in labels:
            add_label(database, label)
    return file
