"""What is wrong with what a stream is sent shows on the stream: in its state and quality, its counts, and notices."""

import json
import math
from typing import Any

import numpy as np
import pytest

from monitor.core.alerting.decision_rule import Verdict
from monitor.core.scoring.quality import QUALITIES, Quality
from monitor.core.sources.source import SourceSpec
from monitor.core.streams.notices import Notice
from monitor.core.streams.stream_table import StreamState
from monitor.core.values.discards import Reason
from monitor.core.values.messages import Message, MessageBatch
from monitor.core.values.snapshots import decode_state, encode_state
from monitor.pipeline.pipeline import Moment, Pipeline, PipelineSettings
from tests.manifests import MeanSquareScorer, manifest_of, model_group_of

START = 1_790_000_000.0
TIMED = {"kind": "json", "timestamp": "t", "fields": ["x"]}
MILLISECONDS = TIMED | {"timestamp_unit": "ms"}
UNTIMED = {"kind": "json", "fields": ["x"]}
BY_CHANNEL = {"kind": "json", "timestamp": "t", "values": "v"}


class Watched:
    """A pipeline of one model of 1 Hz, windows of 16 samples every 4; housekeeping once a second, as in the daemon."""

    def __init__(
        self, layout: dict[str, Any], topic: str = "d/{device}", channels: tuple[str, ...] = ("x",), **more: Any
    ) -> None:
        source = SourceSpec.model_validate({"name": "s", "topic": topic, "model": "m", "format": layout})
        manifest = manifest_of(channels, length=16, sample_period_seconds=1.0)
        self.group = model_group_of(manifest, lateness_samples=20 if len(channels) > 1 else 0)
        self.notices: list[Notice] = []
        self.verdicts: list[tuple[str, str]] = []
        self.states: list[dict[str, Any]] = []
        self.pipeline = Pipeline(
            (source,), {"m": self.group}, {"m": MeanSquareScorer()}, PipelineSettings(**more), lambda: 0.0
        )
        self.pipeline.on_notice = lambda model, notice: self.notices.append(notice)

    def send(self, at_seconds: float, payload: object, topic: str = "d/one") -> None:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        now = START + at_seconds
        batch = MessageBatch.of([Message(topic, body, now)])
        for step in (self.pipeline.step(batch, Moment(now, at_seconds)), self.housekeep(at_seconds)):
            self.states += [json.loads(report.payload) for report in step.reports if report.topic == "one/state"]
            for _, done in step.scored_batches:
                judged = zip(done.verdict.tolist(), done.quality.tolist(), strict=True)
                self.verdicts += [
                    (Verdict(verdict).name.lower(), QUALITIES[quality].value) for verdict, quality in judged
                ]

    def housekeep(self, at_seconds: float) -> Any:
        return self.pipeline.housekeep(Moment(START + at_seconds, at_seconds))

    @property
    def state(self) -> str:
        return StreamState(int(self.group.streams.state[0])).label

    @property
    def quality(self) -> Quality:
        return Quality(QUALITIES[self.group.streams.quality[0]])


@pytest.mark.parametrize("period", [0.25, 0.5, 0.8, 1.25, 1.5, 1.7])
def test_another_rate_than_the_models_is_never_judged(period: float) -> None:
    watched = Watched(TIMED)
    for number in range(60):
        watched.send(number * period, {"t": START + number * period, "x": 0.0})
    assert {verdict for verdict, _ in watched.verdicts} <= {"withheld"}
    assert watched.quality is Quality.WRONG_RATE
    assert watched.state == "withheld"
    assert watched.states[-1]["hint"].startswith(f"a sample every {period:g} s, the model takes one every 1 s")


def test_a_wrong_rate_is_told_once_with_the_setting_that_admits_it() -> None:
    watched = Watched(TIMED)
    for number in range(100):
        watched.send(number * 1.25, {"t": START + number * 1.25, "x": 0.0})
    (notice,) = watched.notices
    assert notice.event == "another sampling rate than the model's: its windows are withheld"
    assert (notice.fields["stream"], notice.fields["measured_hz"], notice.fields["model_hz"]) == ("one", 0.8, 1.0)
    assert "timing.rate_tolerance" in notice.fields["hint"]


def test_a_wrong_rate_that_is_found_while_a_checkpoint_is_made_is_told_all_the_same() -> None:
    watched = Watched(TIMED)
    for number in range(100):
        watched.send(number * 1.25, {"t": START + number * 1.25, "x": 0.0})
        watched.pipeline.snapshot()
    (notice,) = watched.notices
    assert notice.event == "another sampling rate than the model's: its windows are withheld"


def test_a_rate_within_the_tolerance_that_is_set_is_judged() -> None:
    watched = Watched(TIMED, rate_tolerance=0.1)
    for number in range(300):
        watched.send(number * 1.05, {"t": START + number * 1.05, "x": 0.0})
    assert watched.verdicts
    assert set(watched.verdicts) == {("normal", "good")}


def test_without_time_stamps_the_rate_is_measured_by_arrivals() -> None:
    watched = Watched(UNTIMED)
    for number in range(800):
        watched.send(number * 0.5, {"x": 0.0})
    assert watched.quality is Quality.WRONG_RATE
    assert watched.verdicts[-1] == ("withheld", "wrong_rate")


def test_seconds_read_as_milliseconds_are_refused_and_the_state_names_the_unit() -> None:
    watched = Watched(MILLISECONDS)
    for number in range(20):
        watched.send(number, {"t": int(START + number), "x": 0.0})
    assert (watched.state, watched.quality) == ("withheld", Quality.REFUSED)
    assert watched.states[-1]["reason"] == "duplicate"
    assert watched.states[-1]["hint"] == "1000 times too small: seconds read as milliseconds? (timestamp_unit)"
    assert watched.notices[0].event == "samples refused"
    assert watched.notices[0].fields["hint"] == watched.states[-1]["hint"]


CSV = {"kind": "csv", "time_column": True}


@pytest.mark.parametrize(
    ("layout", "good", "payload"),
    [
        (TIMED, {"t": START, "x": 0.0}, {"t": START * 1000, "x": 0.0}),
        (CSV, b"1790000000,0.0", b"1790000000000,0.0"),
    ],
)
def test_milliseconds_read_as_seconds_are_refused_and_the_state_names_the_unit(
    layout: dict[str, Any], good: object, payload: object
) -> None:
    watched = Watched(layout)
    watched.send(0, good)  # what never sent sense is no stream
    for number in range(1, 20):
        watched.send(number, payload)
    assert (watched.state, watched.states[-1]["reason"]) == ("withheld", "bad_timestamp")
    assert '1000 times too large (timestamp_unit = "ms"?)' in watched.states[-1]["hint"]


def test_local_time_is_refused_and_the_state_tells_by_how_much() -> None:
    watched = Watched(TIMED)
    for number in range(20):
        watched.send(number, {"t": START + number + 3600, "x": 0.0})
    assert (watched.state, watched.quality) == ("withheld", Quality.REFUSED)
    assert (watched.states[-1]["reason"], watched.states[-1]["hint"]) == ("future", "3600.0 s ahead: local time?")
    assert watched.group.inputs.refused_of(0) == [(Reason.FUTURE, 20, "3600.0 s ahead: local time?")]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"garbage", Reason.MALFORMED),
        ({"t": START}, Reason.MISSING_FIELD),
        ({"t": "yesterday", "x": 1.0}, Reason.BAD_TIMESTAMP),
        ({"t": START * 1000, "x": 1.0}, Reason.BAD_TIMESTAMP),
    ],
)
def test_a_device_that_sends_what_cannot_be_decoded_is_refused_and_the_reason_is_named(
    payload: object, reason: Reason
) -> None:
    watched = Watched(TIMED)
    for number in range(10):
        watched.send(number, {"t": START + number, "x": 0.0})
    for number in range(10, 30):
        watched.send(number, payload)
    assert (watched.state, watched.quality) == ("withheld", Quality.REFUSED)
    assert watched.states[-1]["reason"] == reason.value
    assert watched.states[-1]["hint"]
    assert [(each, count) for each, count, _ in watched.group.inputs.refused_of(0)] == [(reason, 20)]


def test_a_device_that_never_sends_sense_is_named_and_takes_no_place_of_a_stream() -> None:
    watched = Watched(TIMED, max_streams=1)
    for number in range(10):
        watched.send(number, b"garbage", "d/mute")
    (refused,) = watched.pipeline.unopened.streams.items()
    assert (refused[0], refused[1].counts) == ("mute", {Reason.MALFORMED: 10})
    (notice,) = watched.notices
    assert notice.event == "all that a device sends is refused: it opens no stream"
    assert (notice.fields["stream"], notice.fields["topic"]) == ("mute", "d/mute")
    assert notice.fields["reason"] == "malformed"
    watched.send(10, {"t": START + 10, "x": 0.0})
    assert list(watched.group.streams.number) == ["one"]


def test_a_device_that_sends_sense_at_last_or_nothing_any_more_is_forgotten_among_those_without_a_stream() -> None:
    watched = Watched(TIMED)
    for number in range(5):
        watched.send(number, b"garbage")
        watched.send(number, b"garbage", "d/mute")
    watched.send(5, {"t": START + 5, "x": 0.0})
    assert list(watched.pipeline.unopened.streams) == ["mute"]
    watched.housekeep(4000.0)
    assert not watched.pipeline.unopened.streams


def test_devices_without_a_stream_are_bounded_and_the_oldest_make_room() -> None:
    watched = Watched(TIMED)
    for number in range(250):
        watched.send(number / 10, b"garbage", f"d/{number}")
    unopened = watched.pipeline.unopened
    assert list(unopened.streams) == [str(number) for number in range(150, 250)]
    assert unopened.dropped == 150
    assert not watched.notices


def test_what_is_refused_on_a_channel_that_has_not_come_yet_shows_on_its_stream() -> None:
    watched = Watched(BY_CHANNEL, "d/{device}/{channel}", ("x", "y"))
    for number in range(20):
        watched.send(number, {"t": START + number, "v": 0.0}, "d/one/x")
        watched.send(number, b"garbage", "d/one/y")
    assert watched.quality is Quality.REFUSED
    assert watched.states[-1]["hint"].startswith("channel y: ")
    assert not watched.pipeline.unopened.streams


def test_a_neighbour_that_comes_to_the_name_of_a_stream_does_not_make_it_refused() -> None:
    watched = Watched(TIMED, "{site}/{device}")
    for number in range(40):
        watched.send(number, {"t": START + number, "x": 0.0}, "a/b.c")
        watched.send(number, b"garbage", "a.b/c")
    assert watched.quality is Quality.GOOD
    assert not watched.group.inputs.refused_of(0)


def test_a_stream_that_sends_sense_again_is_judged_again() -> None:
    watched = Watched(TIMED)
    for number in range(60):
        watched.send(number, b"garbage" if 10 <= number < 30 else {"t": START + number, "x": 0.0})
    assert (watched.state, watched.quality) == ("normal", Quality.GOOD)
    assert "reason" not in watched.states[-1]


def test_of_a_stream_with_a_topic_per_channel_the_refused_channel_is_named() -> None:
    watched = Watched(BY_CHANNEL, "d/{device}/{channel}", ("x", "y"))
    for number in range(20):
        watched.send(number, {"t": START + number, "v": 0.0}, "d/one/x")
        watched.send(number, {"t": START + number + 3600, "v": 0.0}, "d/one/y")
    assert watched.quality is Quality.REFUSED
    assert watched.states[-1]["hint"] == "channel y: 3600.0 s ahead: local time?"


def test_a_clock_is_measured_though_a_single_message_came() -> None:
    watched = Watched(TIMED)
    watched.send(0, {"t": START + 5, "x": 0.0})
    assert watched.group.inputs.clocks.seconds(watched.group.streams.numbers()).tolist() == [5.0]


def test_what_is_delivered_again_now_and_then_is_counted_and_changes_no_state() -> None:
    watched = Watched(TIMED)
    for number in range(60):
        for again in range(1 + (number % 7 == 0)):
            watched.send(number + again / 2, {"t": START + number, "x": 0.0})
    assert watched.quality is Quality.GOOD
    assert {state["quality"] for state in watched.states} == {"good"}
    assert watched.group.inputs.refused_of(0) == [(Reason.DUPLICATE, 9, None)]


def test_who_sends_nothing_any_more_is_silent_and_not_refused() -> None:
    watched = Watched(TIMED)
    for number in range(20):
        watched.send(number, b"garbage" if number else {"t": START, "x": 0.0})
    watched.housekeep(300.0)
    assert watched.quality is Quality.SILENT


def test_who_sends_only_what_is_refused_is_not_forgotten_as_one_who_sends_nothing() -> None:
    watched = Watched(TIMED, expire_after_seconds=60.0)
    for number in range(200):
        watched.send(number, b"garbage" if number else {"t": START, "x": 0.0})
    assert (watched.state, watched.quality) == ("withheld", Quality.REFUSED)
    assert watched.group.inputs.discards.totals(0) == [(Reason.MALFORMED, 199)]
    watched.housekeep(300.0)
    assert not len(watched.group.streams)


def test_a_restart_keeps_what_was_counted_and_measured() -> None:
    watched, after = Watched(TIMED), Watched(TIMED)
    for number in range(20):
        watched.send(number * 1.5, {"t": START + number * 1.5, "x": 0.0})
        watched.send(number * 1.5, b"garbage")
    after.pipeline.restore(decode_state(encode_state(watched.pipeline.snapshot())))
    for number in range(20, 25):
        after.send(number * 1.5, {"t": START + number * 1.5, "x": 0.0})
    assert after.group.inputs.discards.totals(0) == [(Reason.MALFORMED, 20)]
    assert {quality for _, quality in after.verdicts} == {"wrong_rate"}


def test_a_state_of_a_version_that_measured_and_counted_nothing_is_restored() -> None:
    watched, after = Watched(TIMED), Watched(TIMED)
    for number in range(21):
        watched.send(number, {"t": START + number, "x": 0.0})
    state = decode_state(encode_state(watched.pipeline.snapshot()))
    del state["kept"]["models"]["m"]["streams_discarded"]
    del state["rings"]["m"]["rates"]
    assert after.pipeline.restore(state) == []
    for number in range(21, 25):
        after.send(number, {"t": START + number, "x": 0.0})
    assert after.verdicts == [("normal", "good")]
    assert math.isnan(after.group.inputs.rates.ratios(after.group.streams.numbers())[0])


def test_a_step_of_the_clock_makes_no_stream_incomplete() -> None:
    group = model_group_of(manifest_of(("x", "y"), length=4, sample_period_seconds=1.0))
    group.open_stream("one", {}, [[0], [1]])
    progress, numbers = group.windows.progress, group.streams.numbers()
    progress.take_in(np.array([0]), np.array([1000]))
    assert not progress.stalled(numbers, START).any()
    group.inputs.adjust_for_clock_step(3600.0, START + 3600)
    assert not progress.stalled(numbers, START + 3601).any()
    assert progress.stalled(numbers, START + 3700).all()


def test_what_there_is_to_tell_of_very_many_streams_at_once_is_counted_beyond_a_hundred() -> None:
    group = model_group_of(manifest_of(("x", "y")))
    for number in range(130):
        group.inputs.notice_incomplete(group.open_stream(f"s{number}", {}, [[0], [1]]))
    *told, last = group.inputs.take_notices()
    assert len(told) == 100
    assert last == Notice("there is more to tell of streams", {"notices": 30})
    assert group.inputs.take_notices() == []
