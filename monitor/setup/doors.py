"""The doors of one daemon: its sources and sinks, built from the configuration.

A further source or sink is one folder under `monitor/adapters` and one line in `Doors.sources` or `Doors.sinks`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from monitor.adapters.file.source import FileSource
from monitor.adapters.mqtt.inbox import Inbox
from monitor.adapters.mqtt.link import MqttLink
from monitor.adapters.webhook.sink import WebhookSink
from monitor.core.alerting.command import commands_below
from monitor.core.ports import TAKE_LIMITS, Sink, Source
from monitor.core.sources.shares import ShareOf, shares_of
from monitor.setup.build import subscriptions_of
from monitor.setup.client_id import client_id_of
from monitor.setup.config_diff import ConfigDiff
from monitor.setup.registry import Config

Clock = Callable[[], float]  # wall time, epoch seconds
_TAKES_AHEAD = 4  # of a file


@dataclass(frozen=True, slots=True)
class Doors:
    """What a daemon takes from and gives to. link: None where the configuration names no broker."""

    link: MqttLink | None
    files: tuple[FileSource, ...]
    webhooks: tuple[WebhookSink, ...]

    @property
    def sources(self) -> Sequence[Source]:
        """Where messages come from."""
        links = () if self.link is None else (self.link,)
        return (*links, *self.files)

    @property
    def sinks(self) -> Sequence[Sink]:
        """Where alerts and states go."""
        links = () if self.link is None else (self.link,)
        return (*links, *self.webhooks)


def build_doors(config: Config, clock: Clock, *, durable: bool) -> Doors:
    """Build the sources and sinks of a configuration; none of them is started.

    durable: whether there is a journal that keeps their progress.
    """
    return Doors(_link(config, clock, durable=durable), _files(config, clock), _webhooks(config))


def rebuild_doors(doors: Doors, config: Config, clock: Clock, diff: ConfigDiff, *, durable: bool) -> Doors:
    """Build anew what differs, and keep the rest. diff: against the configuration that `doors` were built from."""
    return Doors(
        _link(config, clock, durable=durable) if diff.broker else doors.link,
        _files(config, clock) if diff.files else doors.files,
        _webhooks(config) if diff.webhooks else doors.webhooks,
    )


def name_shares(doors: Doors, config: Config) -> None:
    """Let the inbox of a link that stays name shares as this configuration names streams."""
    if doors.link is not None:
        doors.link.inbox.share_by(_share_of(config))


def without_dead(doors: Doors, config: Config, clock: Clock, *, durable: bool) -> Doors:
    """Build anew what died though it was not to end; `doors` itself where all are alive."""
    link, files, webhooks = doors.link, doors.files, doors.webhooks
    if link is not None and not link.alive:
        link = _link(config, clock, durable=durable)
    if any(_is_dead(file) for file in files):
        fresh = _files(config, clock)
        files = tuple(new if _is_dead(file) else file for file, new in zip(files, fresh, strict=True))
    if not all(webhook.alive for webhook in webhooks):
        fresh_hooks = _webhooks(config)
        webhooks = tuple(hook if hook.alive else new for hook, new in zip(webhooks, fresh_hooks, strict=True))
    same = link is doors.link and files is doors.files and webhooks is doors.webhooks
    return doors if same else Doors(link, files, webhooks)


def _is_dead(file: FileSource) -> bool:
    return not file.alive and not file.finished


def _link(config: Config, clock: Clock, *, durable: bool) -> MqttLink | None:
    if not config.uses_broker:
        return None
    limits = config.limits
    inbox = Inbox(limits.max_inbox_messages, limits.max_inbox_bytes, _share_of(config))
    topics = subscriptions_of(config)
    mqtt = config.mqtt.model_copy(update={"client_id": client_id_of(config)})
    return MqttLink(mqtt, topics, inbox, max_payload_bytes=limits.max_payload_bytes, durable=durable, clock=clock)


def _share_of(config: Config) -> ShareOf:
    return shares_of(config.source, commands_below(config.mqtt.base_topic) if config.mqtt.commands else None)


def _files(config: Config, clock: Clock) -> tuple[FileSource, ...]:
    return tuple(
        FileSource(
            source.name,
            source.file,
            # what was read ahead is walked through before the end, so it must not be much
            max_messages=_TAKES_AHEAD * TAKE_LIMITS.messages,
            max_bytes=_TAKES_AHEAD * TAKE_LIMITS.nbytes,
            max_payload_bytes=config.limits.max_payload_bytes,
            clock=clock,
        )
        for source in config.source
        if source.file is not None
    )


def _webhooks(config: Config) -> tuple[WebhookSink, ...]:
    return tuple(WebhookSink(webhook) for webhook in config.webhook)
