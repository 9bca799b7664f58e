"""UCI accelerometer data: a fan motor, balanced and unbalanced."""

from pathlib import Path

from benchmarks.accuracy.rows.protocol import Aim, Row, Task, load, window_items
from benchmarks.datasets.converters import Split, fan


def tasks(folder: Path, quick: bool) -> list[Task]:
    """Fit one model on two thirds of the balanced runs of all speeds; score the last third and the unbalanced runs."""
    split = split_of(folder)
    return [Task("fan", split.train, split.stream)]


def split_of(folder: Path) -> Split:
    """What is fitted, and what is streamed past the model."""
    return fan(load(folder, "uci_fan_accel_dev.npz"))


ROW = Row(
    name="fan",
    title="UCI fan",
    kind="motor",
    protocol="balanced runs (their first two thirds) fit, their last third and the unbalanced runs are scored; windows "
    "of 1 s, speed from 40 %, all speeds together",
    published="RMS AUC .909",
    aims=(Aim("auc_roc", 0.99, "AUC-ROC"),),
    tasks=tasks,
    items=window_items,
    pooled=True,
    timed=True,
    settings={"window.length": 50, "calibration.false_alarms": "1 per 1h"},
)
