"""One row once more, end to end: fitted by the command, streamed through a broker to the running daemon.

What the daemon says must be what the page says, from window to alert; otherwise the run is void.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.accuracy.figures_by_item import Figures, alert_figures, alerts_of, item_figures
from benchmarks.accuracy.rows import fan
from benchmarks.accuracy.rows.protocol import Items, window_items
from benchmarks.accuracy.run import data_file
from benchmarks.common.broker import mosquitto
from benchmarks.datasets.figures import Judged, is_false
from benchmarks.real_replay.cases import Case, DataSet
from benchmarks.real_replay.trial import Detector, fit_all, prepare, watch
from trainer.artifact.export import load_artifact
from trainer.artifact.folder import read_artifact
from trainer.evaluation.evaluation import score_file

# The row's settings as a file has them; all else is the default, as it is for the row.
_TABLES = '[calibration]\nfalse_alarms = "1 per 1h"\n'
_DATA_SET = DataSet("fan", fan.ROW.title, ("g", "g", "g"), window=50, stride=25, tables=_TABLES)
_FIGURES = ("items", "auc_roc", "auc_pr", "f1", "recall", "false_alarm_rate", "false_alarms")


@dataclass(frozen=True, slots=True)
class Live:
    """The same figures twice: offline as all rows have them, and live from the daemon. void: what differs or failed."""

    offline: Figures
    live: Figures
    samples: int
    void: tuple[str, ...]


def run_live(data: Path, folder: Path) -> Live:
    """Fit, stream, compare.

    Raises:
        ConversionError: the data are not there.
        MissingError, LiveError, TimeoutError: a program is missing or fails.

    """
    (task,) = fan.tasks(data, quick=False)
    case, detector = Case("fan", _DATA_SET, fan.split_of(data)), Detector("dense", 0)
    prepare([case], folder)
    fit_all(detector, [case], folder, lambda: None)
    with mosquitto() as port:
        trial = watch(detector, [case], folder, port, None, lambda _: None)
    judged = trial.judged["fan"]
    live = item_figures(Items.join([_items(each) for each in judged])) | {"false_alarms": _false_alarms(judged)}

    artifact = load_artifact(*read_artifact(folder / detector.name / "models" / "fan"))
    scored = [score_file(artifact, data_file(stream)) for stream in case.split.stream]
    offline = item_figures(Items.join([window_items(task, each, artifact.manifest) for each in scored]))
    offline |= alert_figures([alerts_of(each, artifact.manifest) for each in scored])
    different = [name for name in _FIGURES if not _equal(offline[name], live[name])]
    said = [f"fan, live: {name} is {live[name]}, offline {offline[name]}" for name in different]
    kept = {name: offline[name] for name in _FIGURES}
    return Live(kept, {name: live[name] for name in _FIGURES}, trial.samples, (*trial.void, *said))


def _items(judged: Judged) -> Items:
    scored = np.isfinite(judged.score)
    return Items(judged.score[scored], judged.labels[scored])


def _false_alarms(judged: Sequence[Judged]) -> float:
    return float(sum(is_false(each, firing) for each in judged for firing in each.firings))


def _equal(one: float | None, other: float | None) -> bool:
    return one == other or (one is not None and other is not None and abs(one - other) < 1e-6)
