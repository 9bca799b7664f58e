"""The whole walk: messages in, verdicts and reports out, whatever the messages hold."""

import json
import struct
from collections import Counter
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.alerting.decision_rule import Verdict
from monitor.core.outputs.counters import Counters
from monitor.core.sources.source import SourceSpec
from monitor.core.streams.stream_table import StreamState
from monitor.core.values.discards import Discard, Reason
from monitor.core.values.messages import Message, MessageBatch
from monitor.pipeline.intake import UNROUTED
from monitor.pipeline.pipeline import Moment, Pipeline, PipelineSettings, Step
from tests.manifests import PERIOD, Fake, MeanSquareScorer, manifest_of, model_group_of

START = 1_700_000_000.0
CALM, WILD = 1.0, 3.0


def source(name: str, topic: str, layout: dict[str, Any], **more: Any) -> SourceSpec:
    return SourceSpec.model_validate({"name": name, "topic": topic, "model": "m", "format": layout, **more})


JSON = source("json", "json/{device}", {"kind": "json", "timestamp": "t", "rows": "r"})
CSV = source("csv", "csv/{device}", {"kind": "csv", "time_column": True})
BINARY = source("binary", "bin/{device}", {"kind": "binary", "encoding": "f32"})
NUMBER = source("number", "num/{device}/{channel}", {"kind": "number"})
ALL = (JSON, CSV, BINARY, NUMBER)


class Walk:
    """A pipeline of one model with channels x and y, windows of 8 samples every 4, fed by hand."""

    def __init__(self, *sources: SourceSpec, judge: Any = (), counters: Counters | None = None, **limits: Any) -> None:
        self.refused: list[tuple[str, str, Discard]] = []
        self.now = START
        self.slot: Counter[str] = Counter()
        self.model_group = model_group_of(manifest_of(("x", "y")), lateness_samples=100, **dict(judge))
        self.model_group.batch.max_delay_seconds = limits.pop("max_delay_seconds", 0.0)
        self.pipeline = Pipeline(
            sources or ALL,
            {"m": self.model_group},
            {"m": MeanSquareScorer()},
            PipelineSettings(**limits),
            lambda: self.now,
            lambda *refusal: self.refused.append(refusal),
            counters,
        )

    def moment(self) -> Moment:
        return Moment(self.now, self.now)

    def step(self, *messages: Message, everything: bool = False) -> Step:
        return self.pipeline.step(MessageBatch.of(messages), self.moment(), everything=everything)

    def send(self, device: str, value: float = CALM, samples: int = 4) -> Step:
        """The next samples of a device, in JSON."""
        time = START + self.slot[device] * PERIOD
        self.slot[device] += samples
        self.now = max(self.now, time + samples * PERIOD)
        payload = json.dumps({"t": time, "r": [[value, value]] * samples}).encode()
        return self.step(Message(f"json/{device}", payload, self.now))

    def state(self, stream: str) -> str:
        return StreamState(int(self.model_group.streams.state[self.model_group.streams.number[stream]])).label

    def reasons(self) -> Counter[Reason]:
        found: Counter[Reason] = Counter()
        for (_, reason), count in self.pipeline.counters.discarded.items():
            found[reason] += count
        return found


def topics(step: Step) -> list[str]:
    return [report.topic for report in step.reports]


def payload(step: Step, topic: str) -> dict[str, Any]:
    """The last payload on a topic."""
    found: dict[str, Any] = json.loads([report.payload for report in step.reports if report.topic == topic][-1])
    return found


# --- verdicts and reports


def test_a_device_that_goes_wild_and_calms_down_is_told_step_by_step() -> None:
    walk = Walk(judge={"k": 2, "n": 3, "release_windows": 2})
    steps = [walk.send("d", value) for value in [CALM] * 3 + [WILD] * 3 + [CALM] * 4]
    told = [(report.topic, json.loads(report.payload)) for step in steps for report in step.reports]
    states = [fields["state"] for topic, fields in told if topic == "d/state"]
    alerts = [fields for topic, fields in told if topic == "d/alert"]
    assert states == ["warming_up", "normal", "pending", "firing", "normal"]
    assert [fields["phase"] for fields in alerts] == ["pending", "firing", "resolved"]
    assert len({fields["id"] for fields in alerts}) == 1
    assert all(fields["schema"] == 1 for _, fields in told)
    assert walk.pipeline.counters.alert_steps == {"pending": 1, "firing": 1, "resolved": 1}


def test_the_state_names_the_open_alert() -> None:
    walk = Walk(judge={"k": 1, "n": 1})
    step = walk.send("d", WILD, 8)
    assert payload(step, "d/state")["alert"] == payload(step, "d/alert")["id"]
    assert topics(step) == ["d/alert", "d/alert", "d/state"]


def test_nothing_is_reported_while_nothing_changes() -> None:
    walk = Walk()
    walk.send("d", samples=8)
    assert [report for _ in range(5) for report in walk.send("d").reports] == []


def test_states_are_retained_and_alerts_are_not() -> None:
    step = Walk(judge={"k": 1, "n": 1}).send("d", WILD, 8)
    assert {report.topic: report.retain for report in step.reports} == {"d/alert": False, "d/state": True}


def test_a_window_with_missing_values_is_withheld_and_its_state_shows_no_number() -> None:
    walk = Walk()
    time = START
    body = json.dumps({"t": time, "r": [[1, 1]] * 2 + [[1, None]] * 3 + [[1, 1]] * 3}).encode()
    step = walk.step(Message("json/d", body, time + 1))
    ((_, done),) = step.scored_batches
    assert done.verdict.tolist() == [Verdict.WITHHELD]
    assert np.isnan(done.error).all()
    fields = payload(step, "d/state")
    assert (fields["state"], fields["quality"]) == ("withheld", "non_finite")
    assert fields["score"] is fields["error"] is fields["channel"] is None


def test_formats_and_topics_per_channel_lead_to_the_same_verdict() -> None:
    values = np.sin(np.arange(16)).astype(np.float32)
    rows = np.repeat(values[:, None], 2, axis=1)
    end = START + 15 * PERIOD
    lines = "\n".join(f"{START + at * PERIOD:.3f},{x:.9g},{x:.9g}" for at, x in enumerate(values.tolist()))
    walk = Walk()
    messages = [
        Message("json/a", json.dumps({"t": START, "r": rows.tolist()}).encode(), end),
        Message("csv/b", lines.encode(), end),
        Message("bin/c", struct.pack("<32f", *rows.ravel().tolist()), end),
    ]
    for at, x in enumerate(values.tolist()):
        messages += [Message(f"num/d/{channel}", f"{x:.9g}".encode(), START + at * PERIOD) for channel in "xy"]
    walk.step(*messages)
    table = walk.model_group.streams
    assert table.windows_scored[:4].tolist() == [3] * 4
    np.testing.assert_array_equal(table.error[:4], table.error[0])
    np.testing.assert_allclose(table.end_seconds[:4], end, atol=PERIOD)
    assert not walk.refused


def test_a_window_is_scored_at_the_latest_when_its_delay_is_over() -> None:
    walk = Walk(max_delay_seconds=0.05)
    assert walk.pipeline.deadline_seconds == float("inf")
    assert walk.send("d", samples=8).scored_batches == ()
    assert walk.pipeline.deadline_seconds == walk.now + 0.05
    walk.now += 0.05
    assert len(walk.step().scored_batches) == 1
    assert walk.pipeline.deadline_seconds == float("inf")


def test_at_the_end_everything_that_waits_is_scored() -> None:
    walk = Walk(max_delay_seconds=10)
    walk.send("d", samples=8)
    assert len(walk.step(everything=True).scored_batches) == 1


# --- what is refused


@pytest.mark.parametrize(
    ("topic", "body", "reason", "name"),
    [
        ("json/d", b"{", Reason.MALFORMED, "json"),
        ("json/d", b'{"t": 1}', Reason.MISSING_FIELD, "json"),
        ("json/d", b'{"t": 1, "r": [[1]]}', Reason.WRONG_SHAPE, "json"),
        ("json/d", b'{"t": 1, "r": []}', Reason.EMPTY, "json"),
        ("json/d", b'{"t": -1, "r": [[1, 2]]}', Reason.BAD_TIMESTAMP, "json"),
        ("json/d", b" " * 2000, Reason.TOO_LARGE, "json"),
        ("json/", b"", Reason.BAD_NAME, "json"),
        ("num/d/z", b"1", Reason.UNKNOWN_CHANNEL, "number"),
        ("nowhere", b"1", Reason.UNKNOWN_TOPIC, UNROUTED),
        ("num/d/x", b"nan", Reason.MALFORMED, "number"),
        ("bin/d", b"1234567", Reason.MALFORMED, "binary"),
    ],
)
def test_a_refused_message_is_counted_once_under_its_source_and_told(
    topic: str, body: bytes, reason: Reason, name: str
) -> None:
    walk = Walk(max_payload_bytes=1000)
    walk.step(Message(topic, body, START))
    assert walk.pipeline.counters.received == {name: 1}
    assert walk.pipeline.counters.discarded == {(name, reason): 1}
    assert [(who, where, discard.reason) for who, where, discard in walk.refused] == [(name, topic, reason)]


def test_retained_messages_are_refused_where_they_are_not_wanted() -> None:
    wanted = source("late", "late/{device}", {"kind": "csv"}, accept_retained=True)
    walk = Walk(JSON, wanted)
    body = json.dumps({"t": START, "r": [[1, 1]]}).encode()
    walk.step(
        Message("json/d", body, START, retained=True),
        Message("json/d", body, START),
        Message("late/d2", b"1,2", START, retained=True),
    )
    assert walk.reasons() == {Reason.RETAINED: 1}
    assert walk.pipeline.counters.received == {"json": 2, "late": 1}
    assert walk.model_group.samples_received == 2


def test_samples_from_the_future_are_refused_and_counted_as_samples() -> None:
    walk = Walk()
    body = json.dumps({"t": START + 3600, "r": [[1, 1]] * 5}).encode()
    walk.step(Message("json/d", body, START))
    assert walk.model_group.samples_discarded == {Reason.FUTURE: 5}
    assert not walk.refused


def test_streams_beyond_the_limit_are_refused_until_another_expires() -> None:
    walk = Walk(max_streams=1, expire_after_seconds=100)
    walk.send("a", samples=8)
    walk.send("b")
    assert walk.reasons() == {Reason.STREAM_LIMIT: 1}
    walk.now += 101
    walk.pipeline.housekeep(walk.moment())
    walk.send("b")
    assert list(walk.model_group.streams.number) == ["b"]


# --- nothing can raise out of it

NUMBERS = st.floats(width=64) | st.integers() | st.none() | st.booleans()
BODY = st.fixed_dictionaries(
    {},
    optional={
        "t": st.floats(START - 5, START + 100) | NUMBERS | st.text(max_size=3),
        "r": st.lists(st.lists(NUMBERS, min_size=1, max_size=3), max_size=20) | NUMBERS,
    },
)
LINES = st.lists(st.tuples(st.integers(0, 40), NUMBERS, NUMBERS), max_size=12).map(
    lambda rows: "\n".join(f"{START + at * PERIOD},{x},{y}" for at, x, y in rows).encode()
)
FLOATS = st.lists(st.floats(width=32), max_size=24).map(lambda numbers: struct.pack(f"<{len(numbers)}f", *numbers))
PAYLOAD = (
    st.binary(max_size=40)
    | BODY.map(lambda body: json.dumps(body).encode())
    | LINES
    | FLOATS
    | st.floats().map(lambda number: str(number).encode())
)
TOPIC = (
    st.sampled_from(
        ["json/d", "json/e", "csv/d", "csv/f", "bin/d", "bin/g", "num/d/x", "num/h/x", "num/h/y", "num/h/z"]
    )
    | st.text(max_size=12)
    | st.text(max_size=5).map("json/{}".format)
)
MESSAGE = st.builds(Message, TOPIC, PAYLOAD, st.floats(START, START + 50), st.none(), st.booleans(), st.just(0))


@given(calls=st.lists(st.lists(MESSAGE, max_size=6), max_size=6), wait=st.sampled_from([0.0, 0.1, 40.0, 4000.0]))
@settings(max_examples=100)
def test_no_message_can_raise_out_of_the_pipeline_and_a_good_one_still_works(
    calls: list[list[Message]], wait: float
) -> None:
    walk = Walk(max_streams=5, max_payload_bytes=300)
    decoded = Counter[str]()
    for spec, decoder in zip(ALL, walk.pipeline._intake._decoders, strict=True):
        decoder.decode = counting(decoder.decode, decoded, spec.name)  # type: ignore[method-assign]
    for call in calls:
        steps = [walk.step(*call), walk.pipeline.housekeep(walk.moment())]
        walk.now += wait
        for report in (report for step in steps for report in step.reports):
            assert not report.payload or json.loads(report.payload, parse_constant=pytest.fail)["schema"] == 1
    counters = walk.pipeline.counters
    assert counters.received.total() == sum(map(len, calls))
    # whether there is a stream for a block is only found once it is decoded
    undecoded = {
        at: n for at, n in counters.discarded.items() if at[1] not in {Reason.STREAM_LIMIT, Reason.STREAM_CONFLICT}
    }
    assert counters.received.total() == decoded.total() + sum(undecoded.values())
    assert all(counters.received[name] >= count for (name, _), count in counters.discarded.items())

    walk.now += 10_000
    walk.pipeline.housekeep(walk.moment())  # there is room for another stream now
    walk.slot["good"] = round((walk.now - START) / PERIOD)
    walk.send("good", samples=16)
    assert walk.state("good") == "normal"
    assert walk.model_group.streams.score[walk.model_group.streams.number["good"]] == 0.5


def counting(decode: Any, decoded: Counter[str], name: str) -> Any:
    """Count the payloads that gave samples."""

    def decode_and_count(payloads: list[bytes]) -> Any:
        found = decode(payloads)
        decoded[name] += len(set(found.payload.tolist()))
        return found

    return decode_and_count


# --- silence, expiry, reload


def test_a_silent_stream_is_told_once_and_its_alert_stays_open() -> None:
    walk = Walk(judge={"k": 1, "n": 1})
    walk.send("d", WILD, 8)
    walk.now += 31
    step = walk.pipeline.housekeep(walk.moment())
    assert payload(step, "d/state")["quality"] == "silent"
    assert payload(step, "d/state")["state"] == "firing"
    assert topics(step) == ["d/state"]
    assert walk.pipeline.housekeep(walk.moment()).reports == ()


def test_an_expired_stream_resolves_its_alert_and_clears_its_retained_state() -> None:
    walk = Walk(judge={"k": 1, "n": 1})
    walk.send("d", WILD, 8)
    walk.now += 3601
    step = walk.pipeline.housekeep(walk.moment())
    assert topics(step) == ["d/alert", "d/state"]
    assert payload(step, "d/alert")["phase"] == "resolved"
    assert (step.reports[1].payload, step.reports[1].retain) == (b"", True)
    assert walk.pipeline.counters.alert_steps["resolved"] == 1
    assert len(walk.model_group.streams) == 0


def test_a_stream_that_comes_back_after_it_expired_starts_anew() -> None:
    walk = Walk()
    walk.send("d", samples=8)
    walk.now += 3601
    walk.pipeline.housekeep(walk.moment())
    walk.slot["d"] = round((walk.now - START) / PERIOD)
    step = walk.send("d", samples=8)
    assert payload(step, "d/state")["state"] == "normal"
    assert walk.model_group.streams.windows_scored[0] == 1


def test_a_stream_that_expires_while_a_window_waits_is_scored_first() -> None:
    """As when the wall clock jumps ahead, by years where a device has no clock of its own at boot."""
    walk = Walk(max_delay_seconds=10, judge={"k": 1, "n": 1})
    walk.send("d", WILD, 8)
    walk.now += 1e8
    step = walk.pipeline.housekeep(walk.moment())
    assert len(step.scored_batches) == 1
    assert topics(step) == ["d/alert", "d/alert", "d/state", "d/alert", "d/state"]
    assert step.reports[-1].payload == b""
    walk.step(everything=True)


@pytest.mark.parametrize("retained", [False, True])
def test_a_topic_that_brings_nothing_that_can_be_used_opens_no_stream(retained: bool) -> None:
    walk = Walk(max_streams=1)
    body = json.dumps({"t": START, "r": [[1, 1]]}).encode() if retained else b"?"
    step = walk.step(Message("json/junk", body, START, retained=retained))
    assert (topics(step), len(walk.model_group.streams)) == ([], 0)
    walk.send("d", samples=8)
    assert list(walk.model_group.streams.number) == ["d"]


def test_a_stream_without_a_window_makes_room_for_a_new_one_and_its_state_is_cleared() -> None:
    walk = Walk(max_streams=2)
    walk.send("good", samples=8)
    walk.send("young", samples=7)
    step = walk.send("new", samples=7)
    assert list(walk.model_group.streams.number) == ["good", "new"]
    assert topics(step) == ["young/state", "new/state"]
    assert step.reports[0].payload == b""
    assert walk.model_group.streams_evicted == 1
    (told,) = walk.refused
    assert told[1:] == (
        "json/new",
        Discard(
            Reason.EVICTED,
            "stream young has never given a window: it makes room for another (limits.max_streams)",
            "young",
        ),
    )
    walk.send("new", samples=1)  # a window is complete now
    walk.send("young", samples=8)
    assert list(walk.model_group.streams.number) == ["good", "new"]
    assert walk.pipeline.counters.discarded == {("json", Reason.STREAM_LIMIT): 1}


def test_conflicts_and_evictions_that_a_process_before_counted_are_not_counted_anew() -> None:
    walk = Walk(source("json", "json/{site}/{device}", JSON.format.model_dump(), stream="{device}"), max_streams=1)
    messages = [Message(f"json/{topic}", b'{"t": %d, "r": [[1, 1]]}' % START, START) for topic in ("a/d", "b/d", "a/e")]
    walk.step(*messages)
    assert (walk.model_group.streams_evicted, walk.reasons()[Reason.STREAM_CONFLICT]) == (1, 1)
    walk.step(messages[1]._replace(topic="json/b/e"))
    assert walk.model_group.streams.conflicts.tolist()[0] == 1
    walk.pipeline.resume(START)  # as a process does that has walked through what the journal held
    assert walk.model_group.streams_evicted == 0
    assert not walk.model_group.streams.conflicts.any()


def test_another_artifact_is_adopted_with_what_streams_are_in() -> None:
    walk = Walk(judge={"k": 1, "n": 1})
    alert = payload(walk.send("d", WILD, 11), "d/alert")["id"]
    newer = manifest_of(("x", "y"), version="2", threshold=100.0)
    assert walk.pipeline.adopt({"m": Fake(newer, MeanSquareScorer())})
    step = walk.send("d", WILD, 1)  # completes a window that began before
    assert len(step.scored_batches) == 1
    steps = [walk.send("d", WILD) for _ in range(3)]
    resolved = next(json.loads(report.payload) for step in steps for report in step.reports if "alert" in report.topic)
    assert (resolved["id"], resolved["phase"], resolved["version"]) == (alert, "resolved", "2")


def test_an_artifact_of_another_shape_is_not_adopted_and_changes_nothing() -> None:
    walk = Walk()
    walk.send("d", samples=8)
    other = manifest_of(("x", "y"), length=16, version="2")
    assert not walk.pipeline.adopt({"m": Fake(other, MeanSquareScorer())})
    assert walk.model_group.manifest.version == "1"
    assert len(walk.send("d").scored_batches) == 1


def test_a_pipeline_that_is_replaced_resolves_its_alerts_and_clears_the_states() -> None:
    walk = Walk(judge={"k": 1, "n": 1})
    walk.send("d", WILD, 8)
    walk.send("e", CALM, 8)
    step = walk.pipeline.retire(["m"])
    assert topics(step) == ["d/alert", "d/state", "e/state"]
    assert payload(step, "d/alert")["phase"] == "resolved"
    assert [report.payload for report in step.reports if report.retain] == [b"", b""]


def test_counts_go_on_where_a_pipeline_takes_over_the_tally_of_another() -> None:
    first = Walk()
    first.send("d", samples=8)
    second = Walk(counters=first.pipeline.counters)
    second.send("d", samples=8)
    assert second.pipeline.counters.received == {"json": 2}
    assert second.pipeline.counters.end_to_end_seconds.cumulative()[-1] == 2


# --- what is measured


def test_batches_and_delays_are_observed() -> None:
    walk = Walk(max_delay_seconds=0.2)
    walk.send("d", samples=16)
    walk.now += 0.25
    walk.step()
    counters = walk.pipeline.counters
    assert counters.batch_windows["m"].sum == 3
    assert counters.inference_seconds["m"].cumulative()[-1] == 1
    assert counters.end_to_end_seconds.cumulative()[-1] == 3
    assert counters.end_to_end_seconds.sum == pytest.approx(3 * 0.25, abs=1e-3)


def test_a_model_is_called_with_as_many_windows_as_it_is_quickest_with_and_nothing_else_depends_on_that() -> None:
    at_once, in_parts = Walk(), Walk()
    in_parts.model_group.batch.max_windows = 2
    values = np.random.default_rng(1).normal(size=(24, 2)).round(3).tolist()
    message = Message("json/d", msgspec.json.encode({"t": START, "r": values}), START + 1)
    (_, whole), (_, parts) = (walk.step(message, everything=True).scored_batches[0] for walk in (at_once, in_parts))
    assert parts.score.tolist() == whole.score.tolist()
    assert len(parts.score) == 5
    assert in_parts.pipeline.counters.batch_windows["m"].cumulative()[:2] == [1, 3]  # 2 + 2 + 1
    assert at_once.pipeline.counters.inference_seconds["m"].cumulative()[-1] == 1


def test_a_batch_in_which_nothing_is_worth_scoring_is_no_inference() -> None:
    walk = Walk()
    body = msgspec.json.encode({"t": START, "r": [[None, 1.0]] * 8})
    step = walk.step(Message("json/d", body, START + 1))
    assert len(step.scored_batches) == 1
    assert walk.pipeline.counters.inference_seconds["m"].cumulative()[-1] == 0


# --- streams that are forgotten by command


def forget(stream: str) -> Message:
    return Message(f"residuald/{stream}/set/forget", b"", START)


def test_a_stream_forgotten_by_command_has_its_alert_resolved_and_its_state_cleared() -> None:
    walk = Walk(judge={"k": 1, "n": 1}, commands_below="residuald")
    walk.send("d", WILD, 8)
    step = walk.step(forget("d"))
    assert topics(step) == ["d/alert", "d/state"]
    assert payload(step, "d/alert")["phase"] == "resolved"
    assert step.reports[-1].payload == b""
    assert step.command_applied
    assert walk.pipeline.open_alerts == set()


def test_what_cannot_be_forgotten_is_refused_with_its_reason() -> None:
    walk = Walk(commands_below="residuald")
    walk.step(forget("d"))
    walk.send("d", samples=8)
    walk.step(Message("residuald/d/set/mute", b"1h", START), forget("d"), forget("d"))
    assert walk.pipeline.counters.commands == {
        ("forget", "unknown_stream"): 2,
        ("mute", "accepted"): 1,
        ("forget", "accepted"): 1,
    }
