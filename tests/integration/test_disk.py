"""A disk that is full, read-only or slow, a database that is held or damaged: the daemon scores on and says so."""

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.broker import Broker, Peer, wait_until
from tests.daemon import LENGTH, RATE_HZ, Daemon, config_text, wave

pytestmark = pytest.mark.integration

TOPIC, STREAM, ROWS = "plant/north/press/hum", "north.press", 10
STRIDE = 32
DISK_BYTES = 8 * 1024 * 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small ext4 of its own, which turns read-only when it meets an error."""
    folder, image = tmp_path / "disk", tmp_path / "image"
    folder.mkdir()
    image.write_bytes(b"")
    os.truncate(image, DISK_BYTES)
    made = subprocess.run(["mkfs.ext4", "-q", "-F", image], capture_output=True, check=False)
    mount: list[str | Path] = ["mount", "-o", "loop,errors=remount-ro", image, folder]
    if made.returncode or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system is not permitted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


class Bench:
    """A daemon that keeps its journal on `disk`, and a device that sends ten rows at a time."""

    def __init__(self, daemon: Daemon, peer: Peer, disk: Path) -> None:
        self.daemon, self.peer, self.disk = daemon, peer, disk
        self._began = round(time.time()) - 600.0
        self._sent = 0

    def send(self, messages: int = 10) -> None:
        for _ in range(messages):
            first = self._sent * ROWS
            body = {"ts": self._began + first / RATE_HZ, "rows": wave(first, ROWS).tolist()}
            self.peer.publish(TOPIC, json.dumps(body).encode(), qos=1)
            self._sent += 1

    def wait_scored(self) -> None:
        windows = (self._sent * ROWS - LENGTH) // STRIDE + 1
        wait_until(
            lambda: (
                self.daemon.value("residuald_windows_scored_total", stream=STREAM, model="hum") == windows
                and self.daemon.value("residuald_messages_received_total", source="machines") == self._sent
            ),
            f"{windows} windows",
        )

    def is_ready(self) -> bool:
        return self.daemon.get("/readyz")[0] == 200

    def wait_said(self, why: str) -> None:
        """Wait until /readyz, the metric and the topic all say it."""

        def said() -> bool:
            status, text = self.daemon.get("/readyz")
            return status == 503 and why in json.loads(text)["reasons"].get("journal", "")

        wait_until(said, f"/readyz says {why!r}")
        assert self.daemon.value("residuald_journal_healthy") == 0

        def published() -> bool:
            told = [json.loads(payload) for payload in self.peer.payloads("residuald/status/journal")]
            return any(each["state"] == "trouble" and why in each["reason"] for each in told)

        wait_until(published, "the topic says it")


@pytest.fixture
def bench(tmp_path: Path, persistent_broker: Broker, model: Path, disk: Path) -> Iterator[Bench]:
    config = tmp_path / "monitor.toml"
    kept = f'[journal]\npath = "{disk}/kept"\ncheckpoint_seconds = 1'
    config.write_text(config_text(persistent_broker.port, model, extra=kept))
    bench = Bench(Daemon(config), Peer(persistent_broker), disk)
    bench.peer.listen("residuald/#")
    try:
        bench.daemon.wait_connected()
        yield bench
    finally:
        bench.daemon.stop()
        bench.peer.close()


@contextlib.contextmanager
def full(bench: Bench) -> Iterator[None]:
    filler = bench.disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb") as file:
        while True:
            file.write(bytes(4096))
            file.flush()
    yield
    filler.unlink()


@contextlib.contextmanager
def held(bench: Bench) -> Iterator[None]:
    with contextlib.closing(sqlite3.connect(bench.disk / "kept" / "journal.sqlite", isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        yield


@pytest.mark.parametrize(
    ("trouble", "why"),
    [(full, "database or disk is full"), (held, "database is locked")],
    ids=["full", "held"],
)
def test_a_disk_that_cannot_be_written_is_told_scored_through_and_forgotten_when_it_can(
    bench: Bench, trouble: Callable[[Bench], AbstractContextManager[None]], why: str
) -> None:
    bench.send()
    bench.wait_scored()
    with trouble(bench):
        bench.send(200)  # until pages that the database still had room in are used up
        bench.wait_said(f"a crash would lose data: {why}")
        bench.send()
        bench.wait_scored()
        assert (bench.daemon.value("residuald_journal_dropped_total", reason="disk") or 0) >= 10
    wait_until(bench.is_ready, "the journal is whole again by itself")
    bench.send()
    bench.daemon.stop(signal.SIGKILL)
    bench.daemon = Daemon(bench.daemon.config).wait_connected()
    bench.wait_scored()  # what was scored in between is in the checkpoint


def test_a_disk_that_turns_read_only_is_told_and_scored_through(bench: Bench) -> None:
    bench.send()
    bench.wait_scored()
    found = subprocess.run(["findmnt", "-no", "SOURCE", bench.disk], capture_output=True, text=True, check=True)
    Path("/sys/fs/ext4", Path(found.stdout.strip()).name, "trigger_fs_error").write_text("of the test")
    bench.send()
    bench.wait_said("a crash would lose data: ")
    bench.send()
    bench.wait_scored()
    assert not bench.is_ready()


@contextlib.contextmanager
def slow_writes(daemon: Daemon, seconds: float) -> Iterator[None]:
    """Whatever the daemon writes to files takes so much longer."""
    if shutil.which("strace") is None:
        pytest.skip("this test needs strace: apt install strace")
    inject = f"inject=pwrite64:delay_enter={seconds * 1e6:.0f}"
    command = ["strace", "-f", "-p", str(daemon.process.pid), "-o", "/dev/null", "-e", "trace=pwrite64", "-e", inject]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        if "attached" not in tracer.stderr.readline():
            pytest.skip("tracing another process is not permitted here")
        yield
        tracer.terminate()


def test_a_slow_disk_is_told_and_nothing_is_lost(bench: Bench) -> None:
    bench.send()
    with slow_writes(bench.daemon, 0.15):
        bench.send()
        bench.wait_said("the disk is slow: a commit took")
        bench.wait_scored()
    assert bench.daemon.value("residuald_journal_messages_total") == 20
    bench.daemon.stop(signal.SIGKILL)
    bench.daemon = Daemon(bench.daemon.config).wait_connected()
    bench.wait_scored()


def test_a_database_that_is_damaged_under_the_daemon_is_moved_aside_and_nothing_is_lost(bench: Bench) -> None:
    bench.send()
    bench.wait_scored()
    with (bench.disk / "kept" / "journal.sqlite").open("r+b") as file:
        file.write(b"not a database any more " * 4000)
    bench.send()
    wait_until(lambda: bench.daemon.value("residuald_journal_moved_aside_total") == 1, "it is noticed")
    told = bench.daemon.event("the journal is damaged; a fresh one was started")
    assert told is not None
    assert Path(str(told["moved_to"])).exists()
    wait_until(bench.is_ready, "the journal is whole again by itself")
    bench.send()
    bench.wait_scored()
    wait_until(
        lambda: any(b'"moved_aside":1' in payload for payload in bench.peer.payloads("residuald/status/journal")),
        "the topic tells it",
    )
    bench.daemon.stop(signal.SIGKILL)
    bench.daemon = Daemon(bench.daemon.config).wait_connected()
    bench.wait_scored()
