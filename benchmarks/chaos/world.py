"""The world of the chaos run: broker, network, disk and clock, each of which can fail, and the daemon among them."""

import contextlib
import http.client
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.chaos.proxy import Proxy
from benchmarks.common.broker import MissingError, free_port

PATIENCE_SECONDS = 60.0
DISK_BYTES = 48 * 1024 * 1024
_LAUNCHER = "benchmarks.chaos.daemon"
_ROOT = Path(__file__).parents[2]
_BROKER = """\
listener {port} 127.0.0.1
allow_anonymous true
user root
persistence true
persistence_location {folder}/
max_queued_messages 0
max_inflight_messages 0
"""
_CONFIG = """\
[mqtt]
host = "127.0.0.1"
port = {port}
keepalive_seconds = 5
reconnect_ceiling_seconds = 1
[http]
port = {http_port}
[log]
format = "json"
[timing]
expire_after_seconds = 86400
[journal]
path = "{disk}/journal"
checkpoint_seconds = 3
max_bytes = 16_777_216
[[model]]
name = "hum"
path = "{model}"
[[source]]
name = "machines"
topic = "plant/{{device}}/hum"
model = "hum"
qos = 1
format = {{ kind = "json", timestamp = "ts", rows = "rows" }}
[[source]]
name = "engines"
topic = "hall/{{device}}/hum"
model = "hum"
qos = 2
format = {{ kind = "json", timestamp = "ts", rows = "rows" }}
"""
Metrics = dict[str, float]  # by sample name, and by name and value of the label `stream` where there is one


class ChaosError(Exception):
    """The world did not do what it should; the run is void."""


def wait_for(condition: Callable[[], bool], what: str, timeout_seconds: float = PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            raise ChaosError(f"waited {timeout_seconds:g} s in vain: {what}")
        time.sleep(0.02)


class World:
    """Everything beside the devices. `disk_is_small`: whether the journal lies on a file system that can be filled."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.folder = folder
        self.model = model
        self.config = folder / "monitor.toml"
        self.disk = folder / "disk"
        self.broker_port = free_port()
        self.http_port = free_port()
        self.kills = 0
        self._clock = folder / "clock"
        self._broker: subprocess.Popen[bytes] | None = None
        self._daemon: subprocess.Popen[bytes] | None = None
        self._log = (folder / "daemon.log").open("ab")
        self.disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(self.disk)]
        self.disk_is_small = subprocess.run(mount, capture_output=True, check=False).returncode == 0
        self.can_slow = _can_trace()
        self._clock.write_text("0")
        self.proxy = Proxy(self.broker_port)
        self.config.write_text(
            _CONFIG.format(port=self.proxy.port, http_port=self.http_port, disk=self.disk, model=model)
        )

    def close(self) -> None:
        for process in (self._daemon, self._broker):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
        self.proxy.close()
        self._log.close()
        if self.disk_is_small:
            subprocess.run(["umount", "-l", str(self.disk)], check=False)

    # --- the broker and the network

    def start_broker(self) -> None:
        program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
        if program is None:
            raise MissingError("this benchmark needs Mosquitto: apt-get install mosquitto")
        settings = self.folder / "mosquitto.conf"
        settings.write_text(_BROKER.format(port=self.broker_port, folder=self.folder))
        self._broker = subprocess.Popen([program, "-c", settings], stdout=self._log, stderr=self._log)
        wait_for(self._broker_answers, "the broker starts")

    def stop_broker(self) -> None:
        if self._broker is not None:
            self._broker.terminate()
            self._broker.wait(PATIENCE_SECONDS)

    def _broker_answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.broker_port), 1.0):
            return True
        return False

    # --- the daemon

    def start_daemon(self) -> None:
        command: list[str | Path] = [sys.executable, "-m", _LAUNCHER, self._clock, "run", "--config", self.config]
        self._daemon = subprocess.Popen(command, stderr=self._log, cwd=_ROOT)

    def kill_daemon(self) -> None:
        if self._daemon is not None:
            self._daemon.kill()
            self._daemon.wait()
            self.kills += 1

    def stop_daemon(self) -> int:
        if self._daemon is None:
            return 0
        self._daemon.send_signal(signal.SIGTERM)
        return self._daemon.wait(PATIENCE_SECONDS)

    def reload(self) -> None:
        if self._daemon is not None:
            self._daemon.send_signal(signal.SIGHUP)

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
            if self._daemon is not None and self._daemon.poll() is not None:
                raise ChaosError(f"the daemon ended with {self._daemon.returncode}") from None
            return 0

    def metrics(self) -> Metrics:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/metrics", timeout=PATIENCE_SECONDS) as answer:
            text = answer.read().decode()
        found: Metrics = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found[sample.name] = found.get(sample.name, 0.0) + sample.value
                if "stream" in sample.labels:
                    found[f"{sample.name} {sample.labels['stream']}"] = sample.value
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
        if self._daemon is None or not self.can_slow:
            raise ChaosError("there is nothing to slow down")
        calls = "pwrite64,fsync,fdatasync"
        inject = f"inject={calls}:delay_enter={seconds * 1e6:.0f}"
        command = ["strace", "-f", "-p", str(self._daemon.pid), "-o", "/dev/null", "-e", f"trace={calls}", "-e", inject]
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
