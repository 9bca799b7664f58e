"""A scorer that hangs, a network thread that is stuck, workers that die: each is found, told and ended or mended."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from monitor.core.artifact.manifest import MANIFEST_FILE
from tests.broker import PATIENCE_SECONDS, Broker, Peer, wait_until
from tests.daemon import RATE_HZ, Daemon, SabotagedDaemon, config_text, wave
from tests.repository import ROOT

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning"),
]

WATCHDOG_SECONDS = 3


class HangsOnHugeValues(torch.nn.Module):
    """A model like `inner`, until a value beyond 100,000 comes: then it never ends."""

    def __init__(self, inner: torch.jit.ScriptModule) -> None:
        super().__init__()
        self.inner = inner

    def forward(
        self, windows: torch.Tensor, centre: torch.Tensor, scale: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        turns = windows.abs().max()
        while bool(turns > 1e5):
            turns = turns + 1.0
        error, channel_error = self.inner(windows, centre, scale)
        return error + 0.0 * turns, channel_error


class Systemd:
    """The socket that a daemon tells systemd on how it is."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self._socket.setblocking(False)
        self.heard: list[str] = []

    def feeds(self) -> int:
        while True:
            try:
                self.heard += self._socket.recv(65536).decode().split("\n")
            except BlockingIOError:
                return self.heard.count("WATCHDOG=1")

    def close(self) -> None:
        self._socket.close()

    def environment(self) -> dict[str, str]:
        return {"NOTIFY_SOCKET": str(self.path), "WATCHDOG_USEC": str(WATCHDOG_SECONDS * 1_000_000)}


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    listening = Systemd(tmp_path)
    yield listening
    listening.close()


@pytest.fixture
def started() -> Iterator[list[Daemon]]:
    daemons: list[Daemon] = []
    yield daemons
    for daemon in daemons:
        daemon.process.kill()
        daemon.process.wait(PATIENCE_SECONDS)


def config_for(folder: Path, broker: Broker, model: Path) -> Path:
    config = folder / "monitor.toml"
    config.write_text(config_text(broker.port, model))
    return config


def ended_because(daemon: Daemon) -> dict[str, object]:
    assert daemon.process.wait(PATIENCE_SECONDS) == 70, daemon.log_file.read_text()
    found = daemon.event("a part hangs; ending, to be started anew")
    assert found is not None
    return found


def test_a_daemon_that_has_nothing_to_do_feeds_the_watchdog(
    tmp_path: Path, broker: Broker, model: Path, systemd: Systemd, started: list[Daemon]
) -> None:
    daemon = Daemon(config_for(tmp_path, broker, model), **systemd.environment())
    started.append(daemon)
    daemon.wait_running()
    wait_until(lambda: systemd.feeds() > WATCHDOG_SECONDS, "fed for longer than the limit")
    assert daemon.process.poll() is None


def test_a_scorer_that_hangs_is_found_and_the_process_ended_with_the_reason(
    tmp_path: Path, broker: Broker, peer: Peer, model: Path, systemd: Systemd, started: list[Daemon]
) -> None:
    files = {MANIFEST_FILE: ""}
    inner = torch.jit.load(model / "current", _extra_files=files)  # type: ignore[no-untyped-call]
    hanging = tmp_path / "hanging.pt"
    torch.jit.save(torch.jit.script(HangsOnHugeValues(inner)), hanging, _extra_files=files)
    daemon = Daemon(config_for(tmp_path, broker, hanging), **systemd.environment())
    started.append(daemon)
    daemon.wait_connected()
    rows = wave(0, 100)
    rows[80, 0] = 1e6
    payload = {"ts": time.time() - 100 / RATE_HZ, "rows": rows.tolist()}
    peer.publish("plant/north/press/hum", json.dumps(payload).encode(), qos=1)
    found = ended_because(daemon)
    assert str(found["reason"]).startswith("the pipeline has not moved for")
    assert "torchscript.py" in str(found["stack"])
    wait_until(lambda: systemd.feeds() >= 0 and f"STATUS={found['reason']}" in systemd.heard, "systemd knows")


STUCK_NETWORK = """
import socket, threading, monitor.daemon.health
monitor.daemon.health._CONNECT_SECONDS = 1.0
socket.create_connection = lambda *args, **kwargs: threading.Event().wait()
"""


def test_a_network_thread_that_is_stuck_is_found_and_the_process_ended_with_the_reason(
    tmp_path: Path, broker: Broker, model: Path, systemd: Systemd, started: list[Daemon]
) -> None:
    daemon = SabotagedDaemon(config_for(tmp_path, broker, model), STUCK_NETWORK, **systemd.environment())
    started.append(daemon)
    found = ended_because(daemon)
    assert str(found["reason"]).startswith("the network thread has not moved for")
    assert "_create_socket" in str(found["stack"])


DEAD_NETWORK = """
import socket
connect, calls = socket.create_connection, []
def die_once(*args, **kwargs):
    calls.append(args)
    if len(calls) == 1:
        raise SystemExit  # which no handler of ours catches: the thread ends
    return connect(*args, **kwargs)
socket.create_connection = die_once
"""


def test_a_network_thread_that_dies_is_replaced_and_telemetry_goes_on(
    tmp_path: Path, broker: Broker, peer: Peer, model: Path, started: list[Daemon]
) -> None:
    daemon = SabotagedDaemon(config_for(tmp_path, broker, model), DEAD_NETWORK)
    started.append(daemon)
    daemon.wait_connected()
    found = daemon.event("a source or sink died; another takes its place")
    assert found is not None
    assert found["died"] == ["mqtt"]
    payload = {"ts": time.time() - 1, "rows": wave(0, 64).tolist()}
    peer.publish("plant/north/press/hum", json.dumps(payload).encode(), qos=1)
    wait_until(
        lambda: daemon.value("residuald_windows_scored_total", stream="north.press", model="hum") == 1, "a window"
    )


DEAD_HTTP = """
from monitor.adapters.web.listener import Listener
from tests.repository import ROOT
def die(self):
    raise SystemExit
Listener.service_actions = die
"""


def test_an_http_thread_that_dies_is_found_and_the_process_ended_with_the_reason(
    tmp_path: Path, broker: Broker, model: Path, systemd: Systemd, started: list[Daemon]
) -> None:
    daemon = SabotagedDaemon(config_for(tmp_path, broker, model), DEAD_HTTP, **systemd.environment())
    started.append(daemon)
    assert str(ended_because(daemon)["reason"]).startswith("the HTTP server has no thread any more")


def test_systemd_starts_a_daemon_anew_that_ended_itself() -> None:
    unit = (ROOT / "systemd" / "residuald.service").read_text()
    assert "Restart=on-failure" in unit
    assert "WatchdogSec=30" in unit
    (prevented,) = [line for line in unit.splitlines() if line.startswith("RestartPreventExitStatus=")]
    assert "70" not in prevented
