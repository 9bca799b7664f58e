"""One detector on one row, with one seed: fit, export, load the artifact again, score, count."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.accuracy.figures_by_item import (
    Alerts,
    Figures,
    alert_figures,
    alerts_of,
    item_figures,
    mean_figures,
    promise_figures,
)
from benchmarks.accuracy.rows.protocol import Content, Items, Kind, Row, Task
from monitor.core.artifact.calibration import FalseAlarms
from monitor.core.dataset.recording import Recording, WindowSet
from trainer.artifact.export import Artifact, load_artifact
from trainer.data.cutting import DataFile
from trainer.data.gathering import gather
from trainer.errors import DataError
from trainer.evaluation.evaluation import score_file
from trainer.fitting.fit import fit
from trainer.selection.candidates import candidates_for
from trainer.selection.selection import select
from trainer.settings import FitSettings, load_settings

OnDone = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Detector:
    """A way to fit.

    settings: what it sets for a row and so many recordings to fit on, as dotted paths. seeds: where nothing is random
    one is enough. select_seconds: how long `select` may try models for each task; 0: there is nothing to choose.
    """

    name: str
    title: str
    about: str
    settings: Callable[[Row, int], dict[str, Any]]
    seeds: tuple[int, ...] = (0, 1, 2)
    select_seconds: float = 0.0
    not_for: tuple[Kind, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out.

    streams: figures of each test recording; unfit: tasks that no model could be fitted to; chosen: by task, which model
    `select` chose; pictures: by task, grey values [H][W].
    """

    row: str
    detector: str
    seed: int
    figures: Figures
    streams: dict[str, Figures]
    unfit: dict[str, str]
    settings: dict[str, Any]
    seconds: float
    chosen: dict[str, str] = field(default_factory=dict)
    pictures: dict[str, list[list[int]]] = field(default_factory=dict)


def run(row: Row, detector: Detector, seed: int, tasks: list[Task], on_done: OnDone) -> Outcome:
    """Fit and score every task."""
    settings = settings_of(row, detector, seed, tasks)
    began = time.monotonic()
    items: dict[str, Items] = {}
    alerts: dict[str, Alerts] = {}
    unfit: dict[str, str] = {}
    chosen: dict[str, str] = {}
    promised: list[FalseAlarms] = []
    further: list[Figures] = []
    pictures: dict[str, list[list[int]]] = {}
    for task in tasks:
        try:
            if detector.select_seconds:
                chosen[task.name], own = selected(task, settings, detector.select_seconds)
            else:
                own = settings
            artifact = fitted(task, own)
        except DataError as error:
            unfit[task.name] = str(error)
            on_done()
            continue
        promise = artifact.manifest.calibration.false_alarms
        promised += [] if promise is None else [promise]
        if row.also is not None:
            further.append(row.also(task, artifact))
        if row.picture is not None:
            pictures[task.name] = row.picture(task, artifact).tolist()
        for content in task.test:
            scored = score_file(artifact, data_file(content))
            items[content.name] = row.items(task, scored, artifact.manifest)
            if row.timed:
                alerts[content.name] = alerts_of(scored, artifact.manifest)
        on_done()
    streams = {name: item_figures(each) for name, each in items.items()}
    for name, each in alerts.items():
        streams[name] |= alert_figures([each])
    figures: Figures = {}
    if streams:
        figures = item_figures(Items.join(list(items.values()))) if row.pooled else mean_figures(list(streams.values()))
        if row.timed:
            figures |= alert_figures(list(alerts.values())) | promise_figures(promised)
    if further:
        figures |= mean_figures(further)
    seconds = time.monotonic() - began
    return Outcome(row.name, detector.name, seed, figures, streams, unfit, settings, seconds, chosen, pictures)


def settings_of(row: Row, detector: Detector, seed: int, tasks: Sequence[Task]) -> dict[str, Any]:
    """What the detector sets for this kind of signal, and what the protocol dictates."""
    return {**detector.settings(row, len(tasks[0].train)), **row.settings, "seed": seed}


def selected(task: Task, settings: dict[str, Any], seconds: float) -> tuple[str, dict[str, Any]]:
    """Let `select` choose a model by the recordings to fit on: its name, and the settings with it.

    Raises:
        DataError: there is too little to fit to.

    """
    files = [data_file(content) for content in task.train]

    def settings_with(own: dict[str, Any]) -> FitSettings:
        return load_settings(None, settings | deepcopy(own))

    candidates = candidates_for(settings_with({}).window.cut)
    candidate = select(files, settings_with, candidates, seconds, lambda *_: None).chosen.candidate
    return candidate.name, settings | candidate.settings


def fitted(task: Task, settings: dict[str, Any]) -> Artifact:
    """Fit a model and load its artifact from the bytes that would be published.

    Raises:
        DataError: there is too little to fit to.

    """
    loaded = load_settings(None, deepcopy(settings))
    corpus = gather([data_file(content) for content in task.train], loaded)
    done = fit(corpus, loaded, task.name, datetime.now(UTC), lambda *_: None)
    return load_artifact(task.name, done.artifact)


def data_file(content: Content) -> DataFile:
    """Make of a recording the data file that `residuald-trainer` would have read."""
    values = content.samples if isinstance(content, Recording) else content.windows
    assert isinstance(content, Recording | WindowSet)
    return DataFile(f"{content.name}.npz", hashlib.sha256(values.tobytes()).hexdigest(), content)


def cached(path: Path, settings: dict[str, Any]) -> Outcome | None:
    """Find an outcome that an earlier run left, if it was fitted with these settings."""
    try:
        outcome = Outcome(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return outcome if outcome.settings == json.loads(json.dumps(settings)) else None


def keep(path: Path, outcome: Outcome) -> None:
    """Leave an outcome for a later run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(outcome), indent=1), encoding="utf-8")
