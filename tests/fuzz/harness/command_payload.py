# Any topic and payload give one command within its bounds or one printable refusal, and never an exception.
"""Commands of operators: the topic below the base topic in the first line, then the payload."""

from monitor.core.alerting.command import KINDS, MAX_MUTE_SECONDS, Command, commands_below, parse_command
from monitor.core.alerting.label_command import LABEL_COMMANDS, parse_label_command
from monitor.core.history.label import MAX_NOTE, MAX_TEXT
from monitor.core.history.label_request import LabelRequest
from monitor.core.values.discards import Discard
from monitor.core.values.names import is_name

_COMMANDS = commands_below("plant/one")
_NOW = 1_772_370_000.0  # when they arrive


def one(data: bytes) -> None:
    below, _, payload = data.partition(b"\n")
    places = _COMMANDS.match(f"plant/one/{below.decode('utf-8', 'replace')}")
    if places is None:
        return
    if places["command"] in LABEL_COMMANDS:
        _one_label(places["stream"], places["command"], payload)
        return
    found = parse_command(places["stream"], places["command"], payload)
    assert found == parse_command(places["stream"], places["command"], payload)
    if isinstance(found, Discard):
        assert found.detail.isprintable()
        assert len(found.detail) < 300
        return
    assert isinstance(found, Command)
    assert found.kind in KINDS
    assert found.stream == places["stream"]
    assert is_name(found.stream)
    assert 0 <= found.seconds <= MAX_MUTE_SECONDS  # NaN is not
    assert found.kind == "mute" or found.seconds == 0


def _one_label(stream: str, command: str, payload: bytes) -> None:
    found = parse_label_command(stream, command, payload, _NOW)
    assert found == parse_label_command(stream, command, payload, _NOW)
    if isinstance(found, Discard):
        assert found.detail.isprintable()
        assert len(found.detail) < 400
        return
    assert isinstance(found, LabelRequest)
    assert (found.stream, found.command) == (stream, command)
    assert is_name(stream)
    assert len(found.note) <= MAX_NOTE
    assert len(found.who) <= MAX_TEXT
    assert found.alert is not None or found.label().from_seconds < found.label().to_seconds
