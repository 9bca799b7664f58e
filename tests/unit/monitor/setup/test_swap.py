"""Swapping setups between batches: whatever is swapped and whenever, each window is scored once and alerts go on."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.adapters.engines.loader import Artifact
from monitor.core.outputs.reports import Report
from monitor.core.values.discards import Discard, Reason
from monitor.core.values.messages import Message, MessageBatch
from monitor.pipeline.pipeline import Moment, Pipeline, Step
from monitor.setup.build import Setup, build_pipeline, fingerprint_of, succeed
from monitor.setup.config_diff import ConfigDiff
from monitor.setup.registry import Config
from tests.manifests import PERIOD, MeanSquareScorer, manifest_of

START = 1_700_000_000.0
SOURCES = [
    {
        "name": f"to-{model}",
        "topic": f"{model}/{{device}}",
        "model": model,
        "format": {"kind": "json", "timestamp": "ts", "rows": "rows"},
    }
    for model in ("m", "n")
]


def setup_of(version: str = "1", **changed: Any) -> Setup:
    models = [{"name": name, "path": "/nowhere", "judge": {"k": 1, "n": 1}} for name in ("m", "n")]
    config = Config.model_validate({"source": SOURCES, "model": models, **changed})
    artifacts = {
        name: Artifact(Path("/nowhere"), "", manifest_of(model=name, version=version), MeanSquareScorer(), 16)
        for name in ("m", "n")
    }
    return Setup(config, artifacts)


def ignore(_source: str, _topic: str, _discard: Discard) -> None:
    pass


class Walk:
    """A pipeline fed with numbered samples of three streams of two models, and swapped as the daemon swaps."""

    def __init__(self) -> None:
        self.setup = setup_of()
        self.pipeline: Pipeline = build_pipeline(self.setup, ignore)
        self.windows: list[tuple[str, str, int]] = []  # model, stream, its last sample
        self.reports: list[Report] = []
        self._sent = {"m/a": 0, "m/b": 0, "n/c": 0}
        self._ticks = 0

    def send(self, topic: str, count: int, value: float = 0.1) -> None:
        first = self._sent[topic]
        self._sent[topic] += count
        rows = [[value + 0.01 * (n % 3)] for n in range(first, first + count)]
        payload = json.dumps({"ts": START + first * PERIOD, "rows": rows}).encode()
        self._step([Message(topic, payload, START + first * PERIOD)])

    def send_to(self, topic: str, fields: dict[str, Any], arrival: float) -> None:
        self._step([Message(topic, json.dumps(fields).encode(), arrival)])

    def swap(self, after: Setup) -> None:
        self._note(self.pipeline.step(None, self._now(), everything=True))
        models = ConfigDiff.between(self.setup.config, after.config).models
        self.pipeline, final_step = succeed(self.pipeline, models, after, ignore)
        self._note(final_step)
        self.setup = after

    def adopt(self, after: Setup) -> None:
        self._note(self.pipeline.step(None, self._now(), everything=True))
        assert self.pipeline.adopt(after.artifacts)
        self.setup = after

    def end(self) -> "Walk":
        self._note(self.pipeline.step(None, self._now(), everything=True))
        return self

    def alerts(self) -> list[dict[str, Any]]:
        return [json.loads(report.payload) for report in self.reports if report.topic.endswith("/alert")]

    def _step(self, messages: list[Message]) -> None:
        self._note(self.pipeline.step(MessageBatch.of(messages), self._now()))

    def _now(self) -> Moment:
        self._ticks += 1
        return Moment(START + self._ticks * 0.02, self._ticks * 0.02)  # some windows wait for the next step

    def _note(self, step: Step) -> None:
        for model, done in step.scored_batches:
            names = [self.pipeline.model_groups[model].streams.name(int(number)) for number in done.windows.stream]
            last = np.round((done.windows.end_seconds - START) / PERIOD).astype(int).tolist()
            self.windows += [(model, name, sample) for name, sample in zip(names, last, strict=True)]
        self.reports += step.reports


OTHERS = [
    ("adopt", setup_of("2")),
    ("swap", setup_of("3")),
    ("swap", setup_of("4", limits={"max_streams": 50})),
    ("swap", setup_of("5", source=[*reversed(SOURCES)])),
    ("swap", setup_of("6", timing={"silent_after_seconds": 5})),
]
SEND = st.tuples(st.sampled_from(["m/a", "m/b", "n/c"]), st.integers(1, 30))


@given(st.lists(st.one_of(SEND, st.sampled_from(OTHERS)), max_size=40))
def test_swaps_neither_lose_nor_repeat_a_window(actions: list[tuple[str, Any]]) -> None:
    swapped, straight = Walk(), Walk()
    for kind, what in actions:
        if isinstance(what, Setup):
            getattr(swapped, kind)(what)
        else:
            swapped.send(kind, what)
            straight.send(kind, what)
    assert sorted(swapped.end().windows) == sorted(straight.end().windows)
    assert len(set(swapped.windows)) == len(swapped.windows)


def test_an_open_alert_keeps_its_id_over_a_swap() -> None:
    walk = Walk()
    walk.send("m/a", 16, value=9.0)
    for after in (other for kind, other in OTHERS if kind == "swap"):
        walk.swap(after)
    walk.send("m/a", 60)
    alerts = walk.end().alerts()
    assert [alert["phase"] for alert in alerts] == ["pending", "firing", "resolved"]
    assert len({alert["id"] for alert in alerts}) == 1


def test_only_streams_whose_settings_changed_start_over() -> None:
    walk = Walk()
    walk.send("m/a", 6)
    walk.send("n/c", 6)
    other = [{**SOURCES[0], "qos": 1}, SOURCES[1]]
    walk.swap(setup_of("2", source=other))
    assert list(walk.pipeline.model_groups["m"].streams.number) == []
    assert list(walk.pipeline.model_groups["n"].streams.number) == ["c"]
    walk.send("m/a", 6)
    walk.send("n/c", 6)
    assert walk.end().windows == [("n", "c", 7), ("n", "c", 11)]


def test_of_streams_that_start_over_alerts_are_resolved_and_no_state_stays_retained() -> None:
    walk = Walk()
    walk.send("m/a", 16, value=9.0)
    walk.swap(setup_of("2", timing={"jitter_samples": 2}))
    assert [alert["phase"] for alert in walk.alerts()] == ["pending", "firing", "resolved"]
    assert walk.alerts()[-1]["reason"] == "reconfigured"
    last = [report for report in walk.reports if report.topic == "a/state"][-1]
    assert (last.payload, last.retain) == (b"", True)


@pytest.mark.parametrize(
    ("changed", "topic", "stream"),
    [
        ({"topic": "m/{site}/{device}"}, "m/north/a", "north.a"),
        ({"topic": "m/{device}/{channel}"}, "m/a/x", "a"),
        ({"stream": "pump-{device}"}, "m/a", "pump-a"),
    ],
)
def test_a_changed_template_ends_the_streams_of_the_old_one_and_opens_those_of_the_new_one(
    changed: dict[str, str], topic: str, stream: str
) -> None:
    walk = Walk()
    walk.send("m/a", 16, value=9.0)
    walk.send("n/c", 6)
    walk.swap(setup_of("2", source=[{**SOURCES[0], **changed}, SOURCES[1]]))
    assert [alert["phase"] for alert in walk.alerts()] == ["pending", "firing", "resolved"]
    assert walk.alerts()[-1]["reason"] == "reconfigured"
    assert [report.payload for report in walk.reports if report.topic == "a/state"][-1] == b""
    groups = walk.pipeline.model_groups
    assert (list(groups["m"].streams.number), list(groups["n"].streams.number)) == ([], ["c"])
    rows = {"ts": START + 100, "rows": [[0.1 + 0.01 * (n % 3)] for n in range(12)]}
    walk.send_to(topic, rows, START + 100)
    walk.send("n/c", 6)
    assert groups["m"].layouts[stream].owners == {0: (topic,)}
    walk.end()
    assert [window[:2] for window in walk.windows if window[2] > 50] == [("m", stream)] * 2
    assert [window[2] for window in walk.windows if window[0] == "n"] == [7, 11]
    assert json.loads([report.payload for report in walk.reports if report.topic == f"{stream}/state"][-1])["state"]


def test_what_still_comes_on_a_topic_that_no_template_admits_any_more_is_counted_and_opens_nothing() -> None:
    walk = Walk()
    walk.send("m/a", 6)
    walk.swap(setup_of("2", source=[{**SOURCES[0], "topic": "m/{site}/{device}"}, SOURCES[1]]))
    walk.send("m/a", 16)
    assert not walk.pipeline.model_groups["m"].streams.number
    assert walk.pipeline.counters.discarded == {("none", Reason.UNKNOWN_TOPIC): 1}


def test_a_model_that_is_dropped_takes_its_streams_along() -> None:
    walk = Walk()
    walk.send("m/a", 6)
    walk.send("n/c", 6)
    config = Config.model_validate(
        {"source": SOURCES[:1], "model": [{"name": "m", "path": "/nowhere", "judge": {"k": 1, "n": 1}}]}
    )
    walk.swap(Setup(config, {"m": walk.setup.artifacts["m"]}))
    walk.send("m/a", 6)
    assert walk.end().windows == [("m", "a", 7), ("m", "a", 11)]
    assert list(walk.pipeline.model_groups) == ["m"]


def test_when_an_alert_asks_is_no_reason_to_start_over() -> None:
    before, after = setup_of().config, setup_of(timing={"ask_after_seconds": 60}).config
    assert fingerprint_of(before) == fingerprint_of(after)
    diff = ConfigDiff.between(before, after)
    assert (diff.pipeline, diff.models) == (True, frozenset({"m", "n"}))
