"""Health: whether the daemon lives, moves and does its job, for /healthz, /readyz, systemd and our own watchdog."""

import os
import time
from typing import Protocol

import numpy as np
import structlog

from monitor.adapters.mqtt.link import MqttLink
from monitor.adapters.process.sd_notify import Notifier
from monitor.adapters.process.watchdog import Hang, Part, Watchdog
from monitor.adapters.web.server import HttpServer
from monitor.core.alerting.decision_rule import Phase
from monitor.core.scoring.quality import CODES, QUALITIES, Quality
from monitor.core.streams.model_group import ModelGroup
from monitor.core.streams.stream_table import StreamState
from monitor.durability.checkpointer import Checkpointer
from monitor.errors import HangError
from monitor.pipeline.pipeline import Pipeline

log = structlog.get_logger()

_SENDS = frozenset(QUALITIES) - {Quality.SILENT}  # who is silent may be switched off, and that is not our fault
_STALLED_SECONDS = 30.0  # a network thread or a pipeline that has not moved for so long is stuck
_UNCONFIRMED_SECONDS = 60.0  # a broker that takes longer to confirm what is published does not take it
_OF_WATCHDOG = 0.8  # found hanging before systemd's patience ends, so that the log says why
_CONNECT_SECONDS = 20.0  # what the network thread may take longer: names are resolved, several addresses tried


class Daemon(Protocol):
    """What is looked at. moved_monotonic: when the pipeline last went round, or scored a batch."""

    reload_succeeded: bool
    moved_monotonic: float

    @property
    def pipeline(self) -> Pipeline: ...  # noqa: D102 - the class says it
    @property
    def link(self) -> MqttLink | None: ...  # noqa: D102
    @property
    def checkpointer(self) -> Checkpointer | None: ...  # noqa: D102


def _unjudged(group: ModelGroup) -> str | None:
    """Why no stream of a model is judged, though something comes of them; None: some are, or all are silent or new."""
    table = group.streams
    numbers = np.array([number for number in list(table.number.values()) if number < len(table.state)], np.int64)
    withheld = table.quality[numbers][table.state[numbers] == StreamState.WITHHELD]
    counts = [(quality, int((withheld == CODES[quality]).sum())) for quality in QUALITIES]
    if len(withheld) < len(numbers) or not any(count for quality, count in counts if quality in _SENDS):
        return None
    told = ", ".join(f"{count} {quality.value}" for quality, count in counts if count)
    return f"no stream of model {group.name} can be judged: {told} (see states and log)"


class Health:
    """Looks at one daemon; from any thread, whenever it is asked."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    def liveness(self) -> tuple[bool, str]:
        """Whether the process is alive and its threads move."""
        still = time.monotonic() - self._daemon.moved_monotonic
        if still > _STALLED_SECONDS:
            return False, f"the pipeline has not moved for {still:.0f} s"
        if not self.network_moves():
            return False, "the network thread does not move"
        return True, "ok"

    def readiness(self) -> dict[str, str]:
        """What keeps us from doing the job, by part; empty when nothing does."""
        link, checkpointer = self._daemon.link, self._daemon.checkpointer
        reasons = {}
        if link is None:
            pass  # the configuration names no broker
        elif not link.connected:
            reasons["mqtt"] = link.last_error or "not connected yet"
        elif link.denied_topics:
            reasons["mqtt"] = f"the broker denies subscriptions: {', '.join(link.denied_topics)}"
        elif link.oldest_unconfirmed_seconds > _UNCONFIRMED_SECONDS:
            waited = f"{link.unconfirmed} messages, the oldest for {link.oldest_unconfirmed_seconds:.0f} s"
            reasons["mqtt"] = f"the broker does not confirm what is published: {waited} (docs/brokers.md)"
        if not self._daemon.reload_succeeded:
            reasons["config"] = "the last reload failed; the configuration before it is in use"
        if checkpointer is not None and checkpointer.trouble is not None:
            reasons["journal"] = checkpointer.trouble
        unjudged = [text for group in list(self._daemon.pipeline.model_groups.values()) if (text := _unjudged(group))]
        if unjudged:
            reasons["streams"] = "; ".join(unjudged)
        alive, why = self.liveness()
        if not alive:
            reasons["pipeline"] = why
        return reasons

    def network_moves(self) -> bool:
        """Whether the network thread goes round, where there is one."""
        link = self._daemon.link
        return link is None or (link.alive and time.monotonic() - link.last_progress_monotonic < _STALLED_SECONDS)

    def status(self) -> str:
        """How things stand, in one line."""
        link, model_groups = self._daemon.link, self._daemon.pipeline.model_groups.values()
        streams = sum(len(model_group.streams) for model_group in model_groups)
        firing = sum(int((model_group.decision.phase == Phase.FIRING).sum()) for model_group in model_groups)
        counted = f"{streams} streams, {firing} firing"
        if not self._daemon.reload_succeeded:
            counted += "; old configuration: the last reload failed, see the log"
        if link is None:
            return counted
        broker = "connected" if link.connected else f"no broker: {link.last_error or 'connecting'}"
        return f"{broker}; {counted}"

    def watchdog(self, http: HttpServer, notifier: Notifier) -> Watchdog:
        """Make the watchdog that ends the process when a part of it hangs, sooner than systemd would."""

        def end(hang: Hang) -> None:
            # to be started anew: a thread that hangs can be neither stopped nor waited for
            log.critical("a part hangs; ending, to be started anew", reason=hang.reason, stack=hang.stack)
            notifier.status(hang.reason)
            os._exit(HangError.exit_code)

        daemon, armed = self._daemon, notifier.watchdog_seconds
        limit = _STALLED_SECONDS if armed is None else _OF_WATCHDOG * armed

        def network_moved() -> float:
            return time.monotonic() if daemon.link is None else daemon.link.last_progress_monotonic

        parts = (
            Part("pipeline", "MainThread", lambda: daemon.moved_monotonic, limit),
            Part("network thread", "mqtt", network_moved, limit + _CONNECT_SECONDS),
            Part("HTTP server", "http", lambda: http.last_progress_monotonic, limit),
        )
        return Watchdog(parts, end)
