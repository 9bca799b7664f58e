"""What we publish over MQTT is a contract: field names, their order, and what stands for "not known"."""

import json

import numpy as np

from monitor.core.alerting.alerts import AlertStep, Evidence
from monitor.core.alerting.decision_rule import Phase
from monitor.core.alerting.end_reason import EndReason
from monitor.core.outputs.reports import (
    Report,
    alert_report,
    gone_report,
    journal_report,
    resolved_report,
    state_report,
    without_channels,
)
from monitor.core.ports import Delivery, StepKey
from monitor.core.scoring.quality import CODES, Quality
from monitor.core.streams.model_group import ModelGroup
from monitor.core.streams.stream_table import StreamState
from tests.manifests import manifest_of, model_group_of

TIME = 1_700_000_000.25
ALERT_ID = "00000000-0000-5000-8000-000000000000"


def motor() -> ModelGroup:
    model_group = model_group_of(manifest_of(("x", "y"), model="motor", version="20260131.1"))
    model_group.open_stream("plant1.motor-17", {"site": "plant1"}, [[0, 1]], "plant1.motor 17")
    return model_group


def step(phase: str, *, fired: bool, channel_error: dict[str, float] | None = None) -> AlertStep:
    evidence = Evidence(TIME + 2, 2.25, 4.5, channel_error or {"x": 1.5, "y": 7.5})
    number = {"pending": 0, "firing": 1, "resolved": 2}[phase]
    return AlertStep(ALERT_ID, number, phase, "plant1.motor-17", TIME, fired, evidence)


def test_an_alert_reads_as_pinned() -> None:
    assert alert_report(step("firing", fired=True), motor()) == Report(
        "plant1.motor-17/alert",
        b'{"schema":1,"id":"00000000-0000-5000-8000-000000000000","phase":"firing","fired":true,"reason":null,'
        b'"stream":"plant1.motor-17","name":"plant1.motor 17","model":"motor","version":"20260131.1",'
        b'"time":1700000002.25,"since":1700000000.25,"score":2.25,"error":4.5,"threshold":2.0,'
        b'"channel":"y","channels":{"x":1.5,"y":7.5},"masked":[]}',
        retain=False,
        step=StepKey(ALERT_ID, 1),
    )


def test_an_alert_that_never_fired_says_so() -> None:
    fields = json.loads(alert_report(step("resolved", fired=False), motor()).payload)
    assert (fields["phase"], fields["fired"]) == ("resolved", False)


def test_a_scored_stream_reads_as_pinned() -> None:
    model_group = motor()
    streams = model_group.streams
    streams.state[0], streams.quality[0] = StreamState.FIRING, CODES[Quality.CLOCK_SKEW]
    streams.score[0], streams.error[0], streams.end_seconds[0] = 2.25, 4.5, TIME
    streams.channel_error[0] = [1.5, 7.5]
    model_group.mutes.put("plant1.motor-17", 0, 1_700_003_600.0)
    model_group.alerts.transition("plant1.motor-17", Phase.CALM, Phase.FIRING, step("firing", fired=True).evidence)
    opened = model_group.alerts.open_alert("plant1.motor-17")
    assert opened is not None
    assert state_report("plant1.motor-17", model_group) == Report(
        "plant1.motor-17/state",
        b'{"schema":1,"stream":"plant1.motor-17","name":"plant1.motor 17","model":"motor","version":"20260131.1",'
        b'"state":"firing","quality":"clock_skew","score":2.25,"error":4.5,"channel":"y","masked":[],'
        b'"time":1700000000.25,"alert":"%s","muted_until":1700003600.0,"asks":null,"asks_since":null}'
        % opened.id.encode(),
        retain=True,
    )


def test_a_new_stream_reads_as_pinned_with_null_for_what_is_not_known() -> None:
    assert state_report("plant1.motor-17", motor()) == Report(
        "plant1.motor-17/state",
        b'{"schema":1,"stream":"plant1.motor-17","name":"plant1.motor 17","model":"motor","version":"20260131.1",'
        b'"state":"warming_up","quality":"good","score":null,"error":null,"channel":null,"masked":[],"time":null,"alert":null,'
        b'"muted_until":null,"asks":null,"asks_since":null}',
        retain=True,
    )


def test_a_forgotten_stream_clears_its_retained_state() -> None:
    assert gone_report("plant1.motor-17") == Report("plant1.motor-17/state", b"", retain=True)


def test_no_payload_holds_what_json_lacks() -> None:
    model_group = motor()
    model_group.streams.score[0] = np.inf
    model_group.streams.error[0] = np.nan
    strange = step("firing", fired=True, channel_error={"x": float("nan"), "y": float("inf")})
    for report in (state_report("plant1.motor-17", model_group), alert_report(strange, model_group)):
        text = report.payload.decode()
        assert "NaN" not in text
        assert "Infinity" not in text
        json.loads(text)


def test_an_alert_of_which_only_a_report_is_left_is_resolved_under_its_own_id() -> None:
    last = Delivery(StepKey(ALERT_ID, 1), "m/alert", alert_report(step("firing", fired=True), motor()).payload)
    end = resolved_report(last, EndReason.RECONFIGURED)
    assert end.topic == last.topic
    assert (end.step, end.ends) == (StepKey(ALERT_ID, 2), True)
    assert json.loads(end.payload) == json.loads(last.payload) | {"phase": "resolved", "reason": "reconfigured"}


def test_the_journal_reads_as_pinned() -> None:
    assert journal_report(None, 0) == Report(
        "status/journal", b'{"schema":1,"state":"ok","reason":null,"moved_aside":0}', retain=True
    )
    assert journal_report("database or disk is full", 1).payload == (
        b'{"schema":1,"state":"trouble","reason":"database or disk is full","moved_aside":1}'
    )


def test_an_alert_without_its_channels_says_that_they_were_left_out() -> None:
    shorter = without_channels(b'{"id":"a","channel":"x","channels":{"x":1.5,"y":2.5},"since":3}')
    assert shorter is not None
    assert json.loads(shorter) == {"id": "a", "channel": "x", "since": 3, "left_out": ["channels"]}


def test_what_has_no_channels_or_is_no_json_cannot_be_shortened() -> None:
    assert without_channels(b'{"state":"normal"}') is None
    assert without_channels(b"online") is None
    assert without_channels(b"[1]") is None
