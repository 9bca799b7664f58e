"""The command handler: takes commands of operators in, counts them, and has the model groups do what they say."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

from monitor.core.alerting.alerts import AlertStep
from monitor.core.alerting.command import COMMANDS, Command, commands_below, parse_command
from monitor.core.alerting.label_command import LABEL_COMMANDS, parse_label_command
from monitor.core.history.label import OPEN
from monitor.core.history.label_request import LabelRequest
from monitor.core.history.labelled_alert import LabelledAlert
from monitor.core.streams.model_group import ModelGroup
from monitor.core.values.discards import Discard, Reason
from monitor.core.values.messages import Message
from monitor.pipeline.labelling import ACCEPTED, SOURCE, Labelling

UNKNOWN = "unknown"  # counted in place of a command that there is not, which anybody may invent


_RETAINED = Discard(Reason.RETAINED, "of unknown age; publish commands without the retain flag")


class AcceptedCommand(NamedTuple):
    """A command that is to be applied, the model group of its stream, and when it arrived (epoch)."""

    command: Command
    model_group: ModelGroup
    arrival_seconds: float


class CommandHandler:
    """Commands to the streams of some model groups.

    base_topic: what commands come below; None: there are none. counts: by command and result (`accepted`, or why it was
    refused). on_refused: called once per refused command with source, topic and reason. labelling: where labels go.
    """

    def __init__(
        self,
        base_topic: str | None,
        model_groups: Mapping[str, ModelGroup],
        max_streams: int,
        counts: Counter[tuple[str, str]],
        on_refused: Callable[[str, str, Discard], None],
        labelling: Labelling,
    ) -> None:
        self._labelling = labelling
        self._topics = None if base_topic is None else commands_below(base_topic)
        self._model_groups = model_groups
        self._max_streams = max_streams
        self._counts = counts
        self._on_refused = on_refused

    def is_meant(self, topic: str) -> bool:
        """Whether a topic that no source admits is one of commands."""
        return self._topics is not None and self._topics.match(topic) is not None

    def take(self, message: Message) -> AcceptedCommand | None:
        """Read and check a command that is meant for us: what to apply to the streams, or None where that is nothing.

        Each is counted here, but for labels that can be kept: they wait until that is done, and nothing waits for them.
        """
        stream, _, kind = message.topic.rsplit("/", 2)
        check = self._check_label if kind in LABEL_COMMANDS else self._check
        found = check(stream.rpartition("/")[2], kind, message)
        if isinstance(found, Discard):
            self._counts[kind if kind in COMMANDS else UNKNOWN, found.reason.value] += 1
            self._on_refused(SOURCE, message.topic, found)
            return None
        if isinstance(found, LabelRequest):
            self._labelling.take(found)
            return None
        self._counts[kind, ACCEPTED] += 1
        return found

    def _check(self, stream: str, kind: str, message: Message) -> AcceptedCommand | Discard:
        command = parse_command(stream, kind, message.payload)
        if isinstance(command, Discard):
            return command
        if message.retained:
            return _RETAINED
        model_group = self._model_group_of(stream)
        if model_group is None or not _can_be_asked(command, model_group):
            return Discard(Reason.UNKNOWN_STREAM, "there is no such stream")
        if command.kind == "relearn" and not model_group.manifest.normalization.learnt:
            return Discard(Reason.NOT_LEARNT, f"model {model_group.name} learns nothing of single streams")
        if command.seconds and stream not in model_group.mutes and self._muted() >= self._max_streams:
            return Discard(Reason.STREAM_LIMIT, f"{self._max_streams} streams are muted already (limits.max_streams)")
        return AcceptedCommand(command, model_group, message.arrival_seconds)

    def _check_label(self, stream: str, kind: str, message: Message) -> LabelRequest | Discard:
        request = parse_label_command(stream, kind, message.payload, message.arrival_seconds)
        if isinstance(request, Discard):
            return request
        if message.retained:
            return _RETAINED
        model_group = self._model_group_of(stream)
        if model_group is None:
            return Discard(Reason.UNKNOWN_STREAM, "there is no such stream now; `residuald label` labels any")
        return self._labelling.refusal(model_group.name) or _of_open_alert(request, model_group)

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


def _of_open_alert(request: LabelRequest, model_group: ModelGroup) -> LabelRequest:
    """The request with its interval, where the alert that is meant is open: the history may not have it yet."""
    step = model_group.alerts.open_alert(request.stream)
    if request.alert is None or step is None or not step.id.startswith(request.alert):
        return request
    until = LabelledAlert(step.id, step.stream, step.since_seconds, OPEN).until(request.at_seconds)
    return replace(request, alert=None, from_seconds=step.since_seconds, to_seconds=until)


def _can_be_asked(command: Command, model_group: ModelGroup) -> bool:
    """Whether the stream is known as far as a command needs it: a mute is for streams that are gone, too."""
    if command.kind == "forget":
        return command.stream in model_group.streams.number
    return command.kind == "mute" or model_group.knows(command.stream)
