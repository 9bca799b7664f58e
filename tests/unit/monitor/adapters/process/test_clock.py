"""Leaps of the system's clock: arrivals never seem to come before they came, and no stream falls silent by them."""

import json

import numpy as np
import pytest
import structlog

from monitor.adapters.process.clock import ArrivalClock
from monitor.core.sources.source import SourceSpec
from monitor.core.values.discards import Reason
from monitor.core.values.messages import Message, MessageBatch
from monitor.pipeline.pipeline import Moment, Pipeline, PipelineSettings
from tests.manifests import PERIOD, MeanSquareScorer, model_group_of

START = 1_700_000_000.0
HOUR = 3600.0
SETTINGS = PipelineSettings(silent_after_seconds=30, expire_after_seconds=HOUR / 2)


class System:
    """A machine whose wall clock can be turned."""

    def __init__(self) -> None:
        self.wall, self.monotonic = START, 50.0
        self.clock = ArrivalClock(lambda: self.wall, lambda: self.monotonic)

    def after(self, seconds: float, leap: float = 0.0) -> float:
        self.monotonic += seconds
        self.wall += seconds + leap
        return self.clock()


def test_the_clock_is_the_systems_while_nobody_turns_that_one() -> None:
    system = System()
    for _ in range(1000):
        assert system.after(1.0, leap=-0.01) == pytest.approx(system.wall)  # kept right by small steps


def test_a_leap_ahead_is_followed_at_once() -> None:
    system = System()
    with structlog.testing.capture_logs() as logs:
        assert system.after(1.0, leap=HOUR) == pytest.approx(START + 1 + HOUR)
    assert [entry["event"] for entry in logs] == ["the system clock leapt ahead"]


def test_a_leap_back_is_not_followed_and_told_once() -> None:
    system = System()
    with structlog.testing.capture_logs() as logs:
        assert system.after(1.0, leap=-HOUR) == pytest.approx(START + 1)
        assert system.after(1.0) == pytest.approx(START + 2)
    assert [entry["event"] for entry in logs] == ["the system clock was set back; not believed yet"]


def test_a_leap_back_that_is_taken_back_leaves_no_trace() -> None:
    system = System()
    system.after(1.0, leap=-HOUR)
    assert system.after(1.0, leap=HOUR) == pytest.approx(START + 2)
    assert system.after(1.0) == pytest.approx(system.wall)


def test_a_leap_back_that_lasts_is_believed() -> None:
    system = System()
    system.after(1.0, leap=-HOUR)
    assert system.after(599.0) == pytest.approx(START + 600)
    assert system.after(2.0) == pytest.approx(START + 602 - HOUR)


class Watched:
    """One stream on a pipeline, fed ten samples every 0.1 s, told the time as the daemon tells it."""

    def __init__(self) -> None:
        self.system = System()
        format_ = {"kind": "json", "timestamp": "ts", "rows": "rows"}
        source = SourceSpec.model_validate({"name": "s", "topic": "plant/{device}", "model": "m", "format": format_})
        self.model_group = model_group_of(k=1, n=1)
        self.pipeline = Pipeline((source,), {"m": self.model_group}, {"m": MeanSquareScorer()}, SETTINGS, lambda: 0.0)
        self.windows = 0
        self._sent = 0

    def run(self, messages: int, leap: float = 0.0) -> None:
        for number in range(messages):
            self.system.after(10 * PERIOD, leap if number == 0 else 0.0)
            rows = [[0.1 + 0.01 * (n % 3)] for n in range(10)]
            payload = json.dumps({"ts": START + self._sent * PERIOD, "rows": rows}).encode()
            self._sent += 10
            now = Moment(self.system.clock(), self.system.monotonic)
            step = self.pipeline.step(MessageBatch.of([Message("plant/a", payload, now.wall_seconds)]), now)
            self.windows += sum(len(done.windows) for _, done in step.scored_batches)
            self.pipeline.housekeep(now)


@pytest.mark.parametrize("leap", [HOUR, -HOUR, 24 * HOUR, -24 * HOUR])
def test_telemetry_with_timestamps_loses_no_window_to_a_leap_of_our_clock(leap: float) -> None:
    watched = Watched()
    watched.run(20)
    watched.run(20, leap=leap)
    assert watched.windows == (400 - 8) // 4 + 1
    assert watched.model_group.samples_discarded == {}
    assert list(watched.model_group.streams.number) == ["a"]


@pytest.mark.parametrize("leap", [HOUR, -HOUR])
def test_no_stream_is_silent_or_forgotten_because_of_a_leap(leap: float) -> None:
    watched = Watched()
    watched.run(20)
    watched.system.after(1.0, leap=leap)
    step = watched.pipeline.housekeep(Moment(watched.system.clock(), watched.system.monotonic))
    assert step.reports == ()
    assert list(watched.model_group.streams.number) == ["a"]


def test_a_stream_that_ends_after_a_leap_is_silent_in_time() -> None:
    watched = Watched()
    watched.run(20)
    watched.run(5, leap=HOUR)
    watched.system.after(29.0)
    assert watched.pipeline.housekeep(Moment(watched.system.clock(), watched.system.monotonic)).reports == ()
    watched.system.after(2.0)
    step = watched.pipeline.housekeep(Moment(watched.system.clock(), watched.system.monotonic))
    assert [json.loads(report.payload)["quality"] for report in step.reports] == ["silent"]


def test_samples_that_are_really_from_the_future_are_still_refused() -> None:
    watched = Watched()
    watched.run(5)
    watched._sent += round(HOUR / PERIOD)
    watched.run(1)
    assert sum(watched.model_group.samples_discarded.values()) == 10
    assert set(watched.model_group.samples_discarded) == {Reason.FUTURE}
    assert watched.model_group.inputs.clocks.seconds(np.array([0]))[0] == pytest.approx(HOUR, abs=1)
