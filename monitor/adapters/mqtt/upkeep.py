"""Upkeep of the broker connection: one after another, each made as soon as the one before has ended, for ever.

Whatever ends a connection (refused, lost, silent, an error of our own) is logged with its reason and followed by the
next attempt, after a jittered delay.
"""

import random
import threading
import time
from collections.abc import Sequence

import structlog

from monitor.adapters.mqtt.client import SettingsFileError, explain
from monitor.adapters.mqtt.connection import Connection, ConnectionOverError
from monitor.adapters.mqtt.frames import FrameError
from monitor.adapters.mqtt.settings import MqttConfig
from monitor.adapters.mqtt.traffic import Traffic
from monitor.core.values.backoff import Backoff

log = structlog.get_logger()

_FIRST_DELAY_SECONDS = 1.0
_STABLE_SECONDS = 10.0  # a connection that held so long was a good one: back-off starts over
_JOIN_SECONDS = 0.5  # beyond the timeout, for the thread to notice it


class Upkeep:
    """The network thread: it keeps a connection up until it is told to leave. Attributes may be read by any thread.

    connection: the last one that was made, or is being made; failure: why the one before it ended.
    """

    def __init__(
        self, config: MqttConfig, subscriptions: Sequence[tuple[str, int]], traffic: Traffic, *, listen_only: bool
    ) -> None:
        self.connection: Connection | None = None
        self.failure: str | None = None
        self._config = config
        self._subscriptions = subscriptions
        self._traffic = traffic
        self._listen_only = listen_only
        self._last_progress = time.monotonic()
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    @property
    def started(self) -> bool:
        """Whether the thread was started, whatever became of it."""
        return self._thread.ident is not None

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def last_progress_monotonic(self) -> float:
        """When the thread last went round; it stands still only while it connects, for some seconds."""
        connection = self.connection
        return self._last_progress if connection is None else max(self._last_progress, connection.last_progress)

    def start(self) -> None:
        """Start the thread; it connects, and goes on trying."""
        self._traffic.waker.open()
        self._thread.start()

    def leave(self) -> None:
        """Make no further connection; the one that there is takes leave by `Traffic.leave_before`."""
        self._leaving.set()
        self._traffic.waker.wake()

    def join(self, timeout_seconds: float) -> None:
        """Wait for the end of the thread; give up after the timeout."""
        if self.started:
            self._thread.join(timeout_seconds + _JOIN_SECONDS)
        if self.alive:
            log.warning("the broker connection did not end in time", timeout_seconds=timeout_seconds)

    def _run(self) -> None:
        try:
            self._keep_connected()
        finally:
            self._traffic.waker.close()
            left = len(self._traffic.send_queue)
            if left and self._traffic.leave_before is not None:
                log.warning("messages were left unpublished", messages=left)
            self._traffic.wake(urgent=True)  # the engine waits for the end, or makes another link

    def _keep_connected(self) -> None:
        backoff = Backoff(_FIRST_DELAY_SECONDS, self._config.reconnect_ceiling_seconds, random.Random())
        while not self._leaving.is_set():
            began = self._last_progress = time.monotonic()
            failure = self._connect_and_serve()
            if failure is None:
                break
            self.failure = failure
            if time.monotonic() - began > _STABLE_SECONDS:
                backoff.reset()
            delay_seconds = backoff.next_seconds()
            log.warning("no broker connection", reason=failure, retry_seconds=round(delay_seconds, 1))
            self._rest(delay_seconds)

    def _rest(self, delay_seconds: float) -> None:
        """Wait, visibly alive; at most until we leave."""
        now = time.monotonic()
        again = now + delay_seconds
        while now < again and not self._leaving.wait(min(again - now, 1.0)):
            now = self._last_progress = time.monotonic()

    def _connect_and_serve(self) -> str | None:
        """One connection from beginning to end; why it ended, None if we left."""
        connection = self.connection = Connection(
            self._config, self._subscriptions, self._traffic, listen_only=self._listen_only
        )
        try:
            connection.open()
            connection.serve()
        except (ConnectionOverError, FrameError, SettingsFileError) as error:
            return str(error)
        except OSError as error:
            if connection.online_since is None:
                return explain(error, self._config)
            return f"connection lost: {error.strerror or error}"
        except Exception as error:
            # an error of ours: it must not end the link, and must not pass unseen
            log.exception("the broker connection met an unexpected error")
            return f"{type(error).__name__}: {error}"
        else:
            return None
        finally:
            connection.close()
