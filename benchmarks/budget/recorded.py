"""Asked against seen on real recordings of normal operation: calibrated on the first part, judged on the rest.

Windows with an anomaly are left out of the first part, and alerts that rest on one are not counted as false in the
second.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import gamma

from benchmarks.datasets.converters import Arrays, ConversionError, ecg5000, fan, hydraulic, mitdb, nab, skab_normal
from monitor.core.dataset.recording import Recording, WindowSet
from trainer.artifact.export import Artifact
from trainer.data.cutting import DataFile
from trainer.data.gathering import gather
from trainer.evaluation.alerts import alert_figures
from trainer.evaluation.evaluation import score_file
from trainer.fitting.fit import fit
from trainer.settings import load_settings

FITTED_SHARE = 0.6
WANTED_ALARMS = 8  # so many false alarms are asked for in the second part: few enough to be rare, enough to be counted
CREATED = datetime(2026, 1, 1, tzinfo=UTC)
MITDB_RECORDS = ("100", "101", "103", "105", "106", "108", "112", "113", "119", "121", "122", "208", "221", "234")


@dataclass(frozen=True, slots=True)
class Recordings:
    """Recordings of one data set: the parts that models are fitted on, and the parts that follow. One model or each."""

    title: str
    groups: tuple[tuple[tuple[DataFile, ...], tuple[DataFile, ...]], ...]
    settings: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kept:
    """What came out for one data set and family, per seed: false alarms asked for, expected and seen, and set aside."""

    title: str
    family: str
    hours: float
    asked: tuple[float, ...]
    expected: tuple[float, ...]
    seen: tuple[int, ...]

    @property
    def ratio(self) -> float:
        """Seen over asked, all seeds together."""
        return sum(self.seen) / sum(self.asked)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of that ratio, by the Poisson counts of one run (Garwood 1936): seeds share their data."""
        mean, asked = float(np.mean(self.seen)), float(np.mean(self.asked))
        return float(gamma.ppf(0.025, mean)) / asked if mean else 0.0, float(gamma.ppf(0.975, mean + 1)) / asked


def load_recordings(folder: Path, quick: bool) -> Iterator[Recordings]:
    """Read the data sets.

    Raises:
        ConversionError: one is missing or not as it should be.

    """
    slow = {"window.length": 32, "window.stride": 4}
    normal = skab_normal(_load(folder, "skab_anomaly_free.npz"))
    yield Recordings("SKAB, anomaly-free", (_split(normal),), {**slow, "window.max_gap_samples": 5})
    arrays = _load(folder, "mitdb_ds1_mlii.npz")
    records = [name for name in MITDB_RECORDS[:: 5 if quick else 1] if f"sig_{name}" in arrays]
    yield Recordings("MIT-BIH, normal beats", tuple(_split(mitdb(arrays, name).stream) for name in records), {})
    balanced = fan(_load(folder, "uci_fan_accel_dev.npz"))
    kept = tuple(_first(one, int((np.asarray(one.labels) == 0).sum())) for one in balanced.stream)
    yield Recordings("UCI fan, balanced", ((_files(balanced.train), _files(kept)),), {})
    yield Recordings("NAB", tuple(_split((one,)) for one in nab(_load(folder, "nab_dev.npz"))), slow)
    beats = _normal(ecg5000(_load(folder, "ecg5000_dev.npz")))
    yield Recordings("ECG5000, class N", (_split(beats),), {})
    yield Recordings("UCI hydraulic", (_split(_normal(hydraulic(_load(folder, "uci_hydraulic_dev.npz")))),), {})


def keep(recordings: Recordings, family: str, seeds: Sequence[int]) -> Kept:
    """Fit with a budget of `WANTED_ALARMS` in the second part, and count what comes."""
    asked, expected, seen, hours = [], [], [], 0.0
    for seed in seeds:
        counts = [0.0, 0.0, 0]
        hours = 0.0
        seconds = sum(_normal_seconds(file) for _, rest in recordings.groups for file in rest)
        text = f"{WANTED_ALARMS} per {max(seconds / 3600, 1e-4):.6f}h"
        for first, rest in recordings.groups:
            chosen = {"model.family": family, "seed": seed, "calibration.false_alarms": text, **recordings.settings}
            settings = load_settings(None, chosen)
            fitted = fit(gather(list(first), settings), settings, "budget", CREATED, lambda *_: None)
            artifact = Artifact(fitted.manifest, fitted.scorer)
            figures = alert_figures([score_file(artifact, file) for file in rest], fitted.manifest.calibration)
            days = figures.normal_seconds / 86400
            counts[0] += (figures.asked_per_day or 0.0) * days
            counts[1] += (figures.expected_per_day or 0.0) * days
            counts[2] += figures.false_alarms
            hours += figures.normal_seconds / 3600
        asked.append(counts[0])
        expected.append(counts[1])
        seen.append(int(counts[2]))
    return Kept(recordings.title, family, hours, tuple(asked), tuple(expected), tuple(seen))


def _split(contents: Sequence[Recording | WindowSet]) -> tuple[tuple[DataFile, ...], tuple[DataFile, ...]]:
    """The first part of each, and the rest."""
    first, rest = [], []
    for content in contents:
        count = round(FITTED_SHARE * _count(content))
        first.append(_first(content, count))
        rest.append(_rows(content, slice(count, None)))
    return _files(first), _files(rest)


def _files(contents: Sequence[Recording | WindowSet]) -> tuple[DataFile, ...]:
    return tuple(
        DataFile(one.name, hashlib.sha256(f"{one.name} {number}".encode()).hexdigest(), one)
        for number, one in enumerate(contents)
    )


def _count(content: Recording | WindowSet) -> int:
    return len(content.windows if isinstance(content, WindowSet) else content.samples)


def _first(content: Recording | WindowSet, count: int) -> Recording | WindowSet:
    return _rows(content, slice(count))


def _rows(content: Recording | WindowSet, rows: slice) -> Recording | WindowSet:
    labels = None if content.labels is None else content.labels[rows]
    if isinstance(content, WindowSet):
        return replace(content, windows=content.windows[rows], labels=labels)
    return replace(
        content,
        samples=content.samples[rows],
        time_seconds=content.time_seconds[rows],
        labels=labels,
        segment=content.segment[rows],
    )


def _normal(sets: Sequence[WindowSet]) -> tuple[WindowSet, ...]:
    """All normal windows as one set."""
    windows = np.concatenate([one.windows[np.asarray(one.labels) == 0] for one in sets])
    return (replace(sets[0], windows=windows, labels=None),)


def _normal_seconds(file: DataFile) -> float:
    content = file.content
    if isinstance(content, WindowSet):
        return float(content.windows.shape[0] * content.windows.shape[2])  # one sample a second where nothing is said
    labelled = 0 if content.labels is None else int((content.labels == 1).sum())
    return float((len(content.samples) - labelled) * content.sample_period_seconds)


def _load(folder: Path, file: str) -> Arrays:
    try:
        with np.load(folder / file, allow_pickle=False) as archive:
            return dict(archive)
    except OSError as error:
        raise ConversionError(f"{folder / file}: {error.strerror or error}; see --help for what --data holds") from None
