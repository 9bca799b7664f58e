"""One run of a fleet against the daemon: when windows were complete, and when alerts and metrics told of them."""

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.artifacts import artifact_folder
from benchmarks.common.broker import mosquitto
from benchmarks.common.workloads import CYCLE_WINDOWS, Telemetry, Workload
from benchmarks.latency.observers import Scrape, listening, looking, wait_for_firings, weighing
from benchmarks.latency.publisher import Plan, Sent, group_count, load, save
from benchmarks.throughput.contestants import FEEDING_CORE, ROOT, Daemon, Expected, pinned
from monitor.adapters.engines.loader import load_artifact

# every anomalous window is an alert of its own, resolved by the normal one that follows
_JUDGE = "[model.judge]\nk = 1\nn = 1\nrelease_windows = 1\n"
# else Mosquitto puts off a small packet until the one before is confirmed, for 40 ms: its latency, not ours
_BROKER = "set_tcp_nodelay true\n"
_NOISE = 0.02  # less than the models were fitted with, so that normal windows are normal beyond doubt
_RATTLE = 0.5  # ten times the noise that the models know: what makes a window anomalous, for any model
_QUIET, _LOUD = 0.85, 1.5  # scores that normal windows stay below, and anomalous ones are above
_CANDIDATES = 4  # per group, of which those are taken that nothing is wrong with
_SETTLING_SECONDS = 2.0  # at its start a fleet opens its streams, which happens once

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FleetRun:
    """What a run showed.

    sent_seconds, alert_seconds: float64 [A], when the last message of each anomalous window left (monotonic), and how
    long after that its alert came; metric_seconds: float64 [M], likewise until /metrics counted a window.
    daemon_seconds: processor time, over wall_seconds. rss_bytes: float64 [R], the daemon's memory, about once a second
    and last when it had dealt with everything. void: why it proves nothing.
    """

    streams: int
    messages: int
    wall_seconds: float
    daemon_seconds: float
    lag_seconds: float
    sent_seconds: Floats
    alert_seconds: Floats
    metric_seconds: Floats
    scrapes: tuple[Scrape, ...]
    rss_bytes: Floats
    void: tuple[str, ...]

    @property
    def messages_per_second(self) -> float:
        """Rate over the whole run."""
        return self.messages / self.wall_seconds


class PlanError(Exception):
    """The model does not tell normal telemetry from anomalous."""


def make_plan(telemetry: Telemetry, every: int) -> Plan:
    """Plan a fleet: values that the model finds normal for sure, and anomalous ones that it finds anomalous for sure.

    Raises:
        PlanError: there are none.
        FitError: the model could not be fitted.

    """
    artifact = load_artifact(artifact_folder(telemetry), max_batch=1)
    groups, length = group_count(telemetry), telemetry.window
    candidates = telemetry.signals(_CANDIDATES * groups, CYCLE_WINDOWS * length, seed=1, noise=_NOISE)
    signals = candidates[:, :, 0].astype(np.float64)
    spec, threshold = artifact.manifest.normalization, artifact.manifest.threshold

    def scores(values: Floats) -> Floats:
        windows = values.reshape(-1, 1, length).astype(np.float32)
        centre, scale = (np.full((len(windows), 1), numbers, np.float32) for numbers in (spec.centre, spec.scale))
        errors = artifact.scorer.score(windows, centre, scale).error.astype(np.float64)
        return errors.reshape(len(values), -1) / threshold

    rattling = signals + np.random.default_rng(0).normal(0.0, _RATTLE, signals.shape)
    quiet = np.flatnonzero((scores(signals) < _QUIET).all(axis=1) & (scores(rattling) > _LOUD).all(axis=1))
    if len(quiet) < groups:
        raise PlanError(f"only {len(quiet)} of {len(signals)} devices are normal beyond doubt; {groups} are needed")
    normal, anomalous = (
        values[quiet[:groups]].reshape(groups, -1, telemetry.samples_per_message) for values in (signals, rattling)
    )
    return Plan(
        topics=np.array(telemetry.topics()),
        normal=normal,
        anomalous=anomalous,
        messages_per_window=length // telemetry.samples_per_message,
        message_period_seconds=telemetry.message_period_seconds,
        every=every,
    )


def run_fleet(
    telemetry: Telemetry,
    every: int,
    seconds: float,
    folder: Path,
    *,
    flood: bool = False,
    poll: bool = False,
    scrape_every_seconds: float | None = None,
) -> FleetRun:
    """Let a fleet publish for so many seconds (flood: so much, at once) and look at what the daemon makes of it.

    poll: look at the windows counted all the time. scrape_every_seconds: scrape everything so often.

    Raises:
        RuntimeError: the daemon did not start, or the publisher failed.

    """
    folder.mkdir(parents=True, exist_ok=True)
    plan = make_plan(telemetry, every)
    save(plan, folder / "plan.npz")
    workload = Workload("fleet", "", (telemetry,))
    room = 2 * int(telemetry.messages_per_second * seconds) + 1
    with pinned(FEEDING_CORE), mosquitto(_BROKER) as port:
        daemon = Daemon(port, workload, room, folder, _JUDGE)
        try:
            daemon.wait_ready()
            daemon.settle()
            with (
                listening(port) as heard,
                looking(daemon.metrics_url, poll, scrape_every_seconds) as looks,
                weighing(daemon) as rss_bytes,
            ):
                before, began = daemon.cpu_seconds, time.monotonic()
                sent = _publish(port, seconds, folder, flood=flood)
                completed = int(sum(len(plan.members(group)) for group in sent.group.tolist()))
                finish = daemon.finish(Expected(sent.messages, completed, 0))
                wall, used = finish.monotonic_seconds - began, daemon.cpu_seconds - before
                due = _anomalous(plan, sent)
                wait_for_firings(heard, len(due))
                rss_bytes.append(daemon.rss_bytes)
        finally:
            daemon.stop()
    after = sent.monotonic_seconds[0] + _SETTLING_SECONDS if len(sent.group) else 0.0
    came = heard.firing(telemetry, sent)
    pairs = np.array([(due[key], came[key] - due[key]) for key in due if key in came and due[key] > after]).reshape(
        -1, 2
    )
    void = [*finish.void]
    if missing := len(due.keys() - came.keys()):
        void.append(f"{missing} of {len(due)} alerts did not come")
    if extra := len(came.keys() - due.keys()):
        void.append(f"{extra} alerts came that nobody caused")
    return FleetRun(
        streams=telemetry.streams,
        messages=sent.messages,
        wall_seconds=wall,
        daemon_seconds=used,
        lag_seconds=sent.lag_seconds,
        sent_seconds=pairs[:, 0],
        alert_seconds=pairs[:, 1],
        metric_seconds=_metric_latencies(plan, sent, looks.counted, after),
        scrapes=tuple(looks.scrapes),
        rss_bytes=np.array(rss_bytes, np.float64),
        void=tuple(f"{telemetry.streams} streams: {reason}" for reason in void),
    )


def publisher_command(port: int, seconds: float, folder: Path, *, flood: bool = False) -> list[str]:
    """The command that publishes the plan in `folder`."""
    command = [sys.executable, "-m", "benchmarks.latency.publisher", "--port", str(port), "--seconds", str(seconds)]
    command += ["--plan", str(folder / "plan.npz"), "--sent", str(folder / "sent.npz")]
    return [*command, "--flood"] if flood else command


def _publish(port: int, seconds: float, folder: Path, *, flood: bool) -> Sent:
    command = publisher_command(port, seconds, folder, flood=flood)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the publisher failed: {done.stderr.strip()}")
    return load(Sent, folder / "sent.npz")


def _anomalous(plan: Plan, sent: Sent) -> dict[tuple[int, int], float]:
    """When each anomalous window was complete, by device and window."""
    due = {}
    for group, window, when in zip(
        sent.group.tolist(), sent.window.tolist(), sent.monotonic_seconds.tolist(), strict=True
    ):
        for device in plan.members(group)[plan.is_anomalous(group, window)].tolist():
            due[device, window] = when
    return due


def _metric_latencies(
    plan: Plan, sent: Sent, counted: list[tuple[float, dict[str, int]]], after_seconds: float
) -> Floats:
    """For the first device of each group, how long after a window was complete it was seen to be counted."""
    names = [str(plan.topics[group]).rpartition("/")[2] for group in range(plan.groups)]
    when_sent = {
        (group, window): when
        for group, window, when in zip(
            sent.group.tolist(), sent.window.tolist(), sent.monotonic_seconds.tolist(), strict=True
        )
    }
    seen = dict.fromkeys(range(plan.groups), 0)
    found: list[float] = []
    for looked, counts in counted:
        for group, name in enumerate(names):
            count = counts.get(name, 0)
            for window in range(seen[group], count):
                when = when_sent.get((group, window))
                if when is not None and when > after_seconds:
                    found.append(looked - when)
            seen[group] = max(seen[group], count)
    return np.array(found)
