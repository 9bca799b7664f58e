"""The daemon, wired: outputs start first and inputs last; stopping goes the other way.

    broker -> MqttLink (thread) -> Inbox -> Pipeline (this thread) -> MqttLink -> broker
                                              | read at scrape time
    Prometheus <- HttpServer (threads) <- DaemonCollector

Everything that judges runs in one thread, `App.run`. It alone feeds systemd's watchdog; ours (`adapters/watchdog.py`)
looks at all threads, and when one hangs ends the process with the reason in the log.
"""

import gc
import os
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import structlog

from monitor.adapters.artifact import Artifact
from monitor.adapters.clock import ArrivalClock
from monitor.adapters.http import HttpServer
from monitor.adapters.inbox import Inbox
from monitor.adapters.metrics import registry_of
from monitor.adapters.mqtt import MqttLink
from monitor.adapters.notify import Notifier
from monitor.adapters.watchdog import Hang, Part, Watchdog
from monitor.build import Setup, build_pipeline, succeed
from monitor.config import Config
from monitor.core.discards import Discard
from monitor.core.judge import Phase
from monitor.core.topics import TopicPattern
from monitor.errors import ConfigError, HangError
from monitor.pipeline import Moment, Pipeline, Step
from monitor.reloader import Reloader

log = structlog.get_logger()

_IDLE_SECONDS = 0.5  # how long the loop sleeps when nothing comes and nothing waits
_HOUSEKEEPING_SECONDS = 1.0
_STOP_SECONDS = 4.0  # of the 5 that a stop may take, what the broker may use
_STALLED_SECONDS = 30.0  # a network thread or a pipeline that has not moved for so long is stuck
_OF_WATCHDOG = 0.8  # found hanging before systemd's patience ends, so that the log says why
_CONNECT_SECONDS = 20.0  # what the network thread may take longer: names are resolved, several addresses tried


class App:
    """One running daemon. The constructor only stores; `run` does everything and returns when it is told to stop."""

    pipeline: Pipeline
    inbox: Inbox
    link: MqttLink
    _http: HttpServer

    def __init__(self, config_path: Path, setup: Setup, notifier: Notifier) -> None:
        self._clock = ArrivalClock()
        self.started_seconds = self._clock()
        self.reload_succeeded = True
        self.reload_success_seconds = self.started_seconds
        self._setup = setup
        self._reloader = Reloader(config_path, setup)
        self._notifier = notifier
        self._stopping = threading.Event()
        self._moved_monotonic = time.monotonic()
        self._next_housekeeping = 0.0

    def run(self) -> None:
        """Run until SIGTERM or SIGINT.

        Raises:
            UnavailableError: the HTTP port is taken.

        """
        self._start()
        config, registry = self._setup.config, registry_of(self)
        http = HttpServer(config.http, registry, web=config.web, healthz=self.health, readyz=self.readiness)
        http.start()
        self._http = http
        previous = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}
        try:
            self.link.start()
            log.info("running", http=http.address, models=self._versions())
            self._notifier.ready(self._status())
            gc.freeze()  # torch and pydantic are here to stay: no collection needs to look at them again
            watchdog = self._watchdog(http)
            watchdog.start()
            while not self._stopping.is_set():
                self._turn()
            watchdog.stop()
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
        now = self._now()
        self._publish(self.pipeline.step(messages, now))
        self.link.acknowledge(message.receipt for message in messages if message.receipt is not None)
        self._moved_monotonic = now.monotonic_seconds
        if now.monotonic_seconds >= self._next_housekeeping:
            self._next_housekeeping = now.monotonic_seconds + _HOUSEKEEPING_SECONDS
            self._publish(self.pipeline.housekeep(now))
            self._reload(now)
            if not self.link.alive():
                self._replace_link("the network thread died; another takes over")
            self._notifier.status(self._status())
            if self._network_moves():
                self._notifier.watchdog()

    def _now(self) -> Moment:
        return Moment(self._clock(), time.monotonic())

    def _publish(self, step: Step) -> None:
        base = self._setup.config.mqtt.base_topic
        for report in step.reports:
            self.link.publish(f"{base}/{report.topic}", report.payload, 1, report.retain)

    def _drain(self) -> None:
        """Score what came, tell what there is to tell, and leave."""
        self._notifier.stopping()
        self._take_what_came()
        self._publish(self.pipeline.step([], self._now(), everything=True))
        self.link.stop(_STOP_SECONDS)

    def _take_what_came(self) -> None:
        self.link.stop_receiving()
        while messages := self.inbox.take(0.0):
            self._publish(self.pipeline.step(messages, self._now()))
            self.link.acknowledge(message.receipt for message in messages if message.receipt is not None)

    def _replace_link(self, why: str) -> None:
        log.error("the broker connection starts over", reason=why)
        self._take_what_came()
        self.link.stop(0.0)
        self.link = self._new_link()
        self.link.start()

    def _watchdog(self, http: HttpServer) -> Watchdog:
        armed = self._notifier.watchdog_seconds
        limit = _STALLED_SECONDS if armed is None else _OF_WATCHDOG * armed
        parts = (
            Part("pipeline", "MainThread", lambda: self._moved_monotonic, limit),
            Part("network thread", "mqtt", lambda: self.link.last_progress_monotonic, limit + _CONNECT_SECONDS),
            Part("HTTP server", "http", lambda: http.last_progress_monotonic, limit),
        )
        return Watchdog(parts, self._end_hanging)

    def _end_hanging(self, hang: Hang) -> None:
        """End the process at once, to be started anew: a thread that hangs can be neither stopped nor waited for."""
        log.critical("a part hangs; ending, to be started anew", reason=hang.reason, stack=hang.stack)
        self._notifier.status(hang.reason)
        os._exit(HangError.exit_code)

    # --- set-up and reload

    def _start(self) -> None:
        setup = self._setup
        self.pipeline = build_pipeline(setup, self._log_discard)
        self.inbox = Inbox(setup.config.limits.max_inbox_messages, setup.config.limits.max_inbox_bytes)
        self.link = self._new_link()

    def _new_link(self) -> MqttLink:
        config = self._setup.config
        limit = config.limits.max_payload_bytes
        topics = _subscriptions(config)
        return MqttLink(config.mqtt, topics, self.inbox, max_payload_bytes=limit, clock=self._clock)

    def _reload(self, now: Moment) -> None:
        """Take over what was loaded aside; where anything is wrong with it, all stays as it is."""
        idle = not self._reloader.loading
        outcome = self._reloader.poll()
        if idle and self._reloader.loading:
            self._notifier.reloading()
        if outcome is None:
            return
        if isinstance(outcome, ConfigError):
            self.reload_succeeded = False
            log.error("reload failed; the old configuration stays", path=outcome.path, problems=outcome.problems)
        else:
            self._swap(outcome, now)
            self.reload_succeeded, self.reload_success_seconds = True, now.wall_seconds
            log.info("reloaded", models=self._versions())
        self._notifier.ready(self._status())

    def _swap(self, setup: Setup, now: Moment) -> None:
        old, new = self._setup.config, setup.config
        same_walk = _walk_of(old) == _walk_of(new)
        new_link = (old.mqtt, _subscriptions(old)) != (new.mqtt, _subscriptions(new))
        if new_link:
            self._take_what_came()  # confirmed while the connection it came by is there, so that none comes twice
        self._publish(self.pipeline.step([], now, everything=True))
        if not (same_walk and self.pipeline.adopt(setup.artifacts)):
            self.pipeline, last_words = succeed(self.pipeline, old, setup, self._log_discard)
            self._publish(last_words)
        self._setup = setup
        if new_link:
            self.link.stop(_STOP_SECONDS)
            self.link = self._new_link()
            self.link.start()
        self._http.protect(new.web)
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
            self._reloader.request()
        else:
            self._stopping.set()


_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def _subscriptions(config: Config) -> list[tuple[str, int]]:
    return [(TopicPattern.parse(source.topic).subscription, source.qos) for source in config.source]


def _walk_of(config: Config) -> dict[str, Any]:
    """The settings that the pipeline is made of; where an artifact lies is not one of them."""
    return config.model_dump(
        include={"source", "model", "scoring", "timing", "limits"}, exclude={"model": {"__all__": {"path"}}}
    )
