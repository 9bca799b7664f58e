"""MIT-BIH supraventricular arrhythmia database, record 805, as TSB-UAD labels it."""

from dataclasses import replace
from pathlib import Path

from benchmarks.accuracy.rows.points import centred_items
from benchmarks.accuracy.rows.protocol import Aim, Row, Task, load
from benchmarks.datasets.converters import svdb
from monitor.core.dataset.recording import Recording


def tasks(folder: Path, quick: bool) -> list[Task]:
    """Fit on the whole record without its labels, as unsupervised methods do; score all of it."""
    (recording,) = svdb(load(folder, "svdb_tsbuad_dev.npz"))
    scored = _first_half(recording) if quick else recording
    return [Task("svdb-805", (replace(scored, labels=None),), (scored,))]


def _first_half(recording: Recording) -> Recording:
    rows = slice(len(recording.samples) // 2)
    assert recording.labels is not None
    return replace(
        recording,
        samples=recording.samples[rows],
        time_seconds=recording.time_seconds[rows],
        labels=recording.labels[rows],
        segment=recording.segment[rows],
    )


ROW = Row(
    name="svdb",
    title="SVDB 805",
    kind="ecg",
    protocol="unsupervised: fitted on the record without its labels, anomalies included, and scored on it, sample by "
    "sample as TSB-UAD does",
    published="AE AUC .857, NormA .974",
    aims=(Aim("auc_roc", 0.98, "AUC-ROC"),),
    tasks=tasks,
    items=centred_items,
    pooled=True,
    timed=True,
    analysis="""\
The AUC meets its aim, but the threshold finds hardly anything: the recording is fitted and calibrated with its
anomalies in it, so the tail of what is taken for normal holds them, and a threshold that promises few alarms lies
above nearly all. Who wants alerts must fit to normal data.""",
    settings={"calibration.false_alarms": "1 per 1h"},
)
