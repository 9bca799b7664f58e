"""The daemon's wiring without its threads: what must come before what, and what must not be told to systemd."""

import json
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.adapters.engines.loader import Artifact
from monitor.adapters.mqtt.inbound_session import Receipt, resume_of
from monitor.adapters.mqtt.link import MqttLink
from monitor.adapters.process.sd_notify import Notifier
from monitor.core.ports import Wake, do_nothing
from monitor.core.values.messages import Message, MessageBatch
from monitor.core.values.scorer import Floats32, ScoreBatch
from monitor.daemon.app import App
from monitor.setup.build import Setup
from monitor.setup.registry import Config
from tests.manifests import PERIOD, MeanSquareScorer, manifest_of

START = float(int(time.time()))  # a stream of long ago would be forgotten
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


class Link(MqttLink):
    """A link without a thread: what is put into its inbox came from a broker, and what is published stays in it."""

    def start(self, wake: Wake = do_nothing) -> None:
        self.inbox.call_on_arrival(wake)

    @property
    def alive(self) -> bool:
        return True

    def leave(self, timeout_seconds: float) -> None:  # noqa: ARG002 - it ends at once
        self.left = True


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.setup.doors.MqttLink", Link)


class Bench:
    """A daemon that is assembled as `run` assembles it, and whose turns the test makes."""

    def __init__(self, setup: Setup, notifier: Notifier | None = None) -> None:
        self.app = App(Path("/nowhere/monitor.toml"), setup, notifier or Notifier(None))
        self.app.assemble()
        self.app.engine.start()
        self._sent = 0

    @property
    def link(self) -> MqttLink:
        assert self.app.link is not None
        return self.app.link

    def send(self, count: int, token: Receipt | None = None) -> None:
        """Put samples into the inbox whose values are their numbers."""
        rows = [[number] for number in range(self._sent, self._sent + count)]
        payload = json.dumps({"ts": START + self._sent * PERIOD, "rows": rows}).encode()
        self._sent += count
        message = Message("plant/press", payload, START + self._sent * PERIOD, token, qos=0 if token is None else 1)
        self.link.inbox.extend(MessageBatch.of([message]))

    def take(self) -> None:
        """Walk what waits in the inbox; the windows that it completes go on waiting for the scorer."""
        self.app.engine.wake(urgent=True)
        self.app.turn()

    def finish(self) -> None:
        self.app.engine.flush()


def ends_of_windows(samples: int) -> list[int]:
    return list(range(LENGTH - 1, samples, STRIDE))


@pytest.mark.parametrize(
    "changed",
    [{}, {"limits": {"max_streams": 50}}, {"mqtt": {"keepalive_seconds": 31}}],
    ids=["another artifact", "another pipeline", "another connection"],
)
def test_a_swap_scores_the_windows_that_wait_and_each_is_scored_once(changed: dict[str, Any]) -> None:
    old, new = Noting(), Noting()
    bench = Bench(setup_of(old))
    bench.send(22)
    bench.take()
    assert old.ends == []  # all wait
    bench.app.apply(setup_of(new, "2", **changed))
    assert old.ends == ends_of_windows(22)
    bench.send(18)
    bench.take()
    bench.finish()
    assert old.ends + new.ends == ends_of_windows(40)


def test_a_new_connection_takes_over_only_after_what_the_old_one_brought_is_scored() -> None:
    scorer = Noting()
    bench = Bench(setup_of(scorer))
    before = bench.link
    bench.send(22)  # and nobody has taken it out of the inbox
    bench.app.apply(setup_of(Noting(), "2", mqtt={"keepalive_seconds": 31}))
    assert scorer.ends == ends_of_windows(22)
    assert bench.link is not before


def test_what_did_not_change_keeps_its_connection() -> None:
    bench = Bench(setup_of(Noting()))
    before = bench.link
    bench.app.apply(setup_of(Noting(), "2", limits={"max_streams": 50}))
    assert bench.link is before


def test_the_inbox_of_a_connection_that_stays_names_what_it_drops_by_the_new_names_of_streams() -> None:
    limits = {"max_inbox_messages": 4}
    bench = Bench(setup_of(Noting(), limits=limits))
    connection = bench.link
    bench.app.apply(setup_of(Noting(), limits=limits, source=[SOURCE | {"stream": "{device}.x"}]))
    assert bench.link is connection
    for _ in range(8):
        bench.send(1)
    assert set(bench.link.inbox.dropped_by_share) == {"press.x"}


def test_streams_that_start_over_in_a_swap_have_their_last_windows_scored() -> None:
    old, new = Noting(), Noting()
    bench = Bench(setup_of(old))
    bench.send(22)
    bench.take()
    bench.app.apply(setup_of(new, "2", timing={"jitter_samples": 2}))
    bench.finish()
    assert (old.ends, new.ends) == (ends_of_windows(22), [])


@pytest.mark.parametrize("successor", ["process", "connection"])
def test_what_is_delivered_again_to_a_successor_is_known_by_its_packet_identifier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, successor: str
) -> None:
    remembered: list[bytes] = []
    monkeypatch.setattr(Link, "remember", lambda _link, resume: remembered.append(resume))
    setup = setup_of(Noting(), journal={"path": str(tmp_path)})
    bench = Bench(setup)
    bench.send(LENGTH, token=(1 << 16 | 5, 1, 77))
    bench.take()
    assert remembered == []
    if successor == "process":
        Bench(setup)
    else:
        bench.app.apply(setup_of(Noting(), journal={"path": str(tmp_path)}, mqtt={"keepalive_seconds": 31}))
    assert remembered == [resume_of([(5, 1, 77)])]


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
    if not moves:
        monkeypatch.setattr(Link, "last_progress_monotonic", time.monotonic() - 31.0)  # it stands still
    bench = Bench(setup_of(Noting()), systemd.notifier)
    bench.take()
    heard = systemd.heard()
    assert any(line.startswith("STATUS=") for line in heard)
    assert heard.count("WATCHDOG=1") == feeds


def test_a_link_whose_thread_died_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = Noting()
    bench = Bench(setup_of(scorer))
    dead = bench.link
    bench.send(22)
    monkeypatch.setattr(Link, "alive", property(lambda link: link is not dead))
    bench.take()
    assert bench.link is not dead
    assert scorer.ends == ends_of_windows(22)


class Slow(Noting):
    """Notes when the daemon was seen to move last, at each batch."""

    def __init__(self) -> None:
        super().__init__()
        self.moved: list[float] = []
        self.bench: Bench | None = None

    def score(self, windows: Floats32, centre: Floats32, scale: Floats32) -> ScoreBatch:
        assert self.bench is not None
        self.moved.append(self.bench.app.moved_monotonic)
        return super().score(windows, centre, scale)


@pytest.mark.parametrize("swapped", [False, True])
def test_every_batch_of_a_long_step_counts_as_progress_and_feeds_the_watchdog(systemd: Systemd, swapped: bool) -> None:
    scorer = Slow()
    setup = setup_of(scorer, limits={"max_streams": 50})
    slow = replace(setup, artifacts={"m": replace(setup.artifacts["m"], max_batch=1)})
    bench = scorer.bench = Bench(setup_of(Noting()) if swapped else slow, systemd.notifier)
    if swapped:
        bench.app.apply(slow)
    systemd.heard()
    bench.send(42)
    bench.take()
    bench.finish()
    assert len(scorer.moved) > 3
    assert scorer.moved == sorted(set(scorer.moved))  # it moved between any two batches
    assert systemd.heard().count("WATCHDOG=1") == 1  # once a second is enough


def test_the_daemon_ends_by_itself_when_its_sources_do(tmp_path: Path) -> None:
    """Assembled from a configuration without a broker, it opens no connection."""
    file = tmp_path / "lines.json"
    file.write_text("")
    source = {key: value for key, value in SOURCE.items() if key not in {"topic", "qos"}}
    app = App(
        Path("/nowhere/monitor.toml"),
        setup_of(Noting(), source=[source | {"file": str(file), "stream": "press"}]),
        Notifier(None),
    )
    app.assemble()
    assert app.link is None
