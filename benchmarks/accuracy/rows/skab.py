"""SKAB, a water pump with motor: each experiment's first 400 rows fit, the rest is scored."""

from dataclasses import replace
from pathlib import Path

from benchmarks.accuracy.rows.points import causal_items
from benchmarks.accuracy.rows.protocol import Aim, Row, Task, load
from benchmarks.datasets.converters import skab

GROUPS = ("valve1", "valve2", "other")


def tasks(folder: Path, quick: bool) -> list[Task]:
    """Make a task per experiment. Labels of the first 400 rows are not used: the leaderboard's rules."""
    arrays = load(folder, "skab_dev.npz")
    files = [str(file) for file in arrays["files"]]
    found = []
    for group in [group for group in GROUPS if any(file.startswith(f"{group}/") for file in files)]:
        split = skab(arrays, group)
        for train, stream in zip(split.train, split.stream, strict=True):
            found.append(Task(stream.name, (replace(train, labels=None),), (stream,)))
    return found[::4] if quick else found


ROW = Row(
    name="skab",
    title="SKAB",
    kind="motor",
    protocol="a model per experiment, fitted on its first 400 rows; F1 and false-alarm rate over all samples of the "
    "rest together",
    published="Conv-AE F1 .78 at FAR 13.6 %",
    aims=(Aim("f1", 0.85, "F1"), Aim("false_alarm_rate", 0.13, "of normal samples", at_most=True)),
    tasks=tasks,
    items=causal_items,
    pooled=True,
    timed=True,
    analysis="""\
An experiment has 400 rows to fit on, and what follows row 400 is not what came before. While the last hundred
calibrated, 64 % of the normal samples lay above the threshold (37 % with PCA); since all four hundreds do in their
turn, each by a model of the others, it is 32 % (9 %), and F1 fell by .01 (.11): the drift of normal operation is as
large as many a fault. Of the false alarms of PCA on every fourth experiment, two thirds are led by the accelerometers,
long before the valve is touched. Experiment `other-2` has its anomaly among the rows that fit, and `other-13` is
full of gaps. Tried: one model for all experiments, each normalized by its own beginning. That keeps the budget (24
a day asked, 18 seen, 2.6 % of normal samples) but finds less (AUC .76). Windows of 32 rows instead of 16 find less,
too (AUC of PCA .856 against .863), and `other-13` has too few of them. Nothing here sees a clock: knowing when in a
file the valve is closed would alone give an F1 of .93.""",
    settings={"window.stride": 1, "calibration.false_alarms": "1 per 1h"},
)
