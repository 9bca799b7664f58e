"""A trial: one detector fitted to all cases, then watching their streams in the running daemon.

The daemon tells alerts on MQTT and counts on `/metrics`, but not the score of every window. Scores come from
`residuald replay` on the same files with the same artifacts, and count only because both must agree: on the number of
windows scored and anomalous per stream, and on every step of every alert by its id.
"""

import os
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks.common.agreement import disagreements, lost, total
from benchmarks.common.broker import free_port
from benchmarks.common.live import BIN, PATIENCE_SECONDS, Daemon, Listener, LiveError, Metrics, listening
from benchmarks.common.replayed import Replay, replay
from benchmarks.datasets.convert import write_contents
from benchmarks.datasets.figures import Firing, Judged
from benchmarks.real_replay.cases import Case
from benchmarks.real_replay.publisher import TimedMessage, in_order, messages_of, publish
from monitor.core.alerting.decision_rule import DecisionSettings
from monitor.core.artifact.manifest import WindowSpec
from monitor.core.dataset.cutting import window_labels, windows_of
from monitor.core.dataset.recording import Recording

_POLL_SECONDS = 0.2
Advance = Callable[[int], None]  # samples done


@dataclass(frozen=True, slots=True)
class Detector:
    """A model family and the seed it is fitted with."""

    family: str
    seed: int

    @property
    def name(self) -> str:
        """As folders and the base topic have it."""
        return f"{self.family}-{self.seed}"


@dataclass(frozen=True, slots=True)
class Trial:
    """What came out. judged: by model, its streams. void: why it proves nothing; empty when it does."""

    detector: Detector
    judged: dict[str, list[Judged]]
    samples: int
    windows: int
    alert_steps: int
    void: list[str]


def prepare(cases: Sequence[Case], folder: Path) -> None:
    """Write the contract files of all cases: FOLDER/data/MODEL/{train,stream}/NAME.npz."""
    for case in cases:
        write_contents(folder / "data" / case.model / "train", case.split.train)
        write_contents(folder / "data" / case.model / "stream", case.split.stream)


def fit_all(detector: Detector, cases: Sequence[Case], folder: Path, on_fitted: Callable[[], None]) -> None:
    """Fit a model per case by `residuald-trainer fit`: FOLDER/DETECTOR/models/MODEL. Uses all cores.

    Raises:
        LiveError: a fit fails.

    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(partial(_fit, detector, folder=folder), cases):
            on_fitted()


def _fit(detector: Detector, case: Case, folder: Path) -> None:
    settings = folder / detector.name / f"{case.model}.fit.toml"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(case.data_set.fit_settings(detector.family, case.channels))
    shutil.rmtree(_model(folder, detector, case), ignore_errors=True)  # else that of a former run stays in use
    command: list[str | Path] = [BIN / "residuald-trainer", "fit", "--config", settings, "--seed", str(detector.seed)]
    command += ["--out", _model(folder, detector, case), "--data", *_files(folder, case, "train")]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    if done.returncode:
        raise LiveError(f"fitting {case.model} ({detector.name}): {done.stderr[-2000:]}")


def watch(
    detector: Detector,
    cases: Sequence[Case],
    folder: Path,
    broker_port: int,
    speed: float | None,
    on_samples: Advance,
    patience_seconds: float = PATIENCE_SECONDS,
) -> Trial:
    """Publish the streams of all cases to the daemon, see what it says, and check it against `residuald replay`.

    patience_seconds: how long to wait for what has not come while nothing else does.

    Raises:
        LiveError, TimeoutError: a process fails, so that there is nothing to report.

    """
    base_topic = f"residuald/{detector.name}"
    http_port = free_port()
    config = folder / detector.name / "monitor.toml"
    config.write_text(_config_text(detector, cases, folder, broker_port, http_port, base_topic))
    sent: Counter[str] = Counter()
    replays = {case.model: replay(_model(folder, detector, case), _files(folder, case, "stream")) for case in cases}
    steps = sum(offline.steps.total() for streams in replays.values() for offline in streams.values())

    def on_published(message: TimedMessage) -> None:
        sent[message.topic.split("/")[1]] += message.samples
        on_samples(message.samples)

    with listening(broker_port, base_topic) as heard:
        daemon = Daemon(config, http_port)
        try:
            daemon.wait_ready()
            streams = [messages_of(stream, _topic(case, stream)) for case in cases for stream in case.split.stream]
            publish(broker_port, in_order(streams), speed, on_published)
            expected = {case.model: _expected_windows(case) for case in cases}
            metrics = _wait_judged(daemon, heard, sum(expected.values()), steps, patience_seconds)
        finally:
            exit_code = daemon.stop()
        _wait_until(lambda: heard.status == "offline")
    void = [*lost(metrics, sent, expected), *disagreements(metrics, heard, replays)]
    if exit_code:
        void.append(f"the daemon ended with exit code {exit_code}")
    return Trial(
        detector,
        {case.model: [_judge(case, at, replays, heard) for at in case.split.stream] for case in cases},
        samples=sum(sent.values()),
        windows=sum(expected.values()),
        alert_steps=len(heard.alerts),
        void=[f"{detector.name}: {reason}" for reason in void],
    )


def _model(folder: Path, detector: Detector, case: Case) -> Path:
    return folder / detector.name / "models" / case.model


def _files(folder: Path, case: Case, part: Literal["train", "stream"]) -> list[Path]:
    recordings = case.split.train if part == "train" else case.split.stream
    return sorted(folder / "data" / case.model / part / f"{recording.name}.npz" for recording in recordings)


def _topic(case: Case, stream: Recording) -> str:
    return f"telemetry/{case.model}/{stream.name}"


def _window(case: Case) -> WindowSpec:
    return WindowSpec(length=case.data_set.window, stride=case.data_set.stride)


def _expected_windows(case: Case) -> int:
    streams = case.split.stream
    return sum(len(windows_of(stream, _window(case), stream.sample_period_seconds)) for stream in streams)


def _config_text(
    detector: Detector, cases: Sequence[Case], folder: Path, broker_port: int, http_port: int, base_topic: str
) -> str:
    head = f"""\
[mqtt]
port = {broker_port}
client_id = "{detector.name}"
base_topic = "{base_topic}"
[http]
port = {http_port}
[scoring]
device = "cpu"
"""
    parts = [
        f"""\
[[model]]
name = "{case.model}"
path = "{_model(folder, detector, case).absolute()}"
[[source]]
name = "{case.model}"
model = "{case.model}"
topic = "telemetry/{case.model}/{{device}}"
qos = 1
format = {{ kind = "json", timestamp = "time", rows = "rows" }}
"""
        for case in cases
    ]
    return head + "".join(parts)


def _wait_judged(daemon: Daemon, heard: Listener, windows: int, steps: int, patience_seconds: float) -> Metrics:
    """Wait until every window has its verdict and every alert step is counted and heard, or nothing moves; the metrics.

    A window counts as scored before what follows from it, so the steps have to be waited for by themselves.
    """
    seen, moved = (-1.0, -1.0, -1), time.monotonic()
    while True:
        metrics = daemon.metrics()
        judged = total(metrics, "residuald_windows_scored_total") + total(metrics, "residuald_windows_withheld_total")
        counted, told = total(metrics, "residuald_alerts_total"), len(heard.alerts)
        if judged >= windows and counted >= steps and told >= counted:
            return metrics
        if (judged, counted, told) != seen:
            seen, moved = (judged, counted, told), time.monotonic()
        if time.monotonic() - moved > patience_seconds:
            return metrics  # what is missing is found by who compares
        time.sleep(_POLL_SECONDS)


def _judge(case: Case, stream: Recording, replays: dict[str, dict[str, Replay]], heard: Listener) -> Judged:
    window, period = _window(case), stream.sample_period_seconds
    cut = windows_of(stream, window, period)
    end_seconds, score = replays[case.model][stream.name].arrays()
    if len(cut) != len(score) or np.abs(cut.end_seconds - end_seconds).max(initial=0.0) > period / 2:
        raise LiveError(f"{stream.name}: the replay judged other windows than those that are labelled")
    labels = np.zeros(0, np.int8) if stream.labels is None else stream.labels
    return Judged(
        stream.name,
        window,
        period,
        end_seconds,
        score,
        window_labels(stream, cut, window.length),
        anomalous_seconds=np.sort(stream.time_seconds[np.flatnonzero(labels)]),
        look_back=DecisionSettings().n,
        firings=_firings(heard, stream.name),
    )


def _firings(heard: Listener, stream: str) -> tuple[Firing, ...]:
    mine = [alert for alert in heard.alerts if alert["stream"] == stream]
    ended = {alert["id"]: alert["time"] for alert in mine if alert["phase"] == "resolved"}
    return tuple(
        Firing(alert["time"], ended.get(alert["id"], float("inf"))) for alert in mine if alert["phase"] == "firing"
    )


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise LiveError("the daemon did not say `offline` when it was stopped")
        time.sleep(_POLL_SECONDS)
