"""The daemon's wiring without its threads: what must come before what, and what must not be told to systemd."""

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from monitor.adapters.engines.loader import Artifact
from monitor.adapters.mqtt.inbound_session import Receipt
from monitor.adapters.mqtt.send_queue import Outgoing
from monitor.adapters.process.sd_notify import Notifier
from monitor.adapters.storage.journal import Journal
from monitor.adapters.web.server import HttpServer
from monitor.config.model import Config, HttpConfig
from monitor.core.values.messages import Message, MessageBatch
from monitor.core.values.scorer import Floats32, ScoreBatch
from monitor.daemon.app import App
from monitor.setup.build import Setup
from tests.manifests import PERIOD, MeanSquareScorer, manifest_of

START = 1_700_000_000.0
LENGTH, STRIDE = 8, 4
SOURCE = {
    "name": "rows",
    "topic": "plant/{device}",
    "model": "m",
    "qos": 1,
    "format": {"kind": "json", "timestamp": "ts", "rows": "rows"},
}


class Noting(MeanSquareScorer):
    """A scorer that notes the last value of each window: with numbered samples, which window it is."""

    def __init__(self) -> None:
        self.ends: list[int] = []

    def score(self, windows: Floats32, centre: Floats32, scale: Floats32) -> ScoreBatch:
        self.ends += np.round(windows[:, 0, -1]).astype(int).tolist()
        return super().score(windows, centre, scale)


def setup_of(scorer: Noting, version: str = "1", threshold: float = 1e12, **changed: Any) -> Setup:
    """Settings under which windows wait for as long as they may."""
    settings: dict[str, Any] = {
        "source": [SOURCE],
        "model": [{"name": "m", "path": "/nowhere", "judge": {"k": 1, "n": 1}}],
        "scoring": {"max_delay_seconds": 1.0},
    }
    manifest = manifest_of(version=version, threshold=threshold)
    return Setup(
        Config.model_validate(settings | changed), {"m": Artifact(Path("/nowhere"), "", manifest, scorer, 10_000)}
    )


class Bench:
    """A daemon that is set up as `run` sets it up, and whose turns the test makes; no thread runs."""

    def __init__(self, setup: Setup, notifier: Notifier | None = None) -> None:
        self.app = App(Path("/nowhere/monitor.toml"), setup, notifier or Notifier(None))
        self.app._start()
        self.app._http = HttpServer(HttpConfig(), CollectorRegistry(), healthz=lambda: (True, ""), readyz=dict)
        self._sent = 0

    def send(self, count: int, receipt: Receipt | None = None) -> None:
        """Put samples into the inbox whose values are their numbers."""
        rows = [[number] for number in range(self._sent, self._sent + count)]
        payload = json.dumps({"ts": START + self._sent * PERIOD, "rows": rows}).encode()
        self._sent += count
        self.app.inbox.extend(MessageBatch.of([Message("plant/press", payload, START + self._sent * PERIOD, receipt)]))

    def take(self) -> None:
        """Walk what waits in the inbox; the windows that it completes go on waiting for the scorer."""
        self.app._walk(self.app.inbox.take(0.0), self.app._now())

    def swap(self, setup: Setup) -> None:
        self.app._swap(setup, self.app._now())

    def finish(self) -> None:
        self.app._walk(None, self.app._now(), everything=True)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Links that are made keep everything and never get a thread."""
    monkeypatch.setattr("monitor.daemon.app.MqttLink.start", lambda _link: None)
    monkeypatch.setattr("monitor.daemon.app.MqttLink.stop", lambda _link, _timeout_seconds: None)


def ends_of_windows(samples: int) -> list[int]:
    return list(range(LENGTH - 1, samples, STRIDE))


@pytest.mark.parametrize(
    "changed",
    [{}, {"limits": {"max_streams": 50}}, {"mqtt": {"keepalive_seconds": 31}}],
    ids=["another artifact", "another pipeline", "another connection"],
)
@pytest.mark.usefixtures("no_network")
def test_a_swap_scores_the_windows_that_wait_and_each_is_scored_once(changed: dict[str, Any]) -> None:
    old, new = Noting(), Noting()
    bench = Bench(setup_of(old))
    bench.send(22)
    bench.take()
    assert old.ends == []  # all wait
    bench.swap(setup_of(new, "2", **changed))
    assert old.ends == ends_of_windows(22)
    bench.send(18)
    bench.take()
    bench.finish()
    assert old.ends + new.ends == ends_of_windows(40)


@pytest.mark.usefixtures("no_network")
def test_a_new_connection_takes_over_only_after_what_the_old_one_brought_is_scored() -> None:
    scorer = Noting()
    bench = Bench(setup_of(scorer))
    bench.send(22)  # and nobody has taken it out of the inbox
    bench.swap(setup_of(Noting(), "2", mqtt={"keepalive_seconds": 31}))
    assert scorer.ends == ends_of_windows(22)


def test_streams_that_start_over_in_a_swap_have_their_last_windows_scored() -> None:
    old, new = Noting(), Noting()
    bench = Bench(setup_of(old))
    bench.send(22)
    bench.take()
    bench.swap(setup_of(new, "2", timing={"jitter_samples": 2}))
    bench.finish()
    assert (old.ends, new.ends) == (ends_of_windows(22), [])


def test_a_step_is_committed_before_it_is_published_and_published_before_it_is_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything_is_anomalous = setup_of(
        Noting(), threshold=1e-6, scoring={"max_delay_seconds": 0.0}, journal={"path": str(tmp_path)}
    )
    bench = Bench(everything_is_anomalous)
    disk = Journal(tmp_path / "journal.sqlite")  # as another process sees it
    disk.open()
    seen: list[str] = []

    def deliver(message: Outgoing) -> bool:
        committed = [pending.report.alert for pending in disk.undelivered()]
        assert message.alert in committed
        seen.append("published")
        return True

    def acknowledge(receipts: Iterator[Receipt]) -> None:
        if list(receipts):
            assert len(list(disk.steps(0))) == 1
            seen.append("acknowledged")

    monkeypatch.setattr(bench.app.link, "deliver", deliver)
    monkeypatch.setattr(bench.app.link, "acknowledge", acknowledge)
    bench.send(LENGTH, receipt=(1 << 16 | 5, 1, 77))
    bench.take()
    disk.close()
    assert seen == ["published", "published", "acknowledged"]  # pending and firing


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("successor", ["process", "connection"])
def test_what_is_delivered_again_to_a_successor_is_known_by_its_packet_identifier(
    tmp_path: Path, successor: str
) -> None:
    setup = setup_of(Noting(), journal={"path": str(tmp_path)})
    bench = Bench(setup)
    bench.send(LENGTH, receipt=(1 << 16 | 5, 1, 77))
    bench.take()
    if successor == "process":
        bench = Bench(setup)
    else:
        bench.app._replace_link("it died")
    receipts = bench.app.link._traffic.receipts
    receipts.resume(session_present=True)
    assert receipts.arrived(5, 1, duplicate=True, content=77) is None
    assert receipts.arrived(6, 1, duplicate=True, content=77) is not None


class Systemd:
    """The socket that systemd listens on."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        self.notifier = Notifier(str(path), watchdog_seconds=30.0)

    def heard(self) -> list[str]:
        lines: list[str] = []
        while True:
            try:
                lines += self._socket.recv(65536).decode().split("\n")
            except BlockingIOError:
                return lines

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    listening = Systemd(tmp_path / "notify")
    yield listening
    listening.close()


@pytest.mark.parametrize(("moves", "feeds"), [(True, 1), (False, 0)])
def test_the_watchdog_is_fed_by_a_turn_only_while_the_network_thread_moves(
    systemd: Systemd, monkeypatch: pytest.MonkeyPatch, moves: bool, feeds: int
) -> None:
    bench = Bench(setup_of(Noting()), systemd.notifier)
    monkeypatch.setattr(bench.app.link, "alive", lambda: True)  # it has a thread, which
    if not moves:
        bench.app.link._last_progress -= 31.0  # stands still
    bench.app.inbox.wake()
    bench.app._turn()
    heard = systemd.heard()
    assert any(line.startswith("STATUS=") for line in heard)
    assert heard.count("WATCHDOG=1") == feeds


class Sabotaging(Noting):
    """Notes whether the daemon was seen to move since the batch before, and lets it stand still again."""

    def __init__(self) -> None:
        super().__init__()
        self.moved: list[bool] = []
        self.bench: Bench | None = None

    def score(self, windows: Floats32, centre: Floats32, scale: Floats32) -> ScoreBatch:
        assert self.bench is not None
        self.moved.append(self.bench.app.moved_monotonic > 0.0)
        self.bench.app.moved_monotonic = 0.0
        return super().score(windows, centre, scale)


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.usefixtures("no_network")
def test_every_batch_of_a_long_step_counts_as_progress_and_feeds_the_watchdog(
    systemd: Systemd, monkeypatch: pytest.MonkeyPatch, swapped: bool
) -> None:
    scorer = Sabotaging()
    setup = setup_of(scorer, limits={"max_streams": 50})
    slow = replace(setup, artifacts={"m": replace(setup.artifacts["m"], max_batch=1)})
    bench = scorer.bench = Bench(setup_of(Noting()) if swapped else slow, systemd.notifier)
    if swapped:
        bench.swap(slow)
    monkeypatch.setattr(bench.app.link, "alive", lambda: True)
    systemd.heard()
    bench.send(42)
    bench.app._walk(bench.app.inbox.take(0.0), bench.app._now(), everything=True)
    assert len(scorer.moved) > 3
    assert all(scorer.moved)
    assert systemd.heard().count("WATCHDOG=1") == 1  # once a second is enough
