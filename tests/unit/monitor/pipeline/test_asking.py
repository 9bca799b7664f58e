"""What an alert asks that stands still for long: told to log, broker and Prometheus, until it is answered."""

import json
from typing import Any

import pytest

from monitor.core.decode.json_format.settings import JsonFormat
from monitor.core.sources.source import SourceSpec
from monitor.core.streams.notices import Notice
from monitor.core.values.messages import Message, MessageBatch
from monitor.core.values.snapshots import decode_state, encode_state
from monitor.pipeline.asking import EVENT
from monitor.pipeline.pipeline import Moment, Pipeline, PipelineSettings
from monitor.telemetry.stream_columns import StreamColumns
from tests.manifests import PERIOD, MeanSquareScorer, manifest_of, model_group_of

START = 1_772_370_000.0  # 2026-03-01T13:00:00Z
SOURCE = SourceSpec(
    name="motors", topic="m/{device}", model="m", qos=1, format=JsonFormat(kind="json", timestamp="t", rows="r")
)
STEP = 2.0  # a value whose windows score 2.0 at the threshold of 2


class Plant:
    """A pipeline, and what it told."""

    def __init__(self, **settings: Any) -> None:
        groups = {"m": model_group_of(manifest_of(("x",)))}
        self.group = groups["m"]
        given = PipelineSettings(**{"ask_after_seconds": 2.0} | settings)
        self.pipeline = Pipeline((SOURCE,), groups, {"m": MeanSquareScorer()}, given, lambda: 0.0)
        self.notices: list[tuple[str, Notice]] = []
        self.pipeline.on_notice = lambda model, notice: self.notices.append((model, notice))
        self.states: list[dict[str, Any]] = []
        self.seconds = 0.0

    def send(self, device: str, seconds: float, value: float) -> None:
        """Let a device send so many seconds of a value, in messages of a tenth of a second, and do the housekeeping."""
        for _ in range(round(seconds * 10)):
            body = {"t": START + self.seconds, "r": [[value]] * round(0.1 / PERIOD)}
            self.seconds += 0.1
            now = Moment(START + self.seconds, self.seconds)
            batch = MessageBatch.of([Message(f"m/{device}", json.dumps(body).encode(), now.wall_seconds)])
            self._note(self.pipeline.step(batch, now, everything=True).reports)
        self.keep_house()

    def keep_house(self) -> None:
        self._note(self.pipeline.housekeep(Moment(START + self.seconds, self.seconds)).reports)

    def _note(self, reports: Any) -> None:
        self.states += [json.loads(each.payload) for each in reports if each.topic.endswith("/state") and each.payload]

    @property
    def asking(self) -> list[str]:
        return [stream for series in StreamColumns.of(self.group).asking() for stream in series.streams]


@pytest.fixture
def plant() -> Plant:
    plant = Plant()
    plant.send("seven", 1.0, 0.5)
    plant.send("seven", 3.0, STEP)
    return plant


def test_a_step_that_lasts_asks_in_the_log_the_state_and_the_metric(plant: Plant) -> None:
    assert plant.asking == ["seven"]
    state = plant.states[-1]
    assert (state["state"], state["asks"]) == ("firing", "accept or confirm")
    assert START + 3 < state["asks_since"] < START + 4
    (told,) = plant.notices
    assert (told[0], told[1].event, told[1].fields["stream"]) == ("m", EVENT, "seven")
    alert = plant.group.alerts.open_alert("seven")
    assert alert is not None
    assert told[1].fields["if_normal"] == "residuald accept seven --since 2026-03-01T13:00:01Z"
    assert told[1].fields["if_fault"] == f"residuald label --alert {alert.id} confirmed"


def test_a_question_is_told_once(plant: Plant) -> None:
    plant.send("seven", 3.0, STEP)
    assert len(plant.notices) == 1
    assert plant.asking == ["seven"]


def test_an_answer_ends_the_question_and_leaves_the_alert(plant: Plant) -> None:
    assert plant.pipeline.asking.alerts().keys() == {"seven"}
    plant.pipeline.asking.answer({"seven"}, {"seven"})
    plant.keep_house()
    assert plant.asking == []
    assert (plant.states[-1]["state"], plant.states[-1]["asks"]) == ("firing", None)
    assert plant.pipeline.asking.alerts().keys() == {"seven"}, "a withdrawn answer would not be seen"
    plant.pipeline.asking.answer({"seven"}, ())
    plant.keep_house()
    assert plant.asking == ["seven"]


def test_a_machine_that_calms_down_asks_no_more(plant: Plant) -> None:
    plant.send("seven", 1.0, 0.5)
    assert plant.asking == []
    assert (plant.states[-1]["state"], plant.states[-1]["asks"]) == ("normal", None)
    assert plant.pipeline.asking.alerts() == {}


def test_where_no_answer_would_be_kept_nothing_is_asked(plant: Plant) -> None:
    plant.pipeline.asking.models = ()
    plant.keep_house()
    assert plant.asking == []
    assert plant.states[-1]["asks"] is None
    plant.pipeline.asking.models = {"m"}
    plant.keep_house()
    assert plant.asking == ["seven"]


def test_a_muted_stream_asks_nothing(plant: Plant) -> None:
    plant.group.mute("seven", START + 1e6)
    plant.keep_house()
    assert plant.asking == []
    assert plant.states[-1]["asks"] is None


def test_a_question_outlives_the_process_and_is_not_told_to_the_log_again(plant: Plant) -> None:
    after = Plant()
    after.seconds = plant.seconds
    assert after.pipeline.restore(decode_state(encode_state(plant.pipeline.snapshot()))) == []
    after.pipeline.resume(START + after.seconds)
    after.send("seven", 1.0, STEP)
    assert after.asking == ["seven"]
    assert after.states[-1]["asks"] == "accept or confirm"
    assert after.notices == []


def test_an_answer_outlives_the_process(plant: Plant) -> None:
    plant.pipeline.asking.answer({"seven"}, {"seven"})
    plant.keep_house()
    after = Plant()
    after.seconds = plant.seconds
    after.pipeline.restore(decode_state(encode_state(plant.pipeline.snapshot())))
    after.pipeline.resume(START + after.seconds)
    after.send("seven", 1.0, STEP)
    assert after.asking == []


def test_a_stream_that_takes_the_number_of_one_that_asked_asks_nothing(plant: Plant) -> None:
    plant.group.close_stream("seven")
    plant.pipeline.router.forget("seven")
    plant.keep_house()
    plant.send("eight", 1.0, 0.5)
    assert plant.asking == []


def test_many_streams_that_ask_at_once_are_told_by_a_count() -> None:
    plant = Plant()
    devices = [f"d{number}" for number in range(25)]
    for value, seconds in (0.5, 1.0), (STEP, 3.0):
        begin = plant.seconds
        for device in devices:
            plant.seconds = begin
            plant.send(device, seconds, value)
    assert len(plant.asking) == 25
    assert sum(notice.event == EVENT for _, notice in plant.notices) == 20
    assert sum(notice.fields.get("streams", 0) for _, notice in plant.notices) == 5
