"""What was learnt of a machine outlives its stream: a fault that comes while nobody listens is not learnt as normal."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from monitor.core.alerting.command import Command
from monitor.core.artifact.manifest import Manifest
from monitor.core.decode.json_format.settings import JsonFormat
from monitor.core.scoring.quality import CODES, Quality
from monitor.core.sources.source import SourceSpec
from monitor.core.streams.stream_table import StreamState
from monitor.core.values.messages import Message, MessageBatch
from monitor.core.values.snapshots import decode_state, encode_state
from monitor.pipeline.commands import AcceptedCommand, apply_command
from monitor.pipeline.pipeline import Moment, Pipeline, PipelineSettings
from monitor.pipeline.pipeline_state import inherit_normals, remember_into
from tests.manifests import PERIOD, array_fields, manifest_fields, model_group_of
from tests.unit.monitor.pipeline.test_pipeline_state import TemplateScorer

START, LENGTH, WARMUP = 1e9, 8, 3
GAIN = 9.0


def manifest_for(kind: str, name: str = "m", channel: str = "x", **changed: Any) -> Manifest:
    fields = manifest_fields((channel,), kind=kind, model=name, **changed)
    fields["normalization"]["warmup_windows"] = WARMUP
    if kind == "template":
        fields["golden"]["centre"] = array_fields(np.zeros((1, 1, 8), np.float32))
    return Manifest.model_validate(fields)


class Walk:
    """A pipeline of one model, and a machine whose samples swing to and fro."""

    def __init__(self, kind: str = "stream", name: str = "m", **changed: Any) -> None:
        source = SourceSpec(
            name="rows", topic="a/{device}", model=name, format=JsonFormat(kind="json", timestamp="t", rows="r")
        )
        groups = {name: model_group_of(manifest_for(kind, name, **changed), k=1, n=1)}
        self.pipeline = Pipeline((source,), groups, {name: TemplateScorer()}, PipelineSettings(), lambda: 0.0)
        self.group = groups[name]
        self._first = 0

    def run(self, rows: int, gain: float = 1.0, device: str = "one") -> None:
        wave = np.where(np.arange(self._first, self._first + rows) % 2, gain, -gain)
        body = json.dumps({"t": START + self._first * PERIOD, "r": [[value] for value in wave.tolist()]}).encode()
        self._first += rows
        self._step(MessageBatch.of([Message(f"a/{device}", body, self.now.wall_seconds)]))

    def pause(self, seconds: float) -> None:
        self.pipeline.housekeep(self.now)
        self._first += round(seconds / PERIOD)
        self.pipeline.housekeep(self.now)

    def _step(self, batch: MessageBatch) -> None:
        self.pipeline.step(batch, self.now, everything=True)

    @property
    def now(self) -> Moment:
        return Moment(START + self._first * PERIOD, self._first * PERIOD)

    @property
    def state(self) -> StreamState:
        return StreamState(int(self.group.streams.state[self.group.streams.number["one"]]))


def after_another(walk: Walk, **changed: Any) -> Walk:
    """What comes after a walk under another configuration, as a reload makes it."""
    other = Walk(**({"kind": "stream"} | changed))
    walk.pipeline.retire(walk.pipeline.model_groups.keys())
    inherit_normals(other.pipeline.model_groups, walk.pipeline.model_groups)
    other._first = walk._first
    return other


def after_restart(walk: Walk, **changed: Any) -> Walk:
    """Another process, under the same configuration."""
    other = Walk(**({"kind": "stream"} | changed))
    other.pipeline.restore(decode_state(encode_state(walk.pipeline.snapshot())))
    other._first = walk._first
    return other


def after_changed_restart(walk: Walk, **changed: Any) -> Walk:
    """Another process, which cannot use the state as a whole."""
    other = Walk(**({"kind": "stream"} | changed))
    remember_into(other.pipeline.model_groups, decode_state(encode_state(walk.pipeline.snapshot())))
    other._first = walk._first
    return other


def gone(walk: Walk, **_: Any) -> Walk:
    walk.pause(2 * 86400.0)
    assert len(walk.group.streams) == 0
    return walk


def gone_and_restarted(walk: Walk, **changed: Any) -> Walk:
    return after_restart(gone(walk), **changed)


WAYS: list[Callable[..., Walk]] = [gone, gone_and_restarted, after_another, after_restart, after_changed_restart]


@pytest.mark.parametrize("kind", ["stream", "template"])
@pytest.mark.parametrize("way", WAYS)
def test_a_machine_that_comes_back_is_judged_at_once_by_what_it_had_learnt(way: Callable[..., Walk], kind: str) -> None:
    walk = Walk(kind)
    walk.run(40)
    assert walk.state is StreamState.NORMAL
    walk = way(walk, kind=kind)
    walk.run(LENGTH, GAIN)
    assert walk.state is StreamState.FIRING
    walk.run(200, GAIN)
    assert walk.state is StreamState.FIRING


@pytest.mark.parametrize("way", [after_another, after_changed_restart])
@pytest.mark.parametrize("changed", [{"name": "renamed"}, {"stride": 2}, {"length": 16}])
def test_neither_another_name_of_the_model_nor_other_windows_make_a_machine_learn_anew(
    way: Callable[..., Walk], changed: dict[str, Any]
) -> None:
    walk = Walk()
    walk.run(40)
    walk = way(walk, **changed)
    walk.run(16, GAIN)
    assert walk.state is StreamState.FIRING


@pytest.mark.parametrize("changed", [{"kind": "template"}, {"channel": "y"}], ids=str)
def test_numbers_of_another_kind_or_of_other_channels_are_of_no_use(changed: dict[str, Any]) -> None:
    walk = Walk()
    walk.run(40)
    for way in (after_changed_restart, after_another):
        other = way(walk, **changed)
        other.run(LENGTH, GAIN)
        assert other.state is StreamState.WARMING_UP


def test_a_step_of_the_clock_beyond_the_expiry_makes_no_machine_learn_anew() -> None:
    walk = Walk()
    walk.run(40)
    walk.pipeline.housekeep(Moment(walk.now.wall_seconds + 1e5, walk.now.monotonic_seconds))
    walk.pipeline.housekeep(Moment(walk.now.wall_seconds + 2e5, walk.now.monotonic_seconds + 1))
    walk.run(LENGTH, GAIN)
    walk.run(LENGTH, GAIN)
    assert walk.state is StreamState.FIRING


@pytest.mark.parametrize("absent", [False, True])
def test_a_command_lets_it_learn_anew_also_while_it_is_away(absent: bool) -> None:
    walk = Walk()
    walk.run(40)
    if absent:
        gone(walk)
    assert walk.group.knows("one")
    apply_command(AcceptedCommand(Command("relearn", "one"), walk.group, START))
    assert walk.group.knows("one") is not absent
    walk = gone(walk)
    walk.run(LENGTH, GAIN)
    assert walk.state is StreamState.WARMING_UP
    walk.run(40, GAIN)
    assert walk.pipeline.open_alerts == set()
    assert walk.group.normalizer.warmup_progress(np.array([0])).tolist() == [1.0]


def test_a_stream_that_did_not_learn_to_the_end_begins_anew() -> None:
    walk = Walk()
    walk.run(LENGTH + 4)
    gone(walk)
    walk.run(LENGTH)
    assert walk.state is StreamState.WARMING_UP


TRAINED: dict[str, Any] = {
    "streams": 1,
    "centre": [[0.0]],
    "scale": [1.5],
    "centre_low": [-1.0],
    "centre_high": [1.0],
    "scale_low": [0.5],
    "scale_high": [3.0],
}


def test_a_machine_that_is_faulty_from_the_first_window_on_is_found_and_its_state_says_why() -> None:
    fields = {"kind": "stream", "scale_floor": [1e-6], "trained": TRAINED}
    walk = Walk(normalization=fields)
    walk.run(40, GAIN)
    number = walk.group.streams.number["one"]
    assert (walk.state, walk.group.streams.quality[number]) == (StreamState.FIRING, CODES[Quality.UNLIKE_TRAINING])
    assert walk.group.normalizer.unlike[number]
    walk = gone(walk)
    walk.run(LENGTH, GAIN)
    assert walk.state is StreamState.FIRING
