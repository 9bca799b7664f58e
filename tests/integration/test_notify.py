"""What systemd hears, on a real datagram socket, in the file system and in the abstract namespace."""

import os
import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from monitor.adapters.process.sd_notify import Notifier

pytestmark = pytest.mark.integration


class Systemd:
    """The other end: what systemd would read."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{path[1:]}" if path.startswith("@") else path)
        self._socket.settimeout(30.0)

    def heard(self) -> list[str]:
        return self._socket.recv(65536).decode().split("\n")

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["file", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Systemd]:
    other_end = Systemd(str(tmp_path / "notify") if request.param == "file" else f"@residuald-{uuid.uuid4()}")
    yield other_end
    other_end.close()


def test_every_state_arrives_as_systemd_expects_it(systemd: Systemd) -> None:
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": systemd.path, "WATCHDOG_USEC": "30000000"})
    notifier.ready("12 streams")
    assert systemd.heard() == ["READY=1", "STATUS=12 streams"]
    notifier.status("13 streams")
    assert systemd.heard() == ["STATUS=13 streams"]
    notifier.watchdog()
    assert systemd.heard() == ["WATCHDOG=1"]
    notifier.stopping()
    assert systemd.heard() == ["STOPPING=1"]


def test_a_reload_carries_the_monotonic_time(systemd: Systemd) -> None:
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    Notifier(systemd.path).reloading()
    state, assignment = systemd.heard()
    name, _, value = assignment.partition("=")
    assert (state, name) == ("RELOADING=1", "MONOTONIC_USEC")
    assert before <= int(value) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


def test_a_status_stays_on_one_line(systemd: Systemd) -> None:
    Notifier(systemd.path).status("no broker\nREADY=1\r\n")
    assert systemd.heard() == ["STATUS=no broker READY=1"]


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "2500000"}, 2.5),
        ({"WATCHDOG_USEC": "2500000", "WATCHDOG_PID": str(os.getpid())}, 2.5),
        ({"WATCHDOG_USEC": "2500000", "WATCHDOG_PID": "1"}, None),
    ],
)
def test_the_watchdog_is_fed_only_if_it_watches_us(
    systemd: Systemd, environment: dict[str, str], seconds: float | None
) -> None:
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": systemd.path} | environment)
    assert notifier.watchdog_seconds == seconds
    notifier.watchdog()
    notifier.stopping()
    assert systemd.heard() == (["STOPPING=1"] if seconds is None else ["WATCHDOG=1"])


def test_without_systemd_nothing_happens() -> None:
    notifier = Notifier.from_environment({})
    with structlog.testing.capture_logs() as logs:
        notifier.ready("ok")
        notifier.stopping()
    assert logs == []


def test_a_socket_that_nobody_reads_is_logged_and_does_not_stop_us(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as logs:
        Notifier(str(tmp_path / "gone")).ready("ok")
    assert [entry["event"] for entry in logs] == ["systemd cannot be told"]
