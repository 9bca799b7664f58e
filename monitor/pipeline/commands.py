"""The command desk: takes commands of operators in, counts them, and has the fleets do what they say."""

from collections import Counter
from collections.abc import Callable, Mapping

from monitor.core.alerting.alerts import AlertStep
from monitor.core.alerting.command import KINDS, Command, commands_below, parse_command
from monitor.core.streams.model_group import Fleet
from monitor.core.values.discards import Discard, Reason
from monitor.core.values.messages import Message

SOURCE = "commands"  # what the log calls where they come from
ACCEPTED = "accepted"
UNKNOWN = "unknown"  # counted in place of a command that there is not, which anybody may invent


class CommandDesk:
    """Commands to the streams of some fleets.

    base_topic: what commands come below; None: there are none. counts: by command and result (`accepted`, or why it was
    refused). on_refused: called once per refused command with source, topic and reason.
    """

    def __init__(
        self,
        base_topic: str | None,
        fleets: Mapping[str, Fleet],
        max_streams: int,
        counts: Counter[tuple[str, str]],
        on_refused: Callable[[str, str, Discard], None],
    ) -> None:
        self._topics = None if base_topic is None else commands_below(base_topic)
        self._fleets = fleets
        self._max_streams = max_streams
        self._counts = counts
        self._on_refused = on_refused

    def is_meant(self, topic: str) -> bool:
        """Whether a topic that no source admits is one of commands."""
        return self._topics is not None and self._topics.match(topic) is not None

    def take(self, message: Message) -> tuple[Command, Fleet] | None:
        """Read and check a command that is meant for us: what to `obey`, or None where it is refused.

        Each is counted here.
        """
        stream, _, kind = message.topic.rsplit("/", 2)
        found = self._check(stream.rpartition("/")[2], kind, message)
        label = kind if kind in KINDS else UNKNOWN
        if isinstance(found, Discard):
            self._counts[label, found.reason.value] += 1
            self._on_refused(SOURCE, message.topic, found)
            return None
        self._counts[label, ACCEPTED] += 1
        return found

    def _check(self, stream: str, kind: str, message: Message) -> tuple[Command, Fleet] | Discard:
        command = parse_command(stream, kind, message.payload)
        if isinstance(command, Discard):
            return command
        if message.retained:
            return Discard(Reason.RETAINED, "of unknown age; publish commands without the retain flag")
        fleet = self._fleet_of(stream)
        if fleet is None or (command.kind == "relearn" and stream not in fleet.streams.number):
            return Discard(Reason.UNKNOWN_STREAM, "there is no such stream")
        if command.kind == "relearn" and not fleet.manifest.normalization.learnt:
            return Discard(Reason.NOT_LEARNT, f"model {fleet.name} learns nothing of single streams")
        if command.seconds and stream not in fleet.mutes and self._muted() >= self._max_streams:
            return Discard(Reason.STREAM_LIMIT, f"{self._max_streams} streams are muted already (limits.max_streams)")
        return command, fleet

    def _fleet_of(self, stream: str) -> Fleet | None:
        fleets = self._fleets.values()
        alive = (fleet for fleet in fleets if stream in fleet.streams.number)
        return next(alive, None) or next((fleet for fleet in fleets if stream in fleet.mutes), None)

    def _muted(self) -> int:
        return sum(len(fleet.mutes) for fleet in self._fleets.values())


def obey(command: Command, fleet: Fleet, arrival_seconds: float) -> AlertStep | None:
    """Do what a command says; an alert that was open is resolved by the step returned. No window may be waiting."""
    if command.kind == "relearn":
        return fleet.relearn(command.stream)
    return fleet.mute(command.stream, arrival_seconds + command.seconds if command.seconds else 0.0)
