"""The command handler: takes commands of operators in, counts them, and has the model groups do what they say."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

from monitor.core.alerting.alerts import AlertStep
from monitor.core.alerting.command import KINDS, Command, commands_below, parse_command
from monitor.core.streams.model_group import ModelGroup
from monitor.core.values.discards import Discard, Reason
from monitor.core.values.messages import Message

SOURCE = "commands"  # what the log calls where they come from
ACCEPTED = "accepted"
UNKNOWN = "unknown"  # counted in place of a command that there is not, which anybody may invent


class AcceptedCommand(NamedTuple):
    """A command that is to be applied, the model group of its stream, and when it arrived (epoch)."""

    command: Command
    model_group: ModelGroup
    arrival_seconds: float


class CommandHandler:
    """Commands to the streams of some model groups.

    base_topic: what commands come below; None: there are none. counts: by command and result (`accepted`, or why it was
    refused). on_refused: called once per refused command with source, topic and reason.
    """

    def __init__(
        self,
        base_topic: str | None,
        model_groups: Mapping[str, ModelGroup],
        max_streams: int,
        counts: Counter[tuple[str, str]],
        on_refused: Callable[[str, str, Discard], None],
    ) -> None:
        self._topics = None if base_topic is None else commands_below(base_topic)
        self._model_groups = model_groups
        self._max_streams = max_streams
        self._counts = counts
        self._on_refused = on_refused

    def is_meant(self, topic: str) -> bool:
        """Whether a topic that no source admits is one of commands."""
        return self._topics is not None and self._topics.match(topic) is not None

    def take(self, message: Message) -> AcceptedCommand | None:
        """Read and check a command that is meant for us: what to apply, or None where it is refused.

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

    def _check(self, stream: str, kind: str, message: Message) -> AcceptedCommand | Discard:
        command = parse_command(stream, kind, message.payload)
        if isinstance(command, Discard):
            return command
        if message.retained:
            return Discard(Reason.RETAINED, "of unknown age; publish commands without the retain flag")
        model_group = self._model_group_of(stream)
        if model_group is None or not _can_be_asked(command, model_group):
            return Discard(Reason.UNKNOWN_STREAM, "there is no such stream")
        if command.kind == "relearn" and not model_group.manifest.normalization.learnt:
            return Discard(Reason.NOT_LEARNT, f"model {model_group.name} learns nothing of single streams")
        if command.seconds and stream not in model_group.mutes and self._muted() >= self._max_streams:
            return Discard(Reason.STREAM_LIMIT, f"{self._max_streams} streams are muted already (limits.max_streams)")
        return AcceptedCommand(command, model_group, message.arrival_seconds)

    def _model_group_of(self, stream: str) -> ModelGroup | None:
        model_groups = self._model_groups.values()
        alive = (model_group for model_group in model_groups if stream in model_group.streams.number)
        gone = (group for group in model_groups if stream in group.mutes or stream in group.normalizer.remembered)
        return next(alive, None) or next(gone, None)

    def _muted(self) -> int:
        return sum(len(model_group.mutes) for model_group in self._model_groups.values())


def apply_command(accepted: AcceptedCommand) -> AlertStep | None:
    """Do what a command says; an alert that was open is resolved by the step returned. No window may be waiting.

    `forget` is for the pipeline, which forgets streams for other reasons, too.
    """
    command, model_group, arrival_seconds = accepted
    if command.kind == "relearn":
        return model_group.relearn(command.stream, arrival_seconds)
    return model_group.mute(command.stream, arrival_seconds + command.seconds if command.seconds else 0.0)


def _can_be_asked(command: Command, model_group: ModelGroup) -> bool:
    """Whether the stream is known as far as a command needs it: a mute is for streams that are gone, too."""
    if command.kind == "forget":
        return command.stream in model_group.streams.number
    return command.kind == "mute" or model_group.knows(command.stream)
