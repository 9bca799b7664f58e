"""MIT-BIH arrhythmia database, the half (DS1) that models may be built on: per patient, and across patients."""

from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.accuracy.rows.beats import annotated_beats, beat_items
from benchmarks.accuracy.rows.protocol import Aim, Row, Task, load
from benchmarks.datasets.converters import MITDB_LEARNING_SECONDS, Arrays, Split, mitdb
from monitor.core.dataset.recording import Recording

FILE = "mitdb_ds1_mlii.npz"
QUICK_RECORDS = ("106", "119", "208")
NEW_PATIENT_SECONDS = 180.0


def per_patient(folder: Path, quick: bool) -> list[Task]:
    """Fit on the normal stretches of a record's first five minutes; score the beats of the rest."""
    arrays = load(folder, FILE)
    tasks = []
    for record in QUICK_RECORDS if quick else _records(arrays):
        split = mitdb(arrays, record)
        beats = annotated_beats(arrays, record, MITDB_LEARNING_SECONDS)
        if beats.label.any():  # a record without an abnormal beat has nothing to be told apart
            tasks.append(Task(f"mitdb-{record}", split.train, split.stream, {f"mitdb-{record}": beats}))
    return tasks


def across_patients(from_seconds: float, folder: Path, quick: bool) -> list[Task]:
    """Fit on the first five minutes of every other record; score the others, from `from_seconds` on."""
    arrays = load(folder, FILE)
    records = _records(arrays)
    scored = records[1::2][: 3 if quick else None]
    return [
        Task(
            "mitdb-across",
            tuple(mitdb(arrays, record).train[0] for record in records[::2]),
            tuple(_whole(mitdb(arrays, record)) for record in scored),
            {f"mitdb-{record}": annotated_beats(arrays, record, from_seconds) for record in scored},
        )
    ]


def _records(arrays: Arrays) -> list[str]:
    return [str(record) for record in arrays["records"]]


def _whole(split: Split) -> Recording:
    """Put a record together again."""
    first, rest = split.train[0], split.stream[0]
    assert first.labels is not None
    assert rest.labels is not None
    return Recording(
        rest.name,
        rest.channels,
        np.concatenate([first.samples, rest.samples]),
        np.concatenate([first.time_seconds, rest.time_seconds]),
        rest.sample_period_seconds,
        np.concatenate([first.labels, rest.labels]),
        np.zeros(len(first.samples) + len(rest.samples), np.int64),
    )


PER_PATIENT = Row(
    name="mitdb-patient",
    title="MIT-BIH DS1, per patient",
    kind="ecg",
    protocol="a model per record, fitted on the normal stretches of its first 5 minutes; beats of the rest, AAMI N "
    "against S, V, F; the mean over records",
    published="PCA-15 AUC about .90; intra-patient .96",
    aims=(Aim("auc_roc", 0.97, "AUC-ROC"),),
    tasks=per_patient,
    items=beat_items,
    pooled=False,
    timed=True,
    analysis="""\
PCA is level with the autoencoder, or ahead, where a few hundred beats are all there is to learn from. Five minutes
of beats, all of which calibrate in their turn, barely carry a budget of one alarm an hour: the artifacts expect 1.3 an
hour, in an interval that reaches to 8, and ten come. Of the normal beats 3 % lie above the threshold, most of them in
records 109, 116 and 223 (16, 7 and 6 %; seed 0), which leave what those minutes have shown. In records 207 and 118 the
threshold lies above nearly all that is abnormal.""",
    settings={"calibration.false_alarms": "1 per 1h"},
)
ACROSS = Row(
    name="mitdb-across",
    title="MIT-BIH DS1, across patients",
    kind="ecg",
    protocol="one model, fitted on the first 5 minutes of every other record and normalized by their numbers; all "
    "beats of the records between, from the first one on, together by score",
    published="PCA AUC .69; published .894",
    aims=(Aim("auc_roc", 0.90, "AUC-ROC"),),
    tasks=partial(across_patients, 0.0),
    items=beat_items,
    pooled=True,
    timed=True,
    analysis="""\
The threshold rests on other patients than those it is used on, and for them the budget is not kept: over twenty
times as many false alarms come as were asked for. Tried: holding whole patients out for the threshold
(`split.cross_fit`; PCA): 35 a day instead of 496, but hardly an abnormal beat lies above what some patient's normal
beats reach (recall .01 instead of .60). Without the patient's own beginning no threshold does both. Records 124, 207
and 109, with an AUC of .75 to .80, are those with bundle-branch blocks, whose normal beats are rare among the records
that fit.""",
    settings={"normalization.kind": "fixed", "calibration.false_alarms": "1 per 1h"},
)
ADAPTED = Row(
    name="mitdb-adapted",
    title="MIT-BIH DS1, 3 minutes of the new patient",
    kind="ecg",
    protocol="as above, but normalized by each stream's own beginning, as the default is; beats after 3 minutes",
    published="-",
    aims=(Aim("auc_roc", 0.95, "AUC-ROC"),),
    tasks=partial(across_patients, NEW_PATIENT_SECONDS),
    items=beat_items,
    pooled=True,
    timed=True,
    analysis="""\
Three minutes of the patient bring records 124, 207 and 109 from an AUC of .75 to .80 to .93 and more, and the false
alarms to less than a third. They are still six times as many as were asked for: calibration sees other patients
than those that are watched. With whole patients held out for it (`split.cross_fit`; PCA) 16 come where 24 are asked
for, and F1 falls from .80 to .31. Abnormal beats that come alone raise no alert, which is why few are hit.""",
    settings={"calibration.false_alarms": "1 per 1h"},
)
