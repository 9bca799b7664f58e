"""A command: what an operator publishes to `<base>/<stream>/set/<command>`, as a record.

`mute` holds back the alerts of a stream for a while; its payload is `{"seconds": 7200}` or a duration such as `2h`, and
nothing or zero ends it. `relearn` makes a stream learn anew what is usual for it. `forget` closes a stream, so that its
name belongs to the next topic that comes for it. The payload of these two is empty or `{}`. `label` and `accept`
stand in `label_command.py`.
"""

from dataclasses import dataclass
from typing import Literal, cast, get_args

import msgspec

from monitor.core.alerting.label_command import LABEL_COMMANDS
from monitor.core.decode.refusals import snippet_of
from monitor.core.sources.topics import TopicPattern
from monitor.core.values.discards import Discard, Reason
from monitor.core.values.duration import read_seconds
from monitor.core.values.names import is_name

MAX_MUTE_SECONDS = 30 * 86400.0  # a stream nobody unmutes must not stay silent for ever
MAX_COMMAND_BYTES = 256

Kind = Literal["mute", "relearn", "forget"]
KINDS = get_args(Kind)
COMMANDS = (*KINDS, *LABEL_COMMANDS)


@dataclass(frozen=True, slots=True)
class Command:
    """What is asked of a stream. seconds: how long to mute it, 0 to end that; 0 for any other kind."""

    kind: Kind
    stream: str
    seconds: float = 0.0


class _Mute(msgspec.Struct, forbid_unknown_fields=True):
    seconds: float


_decode_mute = msgspec.json.Decoder(_Mute).decode


def commands_below(base_topic: str) -> TopicPattern:
    """The topics of commands: `<base topic>/{stream}/set/{command}`."""
    base = base_topic.split("/")
    places = (len(base), "stream"), (len(base) + 2, "command")
    return TopicPattern(f"{base_topic}/{{stream}}/set/{{command}}", (*base, None, "set", None), places)


def parse_command(stream: str, kind: str, payload: bytes) -> Command | Discard:
    """Read a command from the two levels of its topic and its payload, but for those of labels. It never raises.

    Whether there is such a stream, and whether it can do what is asked, is for others to say.
    """
    if kind not in KINDS:
        return Discard(Reason.UNKNOWN_COMMAND, f"there are {', '.join(COMMANDS)}")
    if not is_name(stream):
        return Discard(Reason.BAD_NAME, "stream names are made of letters, digits and _ . : -")
    if len(payload) > MAX_COMMAND_BYTES:
        return Discard(Reason.TOO_LARGE, f"longer than {MAX_COMMAND_BYTES} bytes")
    if kind == "mute":
        return _read_mute(stream, payload)
    if payload.strip() not in {b"", b"{}"}:
        return Discard(Reason.MALFORMED, f"{kind} takes an empty payload or {{}}, not {snippet_of(payload)}")
    return Command(cast(Kind, kind), stream)


def _read_mute(stream: str, payload: bytes) -> Command | Discard:
    try:
        seconds = _seconds_of(payload)
    except (msgspec.DecodeError, ValueError):  # their texts may quote the payload
        return Discard(Reason.MALFORMED, f'neither {{"seconds": 7200}} nor e.g. 2h: {snippet_of(payload)}')
    if not 0 <= seconds <= MAX_MUTE_SECONDS:
        return Discard(Reason.BAD_DURATION, f"a stream is muted for at most {MAX_MUTE_SECONDS:.0f} s")
    return Command("mute", stream, seconds)


def _seconds_of(payload: bytes) -> float:
    if payload.lstrip().startswith(b"{"):
        return _decode_mute(payload).seconds
    text = payload.decode("ascii", "replace").strip()
    return read_seconds(text) if text else 0.0
