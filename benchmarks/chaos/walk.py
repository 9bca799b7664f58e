"""The undisturbed walk: what one pipeline in this process makes of all that was published, and so what has to come.

Each device is walked alone, so that what happens to it happens at a message, whenever it was. Why an alert ends follows
from what happened there, not from what the pipeline says of it.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

from benchmarks.chaos.devices import Device, Expired, Reconfigured, Sent
from monitor.core.outputs.reports import Report
from monitor.core.values.messages import Message, MessageBatch
from monitor.pipeline.pipeline import Moment, Pipeline
from monitor.setup.build import Setup, build_pipeline, load_setup, succeed
from monitor.setup.config_diff import ConfigDiff

_EXPIRE_SECONDS = 60.0
_MOST_AT_ONCE = 200  # messages in a step; windows do not depend on it
_REASON_OF = {"": "calm", "mute": "muted", "unmute": "calm", "relearn": "relearn", "forget": "gone"}


@dataclass
class Expected:
    """What has to come of all messages.

    windows, newest_seconds: windows scored and event time of the newest sample, by stream, as long as it was not
    forgotten. windows_before: those of streams until they were forgotten, in all. alerts: each step, by id and phase.
    reasons: why each alert ends, by its id.
    """

    windows: dict[str, int] = field(default_factory=dict)
    windows_before: int = 0
    newest_seconds: dict[str, float] = field(default_factory=dict)
    alerts: set[tuple[str, str]] = field(default_factory=set)
    reasons: dict[str, str] = field(default_factory=dict)


def expected_of(config: Path, devices: Sequence[Device], progress: Callable[[int], None]) -> Expected:
    """Walk through everything once, in this process. config: what the daemon began with."""
    expected = Expected()
    setup = load_setup(config)
    for device in devices:
        walk = _Walk(setup, expected)
        walk.run(device)
        progress(len(device.sent))
    return expected


class _Walk:
    """The walk of one device."""

    def __init__(self, setup: Setup, expected: Expected) -> None:
        self._setup = setup
        self._pipeline = build_pipeline(setup, _refuse_nothing)
        self._expected = expected
        self._now = Moment(time.time(), 0.0)

    def run(self, device: Device) -> None:
        for kind, group in groupby(device.history, _kind_of):
            if kind == "":
                self._messages([each for each in group if isinstance(each, Sent)], "")
                continue
            for each in group:
                if isinstance(each, Sent):
                    self._messages([each], each.command)
                elif isinstance(each, Expired):
                    self._expire()
                else:
                    self._reconfigure(each.config)
        self._count()

    def _messages(self, messages: list[Sent], command: str) -> None:
        for start in range(0, len(messages), _MOST_AT_ONCE):
            some = messages[start : start + _MOST_AT_ONCE]
            batch = MessageBatch.of([Message(each.topic, each.payload, self._now.wall_seconds) for each in some])
            step = self._pipeline.step(batch, self._now, everything=True)
            self._note(step.reports, _REASON_OF[command])

    def _expire(self) -> None:
        pipeline = self._pipeline
        before, pipeline.settings = pipeline.settings, replace(pipeline.settings, expire_after_seconds=_EXPIRE_SECONDS)
        pipeline.housekeep(self._now)
        passed = 2 * _EXPIRE_SECONDS
        self._now = Moment(self._now.wall_seconds + passed, self._now.monotonic_seconds + passed)
        self._note(pipeline.housekeep(self._now).reports, "gone")
        pipeline.settings = before

    def _reconfigure(self, config: Path) -> None:
        setup = load_setup(config, self._setup)
        diff = ConfigDiff.between(self._setup.config, setup.config)
        if diff.pipeline or not self._pipeline.adopt(setup.artifacts):
            self._pipeline, final_step = succeed(self._pipeline, diff.models, setup, _refuse_nothing)
            self._note(final_step.reports, "reconfigured")
        self._setup = setup

    def _note(self, reports: Iterable[Report], reason: str) -> None:
        for report in reports:
            if report.step is not None:
                alert = json.loads(report.payload)
                self._expected.alerts.add((alert["id"], alert["phase"]))
                if alert["phase"] == "resolved":
                    self._expected.reasons[alert["id"]] = reason

    def _count(self) -> None:
        expected, pipeline = self._expected, self._pipeline
        last: Counter[str] = Counter()
        for model_group in pipeline.model_groups.values():
            for name, number in model_group.streams.number.items():
                last[name] = int(model_group.streams.windows_scored[number])
                newest = model_group.windows.last_sample_seconds(model_group.streams.numbers())
                expected.newest_seconds[name] = float(newest[0])
        expected.windows |= last
        expected.windows_before += windows_of(pipeline) - last.total()


def windows_of(pipeline: Pipeline) -> int:
    """All windows that a pipeline has scored, also of streams that it has forgotten."""
    return round(sum(counted.sum for counted in pipeline.counters.batch_windows.values()))


def _kind_of(each: Sent | Expired | Reconfigured) -> str:
    if isinstance(each, Sent):
        return each.command
    return type(each).__name__


def _refuse_nothing(source: str, topic: str, discard: object) -> None:
    """A refused command is counted by both; a refused message would show as windows that are missing."""
