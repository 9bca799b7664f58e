"""One trial: a broker, a daemon with some settings, devices that publish, a SIGKILL in between, and counts."""

import contextlib
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.chaos.devices import Device, plain_device
from benchmarks.chaos.listener import Listener
from benchmarks.chaos.publisher import PAST_SECONDS
from benchmarks.chaos.walk import expected_of
from benchmarks.common.broker import free_port

_READY_SECONDS = 30.0
_QUIET_SECONDS = 4.0
_DEVICES = 3
_MESSAGES = 260  # of each device
_TAIL = 40  # calm ones at the end, for every alert to be resolved
_PACE_SECONDS = 0.01
_CONFIG = """\
[mqtt]
host = "127.0.0.1"
port = {port}
protocol = "{protocol}"
alert_qos = {alert_qos}
keepalive_seconds = 5
reconnect_ceiling_seconds = 1
[http]
port = {http_port}
[log]
format = "json"
[timing]
expire_after_seconds = 86400
[journal]
path = "{folder}/journal"
[[model]]
name = "hum"
path = "{model}"
[[source]]
name = "machines"
topic = "plant/{{device}}/hum"
stream = "{stream}"
model = "hum"
qos = 1
format = {{ kind = "json", timestamp = "ts", rows = "rows" }}
"""


@dataclass(frozen=True, slots=True)
class Settings:
    """What is tried. dotted: whether names of streams, and so topics of alerts, hold a dot."""

    protocol: str
    alert_qos: int
    dotted: bool = False

    @property
    def text(self) -> str:
        """As a user writes them."""
        return f'protocol = "{self.protocol}", alert_qos = {self.alert_qos}'


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a trial came to; `told`: what the daemon said was wrong, its last words first."""

    ready: bool
    windows_lost: int = 0
    windows_twice: int = 0
    steps_expected: int = 0
    steps_missing: int = 0
    steps_twice: int = 0
    ready_at_the_end: bool = False
    told: tuple[str, ...] = ()

    @property
    def works(self) -> bool:
        """Whether nothing was lost, and the daemon was ready before and after."""
        return self.ready and self.ready_at_the_end and not (self.windows_lost or self.steps_missing)


class _Daemon:
    """`residuald run` on a configuration, and what it can be asked."""

    def __init__(self, config: Path, http_port: int, log: Path) -> None:
        self._command = [str(Path(sys.executable).with_name("residuald")), "run", "--config", str(config)]
        self._url = f"http://127.0.0.1:{http_port}"
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> bool:
        """Start it; whether it gets ready."""
        with self._log.open("ab") as sink:
            self._process = subprocess.Popen(self._command, stderr=sink, env=os.environ | {"OMP_NUM_THREADS": "1"})
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            if self.ready:
                return True
            time.sleep(0.05)
        return False

    def end(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            try:
                self._process.wait(20.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    @property
    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._url}/readyz", timeout=5.0) as answer:
                return bool(answer.status == 200)
        except (OSError, http.client.HTTPException):
            return False

    def windows(self) -> Counter[str]:
        """How many windows were scored of each stream."""
        with urllib.request.urlopen(f"{self._url}/metrics", timeout=20.0) as answer:
            families = text_string_to_metric_families(answer.read().decode())
        return Counter(
            {
                sample.labels["stream"]: int(sample.value)
                for family in families
                for sample in family.samples
                if sample.name == "residuald_windows_scored_total"
            }
        )

    def told(self) -> Iterator[str]:
        """What it warned of, the last first, each once."""
        seen: set[str] = set()
        for line in reversed(self._log.read_text(errors="replace").splitlines()):
            with contextlib.suppress(ValueError):
                entry = json.loads(line)
                text = ": ".join(filter(None, (entry.get("event"), entry.get("reason"))))
                if entry.get("level") in {"warning", "error"} and text not in seen:
                    seen.add(text)
                    yield text


def run_trial(settings: Settings, port: int, folder: Path, model: Path) -> Outcome:
    """Run one trial against the broker on `port`."""
    http_port = free_port()
    config = folder / "monitor.toml"
    stream = "hall.{device}" if settings.dotted else "{device}"
    config.write_text(
        _CONFIG.format(
            port=port,
            protocol=settings.protocol,
            alert_qos=settings.alert_qos,
            http_port=http_port,
            folder=folder,
            model=model,
            stream=stream,
        )
    )
    daemon = _Daemon(config, http_port, folder / "daemon.log")
    devices = [plain_device(f"plant/d{number}/hum", number, random.Random(number)) for number in range(_DEVICES)]
    try:
        if not daemon.start():
            return Outcome(ready=False, told=tuple(daemon.told())[:2])
        listener = Listener(port, "residuald")
        with _publisher(port) as client:
            began = time.time() - PAST_SECONDS
            _publish(client, devices, began, range(_MESSAGES // 2))
            daemon.end(signal.SIGKILL)
            daemon.start()
            _publish(client, devices, began, range(_MESSAGES // 2, _MESSAGES))
        expected = expected_of(config, devices, lambda _: None)
        windows = _settled(daemon, listener, Counter(expected.windows))
        outcome = Outcome(
            ready=True,
            windows_lost=sum((Counter(expected.windows) - windows).values()),
            windows_twice=sum((windows - Counter(expected.windows)).values()),
            steps_expected=len(expected.alerts),
            steps_missing=len(expected.alerts - set(listener.steps)),
            steps_twice=sum(listener.steps.values()) - len(listener.steps),
            ready_at_the_end=daemon.ready,
            told=tuple(daemon.told())[:2],
        )
        listener.close()
        return outcome
    finally:
        daemon.end(signal.SIGTERM)


@contextlib.contextmanager
def _publisher(port: int) -> Iterator[paho.Client]:
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="devices")
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def _publish(client: paho.Client, devices: list[Device], began: float, numbers: range) -> None:
    for number in numbers:
        for device in devices:
            for message in device.step(began, calm=number >= _MESSAGES - _TAIL):
                client.publish(message.topic, message.payload, qos=1).wait_for_publish(10.0)
        time.sleep(_PACE_SECONDS)


def _settled(daemon: _Daemon, listener: Listener, expected: Counter[str]) -> Counter[str]:
    """The windows scored, once all are there or nothing moves any more."""
    before: tuple[Counter[str], int] | None = None
    moved = time.monotonic()
    while time.monotonic() - moved < _QUIET_SECONDS:
        now = daemon.windows(), sum(listener.steps.values())
        if now != before:
            before, moved = now, time.monotonic()
        time.sleep(0.1)
    return Counter() if before is None else before[0]
