"""What is kept and put back: a pipeline that was restored goes on as if nothing had happened."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.decode.json_format.settings import JsonFormat
from monitor.core.decode.number_format.settings import NumberFormat
from monitor.core.ports import StepKey
from monitor.core.sources.source import SourceSpec
from monitor.core.values.messages import Message, MessageBatch
from monitor.core.values.snapshots import StateError, decode_state, encode_state
from monitor.pipeline.pipeline import Moment, Pipeline, PipelineSettings, Step
from tests.manifests import PERIOD, MeanSquareScorer, manifest_fields, manifest_of, model_group_of

START = 1e9
CHANNELS = ("x", "y")
TOGETHER = SourceSpec(
    name="rows", topic="a/{device}", model="m", qos=1, format=JsonFormat(kind="json", timestamp="t", rows="r")
)
APART = SourceSpec(name="numbers", topic="b/{device}/{channel}", model="m", qos=1, format=NumberFormat(kind="number"))


def pipeline_of(kind: str = "fixed", max_streams: int = 100, lateness_samples: int = 6, **changed: Any) -> Pipeline:
    if kind == "stream":
        changed["normalization"] = {**manifest_fields(CHANNELS, kind=kind)["normalization"], "warmup_windows": 3}
    model_group = model_group_of(manifest_of(CHANNELS, kind=kind, **changed), lateness_samples=lateness_samples)
    settings = PipelineSettings(max_streams=max_streams, silent_after_seconds=5, expire_after_seconds=20)
    return Pipeline((TOGETHER, APART), {"m": model_group}, {"m": MeanSquareScorer()}, settings, lambda: 0.0)


class Told:
    """Everything that is told of windows and alerts, by stream, in order."""

    def __init__(self) -> None:
        self.windows: dict[str, list[tuple[float, ...]]] = {}
        self.alerts: list[StepKey] = []

    def hear(self, pipeline: Pipeline, step: Step) -> None:
        for name, done in step.scored_batches:
            rows = zip(done.windows.stream, done.windows.end_seconds, done.score, done.verdict, strict=True)
            for stream, end, score, verdict in rows:
                key = pipeline.model_groups[name].streams.name(int(stream))
                self.windows.setdefault(key, []).append((float(end), float(np.nan_to_num(score)), int(verdict)))
        self.alerts += [report.step for report in step.reports if report.step]


messages = st.lists(
    st.tuples(
        st.sampled_from(["a/one", "a/two", "b/three/x", "b/three/y", "nowhere"]),
        st.integers(1, 9),  # rows
        st.sampled_from([1.0, 1.0, 1.0, 3.0]),  # what they hold: calm or wild
        st.sampled_from([0, 0, 0, 0, 1, 5, -4]),  # slots left out, or come again
    ),
    min_size=1,
    max_size=80,
)


def walk(
    pipeline: Pipeline, sent: list[tuple[str, int, float, int]], cut: int | None, kind: str
) -> tuple[Told, Pipeline]:
    """Send, one step per message; before step `cut`, go on in another pipeline that got this one's state."""
    told, slots, wall = Told(), {"a/one": 0, "a/two": 0}, START
    for number, (topic, rows, value, leap) in enumerate(sent):
        if number == cut:
            kept = encode_state(pipeline.snapshot())
            pipeline = pipeline_of(kind)
            assert pipeline.restore(decode_state(kept)) == []
        slots[topic] = max(slots.get(topic, 0) + leap, 0)
        wall = max(wall, START + slots[topic] * PERIOD) + rows * PERIOD
        wave = value * np.where(np.arange(slots[topic], slots[topic] + rows) % 2, 1.0, -1.0) + slots[topic] % 7 / 100
        body = json.dumps({"t": START + slots[topic] * PERIOD, "r": [[x, -x] for x in wave.tolist()]})
        slots[topic] += rows
        payload = body if topic.startswith("a/") else f"{wave[0]}"
        now = Moment(wall, float(number))
        told.hear(pipeline, pipeline.step(MessageBatch.of([Message(topic, payload.encode(), wall)]), now))
        if number % 10 == 9:
            told.hear(pipeline, pipeline.housekeep(now))
    return told, pipeline


@pytest.mark.parametrize("kind", ["fixed", "window", "stream"])
@given(sent=messages, share=st.floats(0, 1))
def test_a_walk_interrupted_anywhere_comes_to_the_same_windows_alerts_and_counts(
    kind: str, sent: list[tuple[str, int, float, int]], share: float
) -> None:
    whole, one = walk(pipeline_of(kind), sent, None, kind)
    parted, other = walk(pipeline_of(kind), sent, int(share * len(sent)), kind)
    assert parted.windows == whole.windows
    assert parted.alerts == whole.alerts
    assert other.open_alerts == one.open_alerts
    assert (other.counters.received, other.counters.discarded) == (one.counters.received, one.counters.discarded)
    assert other.counters.alert_steps == one.counters.alert_steps
    assert other.counters.end_to_end_seconds.cumulative() == one.counters.end_to_end_seconds.cumulative()
    ours, theirs = other.model_groups["m"], one.model_groups["m"]
    assert (ours.samples_received, ours.samples_discarded) == (theirs.samples_received, theirs.samples_discarded)
    assert list(ours.streams.number) == list(theirs.streams.number)
    assert ours.windows_withheld == theirs.windows_withheld


SENT = [("a/one", 9, 3.0, 0)] * 6


def test_a_pipeline_that_goes_on_reports_the_state_of_every_stream_anew() -> None:
    _, before = walk(pipeline_of(), SENT, None, "fixed")
    after = pipeline_of()
    after.restore(before.snapshot())
    after.resume(START)
    step = after.step(None, Moment(START, 0.0))
    assert [report.topic for report in step.reports] == ["one/state"]


def test_who_was_away_does_not_take_a_stream_for_silent_or_gone() -> None:
    _, before = walk(pipeline_of(), SENT, None, "fixed")
    after = pipeline_of()
    after.restore(before.snapshot())
    back = START + 1000
    after.resume(back)
    after.step(None, Moment(START, 0.0))
    assert after.housekeep(Moment(back + 4, 4.0)).reports == ()
    assert [r.topic for r in after.housekeep(Moment(back + 6, 6.0)).reports] == ["one/state"]
    assert len(after.model_groups["m"].streams) == 1


def test_another_artifact_of_the_same_windows_takes_the_state_over() -> None:
    _, before = walk(pipeline_of(), SENT, None, "fixed")
    after = pipeline_of(threshold=100.0, version="2")
    after.restore(before.snapshot())
    assert after.open_alerts == before.open_alerts != set()


@pytest.mark.parametrize("damage", [b"", b"\xc1", b"\x93\x01", encode_state({"a": 1})[:-1], b"\xa1x"])
def test_what_is_no_state_is_refused(damage: bytes) -> None:
    with pytest.raises(StateError):
        decode_state(damage)


@given(st.sampled_from(["<f4", "<f8", "|i1", "<i8", "<u8", "|b1"]), st.lists(st.integers(0, 4), max_size=3))
def test_arrays_keep_type_shape_and_values(dtype: str, shape: list[int]) -> None:
    array = np.arange(int(np.prod(shape)), dtype=np.float64).reshape(shape).astype(dtype)
    found = decode_state(encode_state({"array": array}))["array"]
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)
    assert found.flags.writeable
