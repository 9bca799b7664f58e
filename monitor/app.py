"""The daemon, wired: outputs start first and inputs last; stopping goes the other way.

    broker -> MqttLink (thread) -> Inbox -> Pipeline (this thread) -> MqttLink -> broker
                                              | read at scrape time
    Prometheus <- HttpServer (threads) <- DaemonCollector

Everything that judges runs in one thread, `App.run`. It alone feeds systemd's watchdog; ours (`adapters/watchdog.py`)
looks at all threads, and when one hangs ends the process with the reason in the log.
"""

import gc
import hashlib
import json
import os
import signal
import threading
import time
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import structlog

from monitor.adapters.artifact import Artifact
from monitor.adapters.clock import ArrivalClock
from monitor.adapters.http import HttpServer
from monitor.adapters.inbox import Inbox
from monitor.adapters.journal import AlertKey
from monitor.adapters.metrics import registry_of
from monitor.adapters.mqtt import MqttLink
from monitor.adapters.notify import Notifier
from monitor.adapters.watchdog import Hang, Part, Watchdog
from monitor.build import Setup, build_pipeline, succeed
from monitor.config import STATE_DIRECTORY, Config
from monitor.core.blocks import Message
from monitor.core.discards import Discard
from monitor.core.judge import Phase
from monitor.core.reports import Report, journal_report
from monitor.core.topics import TopicPattern
from monitor.errors import ConfigError, HangError
from monitor.keeper import Keeper
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
    keeper: Keeper | None

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
        self._journal_told: bytes | None = None

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
        self._walk(messages, now)
        self._moved_monotonic = now.monotonic_seconds
        if now.monotonic_seconds >= self._next_housekeeping:
            self._next_housekeeping = now.monotonic_seconds + _HOUSEKEEPING_SECONDS
            self._keep_house(now)
            self._reload(now)
            if not self.link.alive():
                self._replace_link("the network thread died; another takes over")
            self._notifier.status(self._status())
            if self._network_moves():
                self._notifier.watchdog()

    def _now(self) -> Moment:
        return Moment(self._clock(), time.monotonic())

    def _walk(self, messages: list[Message], now: Moment, *, everything: bool = False) -> None:
        """One step, in this order: score, keep, publish, acknowledge. What dies in between is done again."""
        step = self.pipeline.step(messages, now, everything=everything)
        owed = [message for message in messages if message.receipt is not None]
        self._publish(step.reports, self._keep(owed, step, now))
        self.link.acknowledge(message.receipt for message in owed if message.receipt is not None)

    def _keep(self, owed: list[Message], step: Step, now: Moment) -> Collection[AlertKey]:
        """Make a step safe; the alert steps in it that need not be said again."""
        if self.keeper is None:
            return ()
        self.keeper.confirm(self.link.take_confirmed())
        return self.keeper.keep(owed, step, now)

    def _publish(self, reports: Iterable[Report], said: Collection[AlertKey] = ()) -> None:
        base = self._setup.config.mqtt.base_topic
        for report in reports:
            if report.alert not in said:
                awaited = None if self.keeper is None else report.alert
                self.link.publish(f"{base}/{report.topic}", report.payload, 1, report.retain, awaited)

    def _keep_house(self, now: Moment) -> None:
        step, keeper = self.pipeline.housekeep(now), self.keeper
        if keeper is None:
            self._publish(step.reports)
            return
        self._publish(step.reports, keeper.keep_housekeeping(step, now))
        keeper.settle_writing(self.pipeline)
        if keeper.is_due(now.monotonic_seconds):
            self._walk([], now, everything=True)
            keeper.checkpoint(self.pipeline, now)
        told = journal_report(keeper.trouble, keeper.moved_aside)
        if told.payload != self._journal_told:
            self._journal_told = told.payload
            self._publish([told])

    def _drain(self) -> None:
        """Score what came, tell what there is to tell, and leave."""
        self._notifier.stopping()
        self._empty_inbox()
        self.link.stop(_STOP_SECONDS)
        if self.keeper is not None:
            now = self._now()
            self._keep([], Step((), ()), now)
            self.keeper.close(self.pipeline, now)

    def _empty_inbox(self) -> None:
        """Take in what came already; receipts are of use only to the link that gave them."""
        self.link.stop_receiving()
        while messages := self.inbox.take(0.0):
            self._walk(messages, self._now())
        self._walk([], self._now(), everything=True)

    def _replace_link(self, why: str) -> None:
        log.error("the broker connection starts over", reason=why)
        self._empty_inbox()
        self._renew_link(self._now(), 0.0)

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
        folder = _journal_folder(setup.config)
        self.keeper = None if folder is None else Keeper(setup.config.journal, folder, _digest_of(setup.config))
        if self.keeper is not None:
            recovered = self.keeper.recover(self.pipeline, self._now())
            self.link.remember(recovered.safe)
            self._publish(recovered.reports)

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
        same_link = (old.mqtt, _subscriptions(old)) == (new.mqtt, _subscriptions(new))
        if not same_link:
            self._empty_inbox()
        self._walk([], now, everything=True)
        if same_walk and self.pipeline.adopt(setup.artifacts):
            if self.keeper is not None:
                self.keeper.checkpoint_soon()
        else:
            self.pipeline, last_words = succeed(self.pipeline, old, setup, self._log_discard)
            self._publish(last_words.reports, self._keep([], last_words, now))
            if self.keeper is not None:
                self.keeper.start_over(_digest_of(new))
                self.keeper.checkpoint(self.pipeline, now)
        self._setup = setup
        if not same_link:
            self._renew_link(now, _STOP_SECONDS)
        self._http.protect(new.web)
        later = [part for part in ("http", "log", "journal") if getattr(old, part) != getattr(new, part)]
        if later:
            log.warning("some changes take effect at the next start", sections=later)

    def _renew_link(self, now: Moment, timeout_seconds: float) -> None:
        self.link.stop(timeout_seconds)
        self._keep([], Step((), ()), now)
        self.link = self._new_link()
        if self.keeper is not None:
            self.link.remember(self.keeper.safe)
            self._publish(self.keeper.unconfirmed())
        self.link.start()

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
        if self.keeper is not None and self.keeper.trouble is not None:
            reasons["journal"] = f"a crash would lose data: {self.keeper.trouble}"
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


def _digest_of(config: Config) -> str:
    """Stands for the settings that the state of the streams depends on."""
    walk = _walk_of(config)
    del walk["scoring"]
    for model in walk["model"]:
        del model["max_batch"]
    return hashlib.sha256(json.dumps(walk, sort_keys=True, default=str).encode()).hexdigest()


def _journal_folder(config: Config) -> Path | None:
    """Where journal and checkpoint lie; None where there is no place for them."""
    if config.journal.path is not None:
        return config.journal.path
    given = os.environ.get(STATE_DIRECTORY)  # systemd.exec(5): several are separated by colons
    return Path(given.split(":")[0], "journal") if given else None
