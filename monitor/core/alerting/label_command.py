"""The commands `label` and `accept`: what is published to `<base>/<stream>/set/label` or `accept`, as a label request.

`label` takes `{"kind": "confirmed", "from": ..., "to": ...}`, or `{"kind": "false_alarm", "alert": "<id>"}`, `accept`
takes `{"since": ...}`, and both `who` and `note` beside. Times are seconds since 1970 or ISO 8601 with an offset.
"""

import hashlib
from typing import Literal, get_args

import msgspec

from monitor.core.decode.refusals import snippet_of
from monitor.core.history.label import LabelError, LabelKind
from monitor.core.history.label_request import ACCEPT, LabelRequest
from monitor.core.history.labelled_alert import LEAST_OF_ID, LabelledAlert
from monitor.core.values.discards import Discard, Reason
from monitor.core.values.instant import read_instant
from monitor.core.values.names import is_name

LabelCommand = Literal["label", "accept"]
LABEL_COMMANDS = get_args(LabelCommand)
MAX_LABEL_BYTES = 4096

_MQTT = "mqtt"  # where labels come from, and who gave them where the payload does not say
_ID_LENGTH = 64  # of an alert, at most
_EXAMPLES = {
    "label": '{"kind": "confirmed", "from": 1772370000, "to": 1772373600}, or {"kind": "false_alarm", "alert": "<id>"}',
    "accept": '{"since": "2026-03-01T14:00:00+01:00"}',
}


class _Label(msgspec.Struct, forbid_unknown_fields=True):
    kind: LabelKind
    since: float | str | None = msgspec.field(name="from", default=None)
    to: float | str | None = None
    alert: str | None = None
    who: str = _MQTT
    note: str = ""


class _Accept(msgspec.Struct, forbid_unknown_fields=True):
    since: float | str
    who: str = _MQTT
    note: str = ""


_decode_label = msgspec.json.Decoder(_Label).decode
_decode_accept = msgspec.json.Decoder(_Accept).decode


def parse_label_command(stream: str, command: str, payload: bytes, arrival_seconds: float) -> LabelRequest | Discard:
    """Read a command from the two levels of its topic and its payload. It never raises.

    Whether there is such a stream or alert, and whether labels are kept, is for others to say.
    """
    if not is_name(stream):
        return Discard(Reason.BAD_NAME, "stream names are made of letters, digits and _ . : -")
    if len(payload) > MAX_LABEL_BYTES:
        return Discard(Reason.TOO_LARGE, f"longer than {MAX_LABEL_BYTES} bytes")
    key = hashlib.sha256(b"\0".join((stream.encode(), command.encode(), repr(arrival_seconds).encode(), payload)))
    read = _read_accept if command == ACCEPT else _read_label
    try:
        request = read(stream, payload, arrival_seconds, key.hexdigest()[:32])
        if request.alert is None:
            request.label()
        else:  # the alert is looked up later; all else is looked at now
            request.label(LabelledAlert("", stream, arrival_seconds - 1.0, arrival_seconds))
    except msgspec.DecodeError:  # whose text may quote the payload
        return Discard(Reason.MALFORMED, f"{command} takes e.g. {_EXAMPLES[command]}, not {snippet_of(payload)}")
    except (LabelError, ValueError) as error:
        return Discard(Reason.BAD_LABEL, str(error))
    return request


def _read_label(stream: str, payload: bytes, arrival_seconds: float, key: str) -> LabelRequest:
    given = _decode_label(payload)
    said = key, stream, given.kind, given.who, given.note, _MQTT, arrival_seconds
    if given.alert is not None:
        if given.since is not None or given.to is not None:
            raise LabelError("an alert brings its interval along: leave `from` and `to` out")
        if not LEAST_OF_ID <= len(given.alert) <= _ID_LENGTH or not is_name(given.alert):
            raise LabelError(f"no id of an alert: give {LEAST_OF_ID} characters of it at least")
        return LabelRequest(*said, alert=given.alert)
    if given.since is None:
        raise LabelError("say when it was: `from` and `to`, or the id of an alert as `alert`")
    until = None if given.to is None else _seconds_of(given.to, arrival_seconds)
    return LabelRequest(*said, _seconds_of(given.since, arrival_seconds), until)


def _read_accept(stream: str, payload: bytes, arrival_seconds: float, key: str) -> LabelRequest:
    given = _decode_accept(payload)
    since = _seconds_of(given.since, arrival_seconds)
    return LabelRequest(key, stream, "new_normal", given.who, given.note, ACCEPT, arrival_seconds, since)


def _seconds_of(written: float | str, arrival_seconds: float) -> float:
    return written if isinstance(written, float) else read_instant(written, arrival_seconds)
