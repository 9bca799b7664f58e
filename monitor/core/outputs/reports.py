"""What is published over MQTT: one JSON payload per alert step, one retained per stream state.

The field names and `schema` are a contract with whoever subscribes (pinned in
`tests/unit/monitor/core/outputs/test_reports.py`). Numbers that are not known are null, never 0.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from monitor.core.alerting.alerts import AlertStep
from monitor.core.alerting.end_reason import EndReason
from monitor.core.ports import Delivery, StepKey
from monitor.core.scoring.quality import QUALITIES
from monitor.core.streams.model_group import ModelGroup
from monitor.core.streams.stream_table import StreamState

SCHEMA = 1
QUESTION = "accept or confirm"  # what the owner of a stream is asked


@dataclass(frozen=True, slots=True)
class Report:
    """A message to publish: topic below the base topic, payload, and whether the broker should retain it.

    step: which step of which alert it tells of; None where it tells a state. ends: whether that step ends the alert.
    """

    topic: str
    payload: bytes
    retain: bool
    step: StepKey | None = None
    ends: bool = False


def alert_fields(step: AlertStep, model_group: ModelGroup) -> dict[str, Any]:
    """The fields of one step in an alert's life."""
    evidence = step.evidence
    return {
        "schema": SCHEMA,
        "id": step.id,
        "phase": step.phase,
        "fired": step.fired,
        "reason": step.reason,
        "stream": step.stream,
        "name": model_group.streams.display_names.get(step.stream, step.stream),
        "model": model_group.name,
        "version": model_group.manifest.version,
        "time": evidence.time_seconds,
        "since": step.since_seconds,
        "score": evidence.score,
        "error": evidence.error,
        "threshold": model_group.manifest.threshold if evidence.threshold is None else evidence.threshold,
        "channel": evidence.channel,
        "channels": evidence.channel_error,
        "masked": evidence.masked,
    }


def alert_report(step: AlertStep, model_group: ModelGroup) -> Report:
    """The report of one step in an alert's life, on `<stream>/alert`."""
    payload = msgspec.json.encode(alert_fields(step, model_group))
    key = StepKey(step.id, step.number)
    return Report(f"{step.stream}/alert", payload, retain=False, step=key, ends=step.phase == "resolved")


def state_report(name: str, model_group: ModelGroup) -> Report:
    """The report of what a stream is in now, on `<stream>/state`, retained."""
    streams = model_group.streams
    number = streams.number[name]
    alert = model_group.alerts.open_alert(name)
    errors = streams.channel_error[number]
    score = _known(streams.score[number])
    quality = QUALITIES[streams.quality[number]]
    return Report(
        state_topic(name),
        msgspec.json.encode(
            {
                "schema": SCHEMA,
                "stream": name,
                "name": streams.display_names[name],
                "model": model_group.name,
                "version": model_group.manifest.version,
                "state": StreamState(int(streams.state[number])).label,
                "quality": quality.value,
                "score": score,
                "error": _known(streams.error[number]),
                "channel": None if score is None else model_group.channels[int(np.nanargmax(errors))],
                "masked": model_group.masked_names(number),
                "time": _known(streams.end_seconds[number]),
                "alert": None if alert is None else alert.id,
                "muted_until": model_group.mutes.until(name),
                **_question(model_group.question(number)),
                **model_group.inputs.why(number, quality),
            }
        ),
        retain=True,
    )


def _question(since_seconds: float | None) -> dict[str, Any]:
    return {"asks": None if since_seconds is None else QUESTION, "asks_since": since_seconds}


def model_of(last: Delivery) -> str:
    """The model that raised an alert, by a step of it that was delivered."""
    return str(msgspec.json.decode(last.payload)["model"])


def resolved_report(last: Delivery, reason: EndReason) -> Report:
    """The end of an alert whose stream did not outlive a restart. last: the last step of it that was delivered."""
    fields = msgspec.json.decode(last.payload)
    return Report(
        last.topic,
        msgspec.json.encode(fields | {"phase": "resolved", "reason": reason}),
        retain=False,
        step=StepKey(last.key.alert, last.key.step + 1),
        ends=True,
    )


STATUS_TOPIC = "status/journal"


def without_channels(payload: bytes) -> bytes | None:
    """The payload of an alert without the errors of its channels, and told so, for a broker that takes no more.

    None where there is nothing to leave out.
    """
    try:
        fields = msgspec.json.decode(payload)
    except msgspec.DecodeError:
        return None
    if not isinstance(fields, dict) or "channels" not in fields:
        return None
    del fields["channels"]
    return msgspec.json.encode(fields | {"left_out": ["channels"]})


def journal_report(trouble: str | None, moved_aside: int) -> Report:
    """Whether a crash would lose data, on `status/journal`, retained. moved_aside: damaged databases so far."""
    state = "ok" if trouble is None else "trouble"
    fields = {"schema": SCHEMA, "state": state, "reason": trouble, "moved_aside": moved_aside}
    return Report(STATUS_TOPIC, msgspec.json.encode(fields), retain=True)


def gone_report(name: str) -> Report:
    """Clears the retained state of a stream that was forgotten."""
    return Report(state_topic(name), b"", retain=True)


def state_topic(name: str) -> str:
    """The topic of a stream's state, below the base topic."""
    return f"{name}/state"


def model_topic(model: str) -> str:
    """The topic of a model's state, below the base topic."""
    return f"model/{model}/state"


def topics_told(model_groups: Iterable[ModelGroup]) -> list[str]:
    """The topics, below the base topic, on which the states stand of these models, their streams and the journal."""
    groups = list(model_groups)
    of_streams = (state_topic(name) for group in groups for name in group.streams.number)
    return [STATUS_TOPIC, *(model_topic(group.name) for group in groups), *of_streams]


def _known(value: np.floating) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None
