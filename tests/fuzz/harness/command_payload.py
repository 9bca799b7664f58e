# Any topic and payload give one command within its bounds or one printable refusal, and never an exception.
"""Commands of operators: the topic below the base topic in the first line, then the payload."""

from monitor.core.alerting.command import KINDS, MAX_MUTE_SECONDS, Command, commands_below, parse_command
from monitor.core.values.discards import Discard
from monitor.core.values.names import is_name

_COMMANDS = commands_below("plant/one")


def one(data: bytes) -> None:
    below, _, payload = data.partition(b"\n")
    places = _COMMANDS.match(f"plant/one/{below.decode('utf-8', 'replace')}")
    if places is None:
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
