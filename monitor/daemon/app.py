"""The daemon, wired: outputs start first and inputs last; stopping goes the other way.

    broker -> MqttLink (thread) -> Inbox -> Pipeline (this thread) -> MqttLink -> broker
                                              | read at scrape time
    Prometheus <- HttpServer (threads) <- DaemonCollector

Everything that judges runs in one thread, `App.run`. It alone feeds systemd's watchdog; ours
(`adapters/process/watchdog.py`) looks at all threads, and when one hangs ends the process with the reason in the log.
"""

import gc
import signal
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import FrameType

import structlog

from monitor.adapters.engines.loader import Artifact
from monitor.adapters.mqtt.inbox import Inbox
from monitor.adapters.mqtt.link import MqttLink
from monitor.adapters.mqtt.send_queue import Outgoing
from monitor.adapters.process.clock import ArrivalClock
from monitor.adapters.process.sd_notify import Notifier
from monitor.adapters.storage.journal import PendingDelivery
from monitor.adapters.web.server import HttpServer
from monitor.core.outputs.reports import Report, journal_report
from monitor.core.values.discards import Discard
from monitor.core.values.messages import MessageBatch
from monitor.daemon.health import Health
from monitor.durability.checkpointer import Checkpointer, checkpointer_of
from monitor.errors import ConfigError
from monitor.pipeline.pipeline import Moment, Pipeline, Step
from monitor.setup.build import Setup, build_pipeline, fingerprint_of, pipeline_settings_of, subscriptions_of, succeed
from monitor.setup.reloader import Reloader
from monitor.telemetry.metrics import registry_of

log = structlog.get_logger()

_IDLE_SECONDS = 0.5  # how long the loop sleeps when nothing comes and nothing waits
_HOUSEKEEPING_SECONDS = 1.0
_LINGER_SHARE = 0.2  # of the delay that a window may wait: for so long messages may gather before they are taken
_NOTE_SECONDS = 0.05  # while the link leaves: how often we look for what the broker has received
_STOP_SECONDS = 4.0  # of the 5 that a stop may take, what the broker may use


class App:
    """One running daemon. The constructor only stores; `run` does everything and returns when it is told to stop."""

    pipeline: Pipeline
    inbox: Inbox
    link: MqttLink
    _http: HttpServer
    checkpointer: Checkpointer | None

    def __init__(self, config_path: Path, setup: Setup, notifier: Notifier) -> None:
        self._clock = ArrivalClock()
        self.started_seconds = self._clock()
        self.reload_succeeded = True
        self.reload_success_seconds = self.started_seconds
        self._setup = setup
        self._reloader = Reloader(config_path, setup)
        self._notifier = notifier
        self._stopping = threading.Event()
        self.moved_monotonic = time.monotonic()
        self.health = Health(self)
        self._next_housekeeping = self._next_feeding = 0.0
        self._journal_told: bytes | None = None

    def run(self) -> None:
        """Run until SIGTERM or SIGINT.

        Raises:
            UnavailableError: the HTTP port is taken.

        """
        self._start()
        config, registry = self._setup.config, registry_of(self)
        health = self.health
        http = HttpServer(config.http, registry, web=config.web, healthz=health.liveness, readyz=health.readiness)
        http.start()
        self._http = http
        previous = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}
        try:
            self.link.start()
            log.info("running", http=http.address, models=self._versions())
            self._notifier.ready(self.health.status())
            gc.freeze()  # torch and pydantic are here to stay: no collection needs to look at them again
            watchdog = self.health.watchdog(http, self._notifier)
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
        batch = self.inbox.take(min(max(waited, 0.0), _IDLE_SECONDS))
        now = self._now()
        self._walk(batch, now)
        self.moved_monotonic = time.monotonic()
        if now.monotonic_seconds >= self._next_housekeeping:
            self._next_housekeeping = now.monotonic_seconds + _HOUSEKEEPING_SECONDS
            self._keep_house(now)
            self._reload(now)
            if not self.link.alive():
                self._replace_link("the network thread died; another takes over")
            self._notifier.status(self.health.status())
            if self.health.network_moves():
                self._notifier.watchdog()

    def _moved(self) -> None:
        """Let a batch count as progress: what waits may take a slow model longer than anybody's patience."""
        self.moved_monotonic = time.monotonic()
        if self.moved_monotonic >= self._next_feeding:
            self._next_feeding = self.moved_monotonic + _HOUSEKEEPING_SECONDS
            if self.health.network_moves():
                self._notifier.watchdog()

    def _now(self) -> Moment:
        return Moment(self._clock(), time.monotonic())

    def _walk(self, batch: MessageBatch | None, now: Moment, *, everything: bool = False) -> None:
        """One step, in this order: score, keep, publish, acknowledge. What dies in between is done again."""
        step = self.pipeline.step(batch, now, everything=everything)
        self._tell(step, self._keep(batch, step, now))
        if step.command_applied and self.checkpointer is not None:
            self.checkpointer.checkpoint_soon()  # the journal does not know the streams of QoS 0 sources
        if batch is not None:
            self.link.acknowledge(batch.tokens)

    def _keep(self, batch: MessageBatch | None, step: Step, now: Moment) -> list[PendingDelivery]:
        """Make a step safe, and that the broker has received what was delivered; the alert steps to deliver now."""
        received, delivered = self.link.take_received(), self.link.take_confirmed()
        if self.checkpointer is None:
            pending = [PendingDelivery(report, 0) for report in step.reports if report.alert]
        else:
            self.checkpointer.note(received, delivered)
            pending = self.checkpointer.keep(batch, step, now)
        self.link.release(received)
        return pending

    def _tell(self, step: Step, pending: Iterable[PendingDelivery]) -> None:
        """Publish what a step says: `owed` of alerts, and all that it says of states."""
        self._deliver(pending)
        self._publish(report for report in step.reports if not report.alert)

    def _deliver(self, pending: Iterable[PendingDelivery], *, begun: bool = False) -> None:
        """Have alert steps delivered; `begun`: another process or connection may have begun to."""
        mqtt = self._setup.config.mqtt
        qos = 1 if self.checkpointer is None else mqtt.alert_qos  # where nobody keeps notes, QoS 2 promises nothing
        for report, packet_id, received in pending:
            topic = f"{mqtt.base_topic}/{report.topic}"
            self.link.deliver(Outgoing(topic, report.payload, qos, False, report.alert, packet_id, begun, received))

    def _publish(self, reports: Iterable[Report]) -> None:
        base = self._setup.config.mqtt.base_topic
        for report in reports:
            self.link.publish(f"{base}/{report.topic}", report.payload, 1, report.retain)

    def _keep_house(self, now: Moment) -> None:
        step, checkpointer = self.pipeline.housekeep(now), self.checkpointer
        if checkpointer is None:
            self._tell(step, self._keep(None, step, now))
            return
        self._tell(step, checkpointer.keep_housekeeping(step, now))
        checkpointer.settle_writing(self.pipeline)
        if checkpointer.is_due(now.monotonic_seconds):
            self._walk(None, now, everything=True)
            checkpointer.checkpoint(self.pipeline, now)
        told = journal_report(checkpointer.trouble, checkpointer.moved_aside)
        if told.payload != self._journal_told:
            self._journal_told = told.payload
            self._publish([told])

    def _drain(self) -> None:
        """Score what came, tell what there is to tell, and leave."""
        self._notifier.stopping()
        self._empty_inbox()
        self._end_link(_STOP_SECONDS)
        if self.checkpointer is not None:
            self.checkpointer.close(self.pipeline, self._now())

    def _end_link(self, timeout_seconds: float) -> None:
        """Let the link publish what waits, and keep notes of it meanwhile."""
        self.link.leave(timeout_seconds)
        give_up = time.monotonic() + timeout_seconds
        while self.link.alive() and time.monotonic() < give_up:
            self.inbox.take(_NOTE_SECONDS)
            self._keep(None, Step((), ()), self._now())
        self.link.stop(0.0)
        self._keep(None, Step((), ()), self._now())

    def _empty_inbox(self) -> None:
        """Take in what came already; receipts are of use only to the link that gave them."""
        self.link.stop_receiving()
        while batch := self.inbox.take(0.0):
            self._walk(batch, self._now())
        self._walk(None, self._now(), everything=True)

    def _replace_link(self, why: str) -> None:
        log.error("the broker connection starts over", reason=why)
        self._empty_inbox()
        self._renew_link(0.0)

    # --- set-up and reload

    def _start(self) -> None:
        setup = self._setup
        self.pipeline = build_pipeline(setup, self._log_discard)
        self.pipeline.on_batch = self._moved
        limits, linger_seconds = setup.config.limits, setup.config.scoring.max_delay_seconds * _LINGER_SHARE
        self.inbox = Inbox(limits.max_inbox_messages, limits.max_inbox_bytes, linger_seconds)
        self.link = self._new_link()
        self.checkpointer = checkpointer_of(setup.config)
        if self.checkpointer is not None:
            recovered = self.checkpointer.recover(self.pipeline, self._now())
            self.link.remember(recovered.safe)
            self._deliver(recovered.pending, begun=True)

    def _new_link(self) -> MqttLink:
        config = self._setup.config
        limit = config.limits.max_payload_bytes
        topics = subscriptions_of(config)
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
        self._notifier.ready(self.health.status())

    def _swap(self, setup: Setup, now: Moment) -> None:
        old, new = self._setup.config, setup.config
        same_walk = pipeline_settings_of(old) == pipeline_settings_of(new)
        same_link = (old.mqtt, subscriptions_of(old)) == (new.mqtt, subscriptions_of(new))
        if not same_link:
            self._empty_inbox()
        self._walk(None, now, everything=True)
        if same_walk and self.pipeline.adopt(setup.artifacts):
            if self.checkpointer is not None:
                self.checkpointer.checkpoint_soon()
        else:
            self.pipeline, final_step = succeed(self.pipeline, old, setup, self._log_discard)
            self.pipeline.on_batch = self._moved
            self._tell(final_step, self._keep(None, final_step, now))
            if self.checkpointer is not None:
                self.checkpointer.start_over(fingerprint_of(new))
                self.checkpointer.checkpoint(self.pipeline, now)
        self._setup = setup
        if not same_link:
            self._renew_link(_STOP_SECONDS)
        self._http.protect(new.web)
        later = [part for part in ("http", "log", "journal") if getattr(old, part) != getattr(new, part)]
        if later:
            log.warning("some changes take effect at the next start", sections=later)

    def _renew_link(self, timeout_seconds: float) -> None:
        self._end_link(timeout_seconds)
        self.link = self._new_link()
        if self.checkpointer is not None:
            self.link.remember(self.checkpointer.safe)
            self._deliver(self.checkpointer.undelivered(), begun=True)
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

    def _versions(self) -> dict[str, str]:
        return {name: artifact.manifest.version for name, artifact in self.artifacts.items()}

    def _log_discard(self, source: str, topic: str, discard: Discard) -> None:
        log.warning("discarded", source=source, reason=discard.reason.value, topic=topic, detail=discard.detail)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self._reloader.request()
        else:
            self._stopping.set()


_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
