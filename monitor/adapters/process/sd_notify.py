"""What we tell systemd: sd_notify(3), datagrams of `KEY=value` lines to the socket named in NOTIFY_SOCKET."""

import os
import socket
import time
from collections.abc import Mapping
from typing import Self

import structlog

log = structlog.get_logger()


class Notifier:
    """Tells systemd how we are; says nothing where nobody listens.

    `path` is what NOTIFY_SOCKET holds (a leading `@` means the abstract namespace); None when not under systemd.
    """

    def __init__(self, path: str | None, watchdog_seconds: float | None = None) -> None:
        self._path = path
        self._watchdog_seconds = watchdog_seconds

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Take NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID as systemd sets them."""
        watchdog_usec = environment.get("WATCHDOG_USEC", "")
        meant_for_us = environment.get("WATCHDOG_PID") in {None, str(os.getpid())}
        armed = watchdog_usec.isdecimal() and int(watchdog_usec) > 0 and meant_for_us
        return cls(environment.get("NOTIFY_SOCKET") or None, int(watchdog_usec) / 1e6 if armed else None)

    @property
    def watchdog_seconds(self) -> float | None:
        """How often systemd wants to hear from us at the least; feed it twice as often. None: it does not watch."""
        return self._watchdog_seconds

    def ready(self, status: str) -> None:
        """Start-up or a reload is done."""
        self._send("READY=1", _status(status))

    def reloading(self) -> None:
        """A reload begins; `ready` ends it."""
        # systemd (Type=notify-reload) tells old from new by this clock, which Python's monotonic is on Linux
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """We are about to end."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """One line that `systemctl status` shows."""
        self._send(_status(text))

    def watchdog(self) -> None:
        """Feed the watchdog: work has been done, or there was none."""
        if self._watchdog_seconds is not None:
            self._send("WATCHDOG=1")

    def _send(self, *assignments: str) -> None:
        if self._path is None:
            return
        address = f"\0{self._path[1:]}" if self._path.startswith("@") else self._path
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.settimeout(1.0)
                channel.sendto("\n".join(assignments).encode(), address)
        except OSError as error:
            log.warning("systemd cannot be told", socket=self._path, error=error.strerror or str(error))


def _status(text: str) -> str:
    # a line break would start another assignment
    return f"STATUS={' '.join(text.split())}"
