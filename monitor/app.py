"""The daemon, wired: outputs start first and inputs last; stopping goes the other way.

    broker -> MqttLink (thread) -> Inbox -> Pipeline (this thread) -> MqttLink -> broker
                                              | read at scrape time
    Prometheus <- HttpServer (threads) <- DaemonCollector

Everything that judges runs in one thread, `App.run`. It alone feeds the watchdog, so a scorer that hangs is noticed.
"""

import gc
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import structlog

from monitor.adapters.artifact import Artifact
from monitor.adapters.http import HttpServer
from monitor.adapters.inbox import Inbox
from monitor.adapters.metrics import registry_of
from monitor.adapters.mqtt import MqttLink
from monitor.adapters.notify import Notifier
from monitor.build import Setup, build_pipeline, load_setup
from monitor.config import Config
from monitor.core.discards import Discard
from monitor.core.judge import Phase
from monitor.core.topics import TopicPattern
from monitor.errors import ConfigError
from monitor.pipeline import Moment, Pipeline, Step

log = structlog.get_logger()

_IDLE_SECONDS = 0.5  # how long the loop sleeps when nothing comes and nothing waits
_HOUSEKEEPING_SECONDS = 1.0
_STOP_SECONDS = 4.0  # of the 5 that a stop may take, what the broker may use
_STALLED_SECONDS = 30.0  # a network thread or a pipeline that has not moved for so long is stuck


class App:
    """One running daemon. The constructor only stores; `run` does everything and returns when it is told to stop."""

    pipeline: Pipeline
    inbox: Inbox
    link: MqttLink

    def __init__(self, config_path: Path, setup: Setup, notifier: Notifier) -> None:
        self.started_seconds = time.time()
        self.reload_succeeded = True
        self.reload_success_seconds = self.started_seconds
        self._config_path = config_path
        self._setup = setup
        self._notifier = notifier
        self._stopping = threading.Event()
        self._reload_wanted = threading.Event()
        self._moved_monotonic = time.monotonic()
        self._next_housekeeping = 0.0

    def run(self) -> None:
        """Run until SIGTERM or SIGINT.

        Raises:
            UnavailableError: the HTTP port is taken.

        """
        self._start()
        http = HttpServer(self._setup.config.http, registry_of(self), healthz=self.health, readyz=self.readiness)
        http.start()
        previous = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}
        try:
            self.link.start()
            log.info("running", http=http.address, models=self._versions())
            self._notifier.ready(self._status())
            gc.freeze()  # torch and pydantic are here to stay: no collection needs to look at them again
            while not self._stopping.is_set():
                self._turn()
            self._drain()
        finally:
            http.stop()
            for number, handler in previous.items():
                signal.signal(number, handler)
        log.info("stopped")

    # --- the loop

    def _turn(self) -> None:
        waited = self.pipeline.deadline_seconds - time.monotonic()
        messages = self.inbox.take(min(max(waited, 0.0), _IDLE_SECONDS))
        now = Moment(time.time(), time.monotonic())
        self._publish(self.pipeline.step(messages, now))
        self.link.acknowledge(message.receipt for message in messages if message.receipt is not None)
        self._moved_monotonic = now.monotonic_seconds
        if now.monotonic_seconds >= self._next_housekeeping:
            self._next_housekeeping = now.monotonic_seconds + _HOUSEKEEPING_SECONDS
            self._publish(self.pipeline.housekeep(now))
            if self._reload_wanted.is_set():
                self._reload_wanted.clear()
                self._reload(now)
            self._notifier.status(self._status())
            if self._network_moves():
                self._notifier.watchdog()

    def _publish(self, step: Step) -> None:
        base = self._setup.config.mqtt.base_topic
        for report in step.reports:
            self.link.publish(f"{base}/{report.topic}", report.payload, 1, report.retain)

    def _drain(self) -> None:
        """Score what came, tell what there is to tell, and leave."""
        self._notifier.stopping()
        self.link.stop_receiving()
        while messages := self.inbox.take(0.0):
            self._publish(self.pipeline.step(messages, Moment(time.time(), time.monotonic())))
            self.link.acknowledge(message.receipt for message in messages if message.receipt is not None)
        self._publish(self.pipeline.step([], Moment(time.time(), time.monotonic()), everything=True))
        self.link.stop(_STOP_SECONDS)

    # --- set-up and reload

    def _start(self) -> None:
        setup = self._setup
        self.pipeline = build_pipeline(setup, self._log_discard)
        self.inbox = Inbox(setup.config.limits.max_inbox_messages, setup.config.limits.max_inbox_bytes)
        self.link = self._new_link()

    def _new_link(self) -> MqttLink:
        config = self._setup.config
        topics = [(TopicPattern.parse(source.topic).subscription, source.qos) for source in config.source]
        return MqttLink(config.mqtt, topics, self.inbox, max_payload_bytes=config.limits.max_payload_bytes)

    def _reload(self, now: Moment) -> None:
        """Load the configuration and artifacts anew; where anything is wrong, all stays as it is."""
        self._notifier.reloading()
        try:
            setup = load_setup(self._config_path)
        except ConfigError as error:
            self.reload_succeeded = False
            log.error(  # noqa: TRY400 - the problems say it all; a traceback would bury them
                "reload failed; the old configuration stays", path=error.path, problems=error.problems
            )
        else:
            self._swap(setup, now)
            self.reload_succeeded, self.reload_success_seconds = True, now.wall_seconds
            log.info("reloaded", models=self._versions())
        self._notifier.ready(self._status())

    def _swap(self, setup: Setup, now: Moment) -> None:
        before, self._setup = self._setup, setup
        old, new = before.config, setup.config
        same_walk = _walk_of(old) == _walk_of(new)
        self._publish(self.pipeline.step([], now, everything=True))
        if not (same_walk and self.pipeline.adopt(setup.artifacts)):
            # other sources or windows of another shape: streams start over, and so do their alerts
            self._publish(self.pipeline.retire())
            self.pipeline = build_pipeline(setup, self._log_discard, self.pipeline.tally)
        if (old.mqtt, old.source) != (new.mqtt, new.source):
            self.link.stop(_STOP_SECONDS)
            self.link = self._new_link()
            self.link.start()
        later = [part for part in ("http", "log") if getattr(old, part) != getattr(new, part)]
        if later:
            log.warning("some changes take effect at the next start", sections=later)

    # --- what others ask

    @property
    def artifacts(self) -> Mapping[str, Artifact]:
        """The artifacts in use, by model."""
        return self._setup.artifacts

    @property
    def max_channel_series(self) -> int:
        """Most series of `residuald_channel_error`."""
        return self._setup.config.limits.max_channel_series

    def health(self) -> tuple[bool, str]:
        """Whether the process is alive and its threads move."""
        still = time.monotonic() - self._moved_monotonic
        if still > _STALLED_SECONDS:
            return False, f"the pipeline has not moved for {still:.0f} s"
        if not self._network_moves():
            return False, "the network thread does not move"
        return True, "ok"

    def readiness(self) -> dict[str, str]:
        """What keeps us from doing the job, by part; empty when nothing does."""
        reasons = {}
        if not self.link.connected:
            reasons["mqtt"] = self.link.last_error or "not connected yet"
        elif self.link.denied_topics:
            reasons["mqtt"] = f"the broker denies subscriptions: {', '.join(self.link.denied_topics)}"
        if not self.reload_succeeded:
            reasons["config"] = "the last reload failed; the configuration before it is in use"
        healthy, why = self.health()
        if not healthy:
            reasons["pipeline"] = why
        return reasons

    def _network_moves(self) -> bool:
        return self.link.alive() and time.monotonic() - self.link.last_progress_monotonic < _STALLED_SECONDS

    def _versions(self) -> dict[str, str]:
        return {name: artifact.manifest.version for name, artifact in self.artifacts.items()}

    def _status(self) -> str:
        fleets = self.pipeline.fleets.values()
        streams = sum(len(fleet.streams) for fleet in fleets)
        firing = sum(int((fleet.judge.phase == Phase.FIRING).sum()) for fleet in fleets)
        broker = "connected" if self.link.connected else f"no broker: {self.link.last_error or 'connecting'}"
        return f"{broker}; {streams} streams, {firing} firing"

    def _log_discard(self, source: str, topic: str, discard: Discard) -> None:
        log.warning("discarded", source=source, reason=discard.reason.value, topic=topic, detail=discard.detail)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self._reload_wanted.set()
        else:
            self._stopping.set()


_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def _walk_of(config: Config) -> dict[str, Any]:
    """The settings that the pipeline is made of; where an artifact lies is not one of them."""
    return config.model_dump(
        include={"source", "model", "scoring", "timing", "limits"}, exclude={"model": {"__all__": {"path"}}}
    )
