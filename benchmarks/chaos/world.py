"""The world of the chaos run: broker, network, disk and clock, each of which can fail, and the daemon among them."""

import contextlib
import http.client
import shutil
import signal
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.chaos.brokers import BrokerChoice
from benchmarks.chaos.daemon import Daemon, DaemonParent
from benchmarks.chaos.proxy import Proxy
from benchmarks.chaos.settings import Settings
from benchmarks.common import broker_kinds
from benchmarks.common.broker import free_port

PATIENCE_SECONDS = 60.0
SCRAPE_SECONDS = 0.1  # between two looks at the metrics
DISK_BYTES = 48 * 1024 * 1024
_RELOADED = "residuald_config_last_reload_success_timestamp_seconds"
# by sample name, and by name and value of each of these labels
Metrics = dict[str, float]
_LABELS = ("stream", "source", "model")


class ChaosError(Exception):
    """The world did not do what it should; the run is void."""


def wait_for(condition: Callable[[], bool], what: str, every_seconds: float = 0.02) -> None:
    """Wait for something that has to come.

    Raises:
        ChaosError: it does not, for a minute.

    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise ChaosError(f"waited {PATIENCE_SECONDS:g} s in vain: {what}")
        time.sleep(every_seconds)


class World:
    """Everything beside the devices. `disk_is_small`: whether the journal lies on a file system that can be filled.

    models: the folder that holds the models. packages: where brokers were fetched to.
    """

    def __init__(self, folder: Path, models: Path, broker: BrokerChoice, packages: Path) -> None:
        self.folder = folder
        self.models = models
        self.config = folder / "monitor.toml"
        self.disk = folder / "disk"
        self.broker_port = free_port()
        self.http_port = free_port()
        self.kills = 0
        self.stop_seconds: list[float] = []
        self._configurations = 0
        self._loading_since: float | None = None  # when it had loaded something before, if it was told to load
        self._packages = packages
        self._launch = broker.prepare(folder, packages, self.broker_port)
        self._clock = folder / "clock"
        self._broker: subprocess.Popen[bytes] | None = None
        self._log = (folder / "daemon.log").open("ab")
        self._clock.write_text("0")
        self._parent = DaemonParent(self._clock, self._log)
        self._daemon: Daemon | None = None
        self.disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(self.disk)]
        self.disk_is_small = subprocess.run(mount, capture_output=True, check=False).returncode == 0
        self.can_slow = _can_trace()
        self.proxy = Proxy(self.broker_port)
        self.settings = Settings(
            self.proxy.port,
            self.http_port,
            self.disk,
            models,
            protocol=broker.protocol,
            alert_qos=broker.alert_qos,
            qos=broker.qos,
        )
        self._write(self.settings.text)

    def close(self) -> None:
        self._parent.close()
        self.stop_broker()
        self.proxy.close()
        self._log.close()
        if self.disk_is_small:
            subprocess.run(["umount", "-l", str(self.disk)], check=False)

    # --- the broker and the network

    def start_broker(self) -> None:
        self._broker = broker_kinds.start(self._launch, self.broker_port, self.folder, self._packages)

    def stop_broker(self) -> None:
        if self._broker is not None:
            broker_kinds.stop(self._launch, self._broker)
            self._broker = None

    # --- the daemon

    def start_daemon(self) -> None:
        self._daemon = self._parent.start(self.config)
        self._loading_since = None

    def kill_daemon(self) -> None:
        self._running.send_signal(signal.SIGKILL)
        self._running.wait(PATIENCE_SECONDS)
        self.kills += 1

    def stop_daemon(self) -> None:
        """Stop the daemon as systemd would, and note how long that took.

        Raises:
            ChaosError: it does not end, or not well.

        """
        began = time.monotonic()
        self._running.send_signal(signal.SIGTERM)
        code = self._running.wait(PATIENCE_SECONDS)
        self.stop_seconds.append(time.monotonic() - began)
        if code != 0:
            raise ChaosError(f"the daemon does not stop as it should: {code}")

    def reload(self) -> None:
        """Let the daemon load what it has to load, and do not wait for that."""
        self._loading_since = self.metrics()[_RELOADED]
        self._running.send_signal(signal.SIGHUP)

    def configure(self, settings: Settings | None = None) -> Path:
        """Let the daemon go on with other settings or artifacts; a file that says what it uses from then on.

        Returns once it has taken them over.
        """
        self.settings = settings or self.settings
        self.wait_reloaded(lambda: self._write(self.settings.text))
        self._configurations += 1
        frozen = self.folder / f"monitor-{self._configurations}.toml"
        frozen.write_text(self.settings.frozen_text)
        return frozen

    def wait_reloaded(self, change: Callable[[], object], *, signalled: bool = True) -> None:
        """Change something, tell the daemon by SIGHUP if it is to be told, and wait until it has taken it over."""
        self._wait_loaded(self._loading_since)  # or what was read before the change would be taken for it
        before = self.metrics()[_RELOADED]
        change()
        if signalled:
            self.reload()
        self._wait_loaded(before)

    def _wait_loaded(self, before: float | None) -> None:
        if before is not None:
            wait_for(lambda: self.metrics()[_RELOADED] != before, "the daemon loads what has changed", SCRAPE_SECONDS)
        self._loading_since = None

    def misconfigure(self) -> None:
        """Let the daemon meet a configuration with a mistake; it goes on with the one before."""
        worked = "residuald_config_last_reload_successful"
        self._wait_loaded(self._loading_since)
        self._write(self.settings.text + "\n[limitz]\n")
        self.reload()
        wait_for(lambda: not self.metrics()[worked], "the mistake is told", SCRAPE_SECONDS)
        self._loading_since = None
        self.wait_reloaded(lambda: self._write(self.settings.text))

    def _write(self, text: str) -> None:
        new = self.config.with_suffix(".new")
        new.write_text(text)
        new.replace(self.config)

    @property
    def _running(self) -> Daemon:
        if self._daemon is None:
            raise ChaosError("there is no daemon")
        return self._daemon

    def wait_ready(self) -> None:
        wait_for(lambda: self.readiness() == 200, f"the daemon gets ready (see {self.folder}/daemon.log)")

    def readiness(self) -> int:
        """The status of /readyz; 0 where nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/readyz", timeout=5.0) as response:
                status: int = response.status
                return status
        except urllib.error.HTTPError as error:
            return error.code
        except (OSError, http.client.HTTPException):
            if self._running.poll() is not None:
                raise ChaosError(f"the daemon ended with {self._running.returncode}") from None
            return 0

    def metrics(self) -> Metrics:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/metrics", timeout=PATIENCE_SECONDS) as answer:
            text = answer.read().decode()
        found: Metrics = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found[sample.name] = found.get(sample.name, 0.0) + sample.value
                for label in _LABELS:
                    if label in sample.labels:
                        by_label = f"{sample.name} {sample.labels[label]}"
                        found[by_label] = found.get(by_label, 0.0) + sample.value
        return found

    # --- disk and clock

    def fill_disk(self) -> None:
        with contextlib.suppress(OSError), (self.disk / "filler").open("wb") as filler:
            while True:
                filler.write(bytes(65536))
                filler.flush()

    def empty_disk(self) -> None:
        (self.disk / "filler").unlink(missing_ok=True)

    @contextlib.contextmanager
    def database_held(self) -> Iterator[None]:
        """Somebody else, say a backup, holds the journal's database."""
        database = sqlite3.connect(self.disk / "journal" / "journal.sqlite", isolation_level=None)
        try:
            database.execute("BEGIN IMMEDIATE")
            yield
        finally:
            database.close()

    @contextlib.contextmanager
    def slow_writes(self, seconds: float) -> Iterator[None]:
        """Whatever the daemon writes to files, or flushes to the disk, takes so much longer."""
        if not self.can_slow:
            raise ChaosError("there is nothing to slow down")
        calls = "pwrite64,fsync,fdatasync"
        inject = f"inject={calls}:delay_enter={seconds * 1e6:.0f}"
        command = [
            "strace",
            "-f",
            "-p",
            str(self._running.pid),
            "-o",
            "/dev/null",
            "-e",
            f"trace={calls}",
            "-e",
            inject,
        ]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as tracer:
            yield
            tracer.terminate()

    def set_clock(self, offset_seconds: float) -> None:
        new = self._clock.with_suffix(".new")
        new.write_text(str(offset_seconds))
        new.replace(self._clock)


def _can_trace() -> bool:
    """Whether strace is there and may look at a process of ours."""
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False).returncode == 0
