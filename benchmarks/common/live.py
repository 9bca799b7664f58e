"""The daemon as a process, and all that can be seen of it: `/metrics` on one side, its MQTT messages on the other."""

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from prometheus_client.parser import text_string_to_metric_families

BIN = Path(sys.executable).parent
PATIENCE_SECONDS = 60.0  # without any progress
_POLL_SECONDS = 0.1

Labels = frozenset[tuple[str, str]]
Metrics = dict[str, dict[Labels, float]]  # by sample name, then by labels


class LiveError(Exception):
    """A part of residuald did not do what it must; the run is void."""


class AlertStep(NamedTuple):
    """A step in an alert's life, by what identifies it."""

    stream: str
    id: str
    phase: str

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> "AlertStep":
        """Take it out of what was said."""
        return cls(payload["stream"], payload["id"], payload["phase"])


class Daemon:
    """`residuald run` on a configuration file whose HTTP port is `http_port`."""

    def __init__(self, config: Path, http_port: int) -> None:
        self._url = f"http://127.0.0.1:{http_port}"
        self._log_file = config.with_suffix(".log")
        with self._log_file.open("wb") as log:
            self._process = subprocess.Popen([BIN / "residuald", "run", "--config", config], stderr=log)

    def wait_ready(self) -> None:
        """Wait until it is connected to the broker and subscribed.

        Raises:
            LiveError: it is not within a minute, or has ended.

        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._status("/readyz") != 200:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise LiveError(f"the daemon does not get ready: {self._log_file.read_text()[-2000:]}")
            time.sleep(_POLL_SECONDS)

    def metrics(self) -> Metrics:
        """Scrape."""
        with urllib.request.urlopen(f"{self._url}/metrics", timeout=PATIENCE_SECONDS) as response:
            text = response.read().decode()
        found: Metrics = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found.setdefault(sample.name, {})[frozenset(sample.labels.items())] = sample.value
        return found

    def stop(self) -> int:
        """Ask it to stop as systemd would; its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _status(self, path: str) -> int:
        try:
            with urllib.request.urlopen(self._url + path, timeout=5) as response:
                status: int = response.status
                return status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0


@dataclass
class Listener:
    """What the daemon says on MQTT. alerts: the payloads of alert steps, in order; states: the last one by stream."""

    alerts: list[dict[str, Any]] = field(default_factory=list)
    states: dict[str, dict[str, Any]] = field(default_factory=dict)
    status: str = ""


@contextlib.contextmanager
def listening(port: int, base_topic: str) -> Iterator[Listener]:
    """Listen to everything below `base_topic`, from before the daemon starts."""
    heard, subscribed = Listener(), threading.Event()

    def on_message(_client: paho.Client, _userdata: Any, message: paho.MQTTMessage) -> None:
        kind = message.topic.rsplit("/", 1)[-1]
        if kind == "alert":
            heard.alerts.append(json.loads(message.payload))
        elif kind == "state" and message.payload:
            state = json.loads(message.payload)
            if "stream" in state:  # and not of a model
                heard.states[state["stream"]] = state
        elif kind == "status":
            heard.status = message.payload.decode()

    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.on_message = on_message
    client.on_subscribe = lambda *_: subscribed.set()
    client.connect("127.0.0.1", port)
    client.loop_start()
    client.subscribe(f"{base_topic}/#", qos=1)
    try:
        if not subscribed.wait(PATIENCE_SECONDS):
            raise LiveError("the broker does not let us listen")
        yield heard
    finally:
        client.disconnect()
        client.loop_stop()
