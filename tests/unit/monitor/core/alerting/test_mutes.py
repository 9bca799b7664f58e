"""A muted stream is scored as ever and raises no alert, until its time is over, whatever clocks and processes do."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.ports import StepKey
from monitor.core.scoring.normalize import Normalizer
from monitor.core.sources.source import SourceSpec
from monitor.core.streams.stream_table import StreamState
from monitor.core.values.discards import Discard
from monitor.core.values.messages import Message, MessageBatch
from monitor.core.values.snapshots import decode_state, encode_state
from monitor.pipeline.pipeline import Moment, Pipeline, PipelineSettings, Step
from tests.manifests import PERIOD, MeanSquareScorer, manifest_fields, manifest_of, model_group_of

START = 1_700_000_000.0
CALM, WILD = 1.0, 3.0
HOUR = 3600.0
SOURCE = SourceSpec.model_validate(
    {"name": "rows", "topic": "a/{device}", "model": "m", "format": {"kind": "json", "timestamp": "t", "rows": "r"}}
)


class Operated:
    """A pipeline that applies commands, on clocks of its own."""

    def __init__(self, normalization: str = "fixed", **limits: float) -> None:
        fields = manifest_fields(kind=normalization)
        if normalization == "stream":
            fields["normalization"]["warmup_windows"] = 3
        self.model_group = model_group_of(manifest_of(normalization=fields["normalization"]), k=1, n=1)
        self.refused: list[Discard] = []
        self.wall, self.monotonic, self.sent = START, 0.0, 0
        self.pipeline = Pipeline(
            (SOURCE,),
            {"m": self.model_group},
            {"m": MeanSquareScorer()},
            PipelineSettings(commands_below="residuald", **limits),  # type: ignore[arg-type]
            lambda: self.monotonic,
            lambda _source, _topic, discard: self.refused.append(discard),
        )

    @property
    def now(self) -> Moment:
        return Moment(self.wall, self.monotonic)

    def samples(self, value: float, count: int = 8, device: str = "one") -> Message:
        body = json.dumps({"t": START + self.sent * PERIOD, "r": [[value]] * count}).encode()
        self.sent += count
        return Message(f"a/{device}", body, self.wall)

    def command(self, kind: str, payload: bytes = b"", stream: str = "one", *, retained: bool = False) -> Message:
        return Message(f"residuald/{stream}/set/{kind}", payload, self.wall, retained=retained)

    def step(self, *messages: Message) -> Step:
        return self.pipeline.step(MessageBatch.of(messages), self.now)

    def send(self, value: float, count: int = 8) -> Step:
        return self.step(self.samples(value, count))

    def pass_(self, seconds: float, leap: float = 0.0) -> Step:
        """Let time pass, the wall clock leaping besides, and keep house."""
        self.monotonic += seconds
        self.wall += seconds + leap
        return self.pipeline.housekeep(self.now)

    def counts(self) -> dict[tuple[str, str], int]:
        return dict(self.pipeline.counters.commands)


def phases(*steps: Step) -> list[str]:
    return [json.loads(report.payload)["phase"] for step in steps for report in step.reports if report.step]


def told(step: Step) -> list[dict[str, object]]:
    """The retained states that a step publishes."""
    return [json.loads(report.payload) for report in step.reports if report.retain and report.payload]


@pytest.fixture
def operated() -> Operated:
    one = Operated()
    one.send(CALM)
    return one


def test_a_muted_stream_is_scored_and_raises_no_alert(operated: Operated) -> None:
    (state,) = told(operated.step(operated.command("mute", b"2h")))
    assert state["muted_until"] == START + 2 * HOUR
    scored = int(operated.model_group.streams.windows_scored[0])
    assert phases(operated.send(WILD), operated.send(WILD)) == []
    streams = operated.model_group.streams
    assert streams.windows_scored[0] > scored
    assert streams.windows_anomalous[0] > 0
    assert streams.score[0] > 1
    assert streams.state[0] == StreamState.NORMAL
    assert operated.counts() == {("mute", "accepted"): 1}


def test_a_mute_ends_by_itself_and_says_so(operated: Operated) -> None:
    operated.step(operated.command("mute", b"20s"))
    assert told(operated.pass_(19)) == []
    (state,) = told(operated.pass_(1.5))
    assert state["muted_until"] is None
    assert len(operated.model_group.mutes) == 0
    assert phases(operated.send(WILD)) == ["pending", "firing"]


def test_what_arrives_after_the_end_raises_an_alert_even_if_nobody_kept_house(operated: Operated) -> None:
    operated.step(operated.command("mute", b"10s"))
    operated.wall += 10
    assert phases(operated.send(WILD)) == ["pending", "firing"]


def test_what_waits_when_a_mute_ends_is_muted_still(operated: Operated) -> None:
    operated.step(operated.command("mute", b"10s"))
    operated.model_group.batch.max_delay_seconds = 5.0
    operated.wall += 9.9
    operated.send(WILD)
    assert phases(operated.pass_(1.0)) == []
    assert operated.model_group.streams.windows_anomalous[0] > 0


@pytest.mark.parametrize("payload", [b"", b"0", b'{"seconds": 0}'])
def test_zero_or_nothing_ends_a_mute(operated: Operated, payload: bytes) -> None:
    operated.step(operated.command("mute", b"2h"))
    (state,) = told(operated.step(operated.command("mute", payload)))
    assert state["muted_until"] is None
    assert phases(operated.send(WILD)) == ["pending", "firing"]


def test_an_open_alert_is_resolved_by_a_mute_once(operated: Operated) -> None:
    operated.send(WILD)
    step = operated.step(operated.command("mute", b"2h"))
    assert phases(step) == ["resolved"]
    assert json.loads(next(report.payload for report in step.reports if report.step))["fired"] is True
    assert told(step)[-1]["state"] == "normal"
    assert told(step)[-1]["alert"] is None
    assert operated.pipeline.open_alerts == set()
    assert phases(operated.step(operated.command("mute", b"3h"))) == []
    assert operated.pipeline.counters.alert_steps["resolved"] == 1


def test_what_came_before_a_command_is_judged_without_it_and_what_comes_after_it_with_it(operated: Operated) -> None:
    before, mute, after = operated.samples(WILD), operated.command("mute", b"2h"), operated.samples(WILD)
    assert phases(operated.step(before, mute, after)) == ["pending", "firing", "resolved"]
    mute_off, again = operated.command("mute", b"0"), operated.samples(WILD)
    assert phases(operated.step(mute_off, again)) == ["pending", "firing"]


def test_a_command_for_a_stream_that_opens_after_it_is_refused_as_if_it_had_come_alone(operated: Operated) -> None:
    mute, first = operated.command("mute", b"2h", stream="two"), operated.samples(WILD, device="two")
    assert phases(operated.step(mute, first)) == ["pending", "firing"]
    assert operated.counts() == {("mute", "unknown_stream"): 1}
    operated.step(operated.samples(CALM, device="three"), operated.command("mute", b"2h", stream="three"))
    assert operated.counts() == {("mute", "unknown_stream"): 1, ("mute", "accepted"): 1}


def test_other_streams_are_not_muted(operated: Operated) -> None:
    operated.step(operated.samples(CALM, device="two"))
    operated.step(operated.command("mute", b"2h"))
    assert phases(operated.step(operated.samples(WILD, device="two"))) == ["pending", "firing"]


def test_a_stream_that_was_forgotten_is_muted_when_it_comes_back() -> None:
    operated = Operated(expire_after_seconds=600.0)
    operated.send(CALM)
    operated.step(operated.command("mute", b"5h"))
    operated.pass_(700)
    assert len(operated.model_group.streams) == 0
    assert len(operated.model_group.mutes) == 1
    operated.sent += round(701 / PERIOD)
    (state, *_) = told(operated.send(WILD))
    assert state["muted_until"] == START + 5 * HOUR
    assert operated.pipeline.open_alerts == set()


def test_a_stream_that_was_forgotten_can_be_unmuted() -> None:
    operated = Operated(expire_after_seconds=600.0)
    operated.send(CALM)
    operated.step(operated.command("mute", b"5h"))
    operated.pass_(700)
    operated.step(operated.command("mute"))
    assert len(operated.model_group.mutes) == 0
    assert operated.step(operated.command("relearn")).reports == ()
    assert operated.counts()["relearn", "unknown_stream"] == 1


@pytest.mark.parametrize("leap", [-86400.0, 86400.0])
def test_a_leap_of_the_clock_makes_a_mute_neither_longer_nor_shorter(operated: Operated, leap: float) -> None:
    operated.pass_(1.0)
    operated.step(operated.command("mute", b"1h"))
    operated.pass_(10.0, leap)
    assert operated.model_group.mutes.until("one") == pytest.approx(START + 1 + HOUR + leap)
    operated.pass_(HOUR - 20)
    assert len(operated.model_group.mutes) == 1
    operated.pass_(15)
    assert len(operated.model_group.mutes) == 0


def reborn(old: Operated, new: Operated) -> Operated:
    new.pipeline.restore(decode_state(encode_state(old.pipeline.snapshot())))
    new.wall, new.sent = old.wall, old.sent
    return new


def test_a_mute_outlives_the_process_and_ends_at_its_wall_time(operated: Operated) -> None:
    operated.step(operated.command("mute", b"1h"))
    other = reborn(operated, Operated())
    other.wall += HOUR / 2
    other.pipeline.resume(other.wall)
    other.pass_(1.0)
    other.pass_(1.0)
    assert other.model_group.mutes.until("one") == START + HOUR
    assert phases(other.send(WILD)) == []
    assert other.counts() == {("mute", "accepted"): 1}
    other.pass_(HOUR / 2)
    assert phases(other.send(WILD)) == ["pending", "firing"]


def test_neither_a_replay_nor_the_time_between_two_processes_moves_the_end(operated: Operated) -> None:
    operated.step(operated.command("mute", b"1h"))
    for _ in range(3):  # a replay goes through minutes in no time
        operated.wall += 300
        operated.pipeline.housekeep(operated.now, again=True)
    operated.wall += 300  # nobody was there
    operated.pipeline.resume(operated.wall)
    operated.pass_(1.0)
    assert operated.model_group.mutes.until("one") == START + HOUR


def test_a_clock_set_back_between_two_processes_leaves_no_stream_muted_for_ever(operated: Operated) -> None:
    operated.step(operated.command("mute", b"30d"))
    other = reborn(operated, Operated())
    other.wall -= 365 * 86400
    other.pipeline.resume(other.wall)
    until = other.model_group.mutes.until("one")
    assert until == other.wall + 30 * 86400


def test_what_cannot_be_done_is_refused_with_its_reason(operated: Operated) -> None:
    step = operated.step(
        operated.command("mute", b"2h", stream="two"),
        operated.command("mute", b"2h", retained=True),
        operated.command("mute", b"two hours"),
        operated.command("mute", b"1000d"),
        operated.command("mute", bytes(1000)),
        operated.command("explode"),
        operated.command("mute", b"2h", stream='o"\ne'),
        operated.command("relearn"),
    )
    assert step.reports == ()
    assert not step.command_applied
    assert operated.counts() == {
        ("mute", "unknown_stream"): 1,
        ("mute", "retained"): 1,
        ("mute", "malformed"): 1,
        ("mute", "bad_duration"): 1,
        ("mute", "too_large"): 1,
        ("unknown", "unknown_command"): 1,
        ("mute", "bad_name"): 1,
        ("relearn", "not_learnt"): 1,
    }
    assert len(operated.refused) == 8
    assert phases(operated.send(WILD)) == ["pending", "firing"]


def test_no_more_streams_can_be_muted_than_there_may_be() -> None:
    operated = Operated(max_streams=1, expire_after_seconds=600.0)
    for number, device in enumerate(("one", "two")):
        operated.step(operated.samples(CALM, device=device))
        operated.step(operated.command("mute", b"20d", stream=device))
        assert len(operated.model_group.mutes) == 1, number
        operated.pass_(700)
        operated.sent += round(700 / PERIOD)
    assert operated.counts() == {("mute", "accepted"): 1, ("mute", "stream_limit"): 1}


def test_without_commands_in_the_settings_nothing_is_one(operated: Operated) -> None:
    deaf = Pipeline((SOURCE,), {"m": operated.model_group}, {"m": MeanSquareScorer()}, PipelineSettings(), lambda: 0.0)
    deaf.step(MessageBatch.of([operated.command("mute", b"2h")]), operated.now)
    assert len(operated.model_group.mutes) == 0
    assert not deaf.counters.commands


def test_a_stream_learns_anew_what_is_usual_for_it() -> None:
    operated = Operated("stream")
    noise = np.random.default_rng(0)

    def run(level: float) -> list[str]:
        body = (level + noise.normal(0, 0.1, (40, 1))).tolist()
        message = Message("a/one", json.dumps({"t": START + operated.sent * PERIOD, "r": body}).encode(), operated.wall)
        operated.sent += len(body)
        return phases(operated.step(message))

    assert run(1.0) == []
    assert run(50.0)[:2] == ["pending", "firing"]
    step = operated.step(operated.command("relearn"))
    assert phases(step) == ["resolved"]
    assert told(step)[-1]["state"] == "warming_up"
    assert isinstance(operated.model_group.normalizer, Normalizer)
    assert operated.model_group.normalizer.warmup_progress(np.array([0]))[0] == 0
    assert run(50.0) == []
    assert operated.model_group.streams.state[0] == StreamState.NORMAL
    assert run(1.0)[:2] == ["pending", "firing"]
    assert operated.counts() == {("relearn", "accepted"): 1}


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.sampled_from([CALM, WILD, b"2s", b"5s", b"0", b"nonsense"]), max_size=24),
    st.lists(st.integers(1, 4), min_size=24, max_size=24),
    st.sampled_from([0.5, 2.5, 10.0]),
)
def test_walked_again_the_same_alerts_come_of_the_same_messages_whenever_windows_are_scored(
    events: list[float | bytes], sizes: list[int], delay_seconds: float
) -> None:
    first, again = Operated(), Operated()
    again.model_group.batch.max_delay_seconds = delay_seconds
    messages = [first.samples(CALM)]
    for event in events:
        first.wall += 1.0
        messages.append(first.command("mute", event) if isinstance(event, bytes) else first.samples(event))

    def walk(one: Operated) -> list[StepKey]:
        said, at = [], 0
        for size in [*sizes, len(messages)]:
            part = messages[at : at + size]
            at += size
            if part:
                one.wall = part[-1].arrival_seconds
                one.monotonic = one.wall - START
                said += [report.step for report in one.step(*part).reports if report.step]
        last = one.pipeline.step(None, one.now, everything=True)
        return said + [report.step for report in last.reports if report.step]

    assert walk(first) == walk(again)
    assert first.counts() == again.counts()
