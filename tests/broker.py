"""A real Mosquitto for tests, and a plain MQTT client that stands for the rest of the world."""

import contextlib
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

# How long anything may take on a loaded machine before a test gives up
PATIENCE_SECONDS = 30.0


def wait_until(condition: Callable[[], bool], what: str, timeout_seconds: float = PATIENCE_SECONDS) -> None:
    """Wait for a condition of another thread or process."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout_seconds:g} s in vain: {what}"
        time.sleep(0.005)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class Broker:
    """A Mosquitto of our own on a free port; `stop` and `start` again keep port and (if persistent) sessions."""

    def __init__(self, folder: Path, settings: str = "allow_anonymous true") -> None:
        self.host = "127.0.0.1"
        self.port = 0
        self._folder = folder
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        for _ in range(5):  # a free port may be taken before Mosquitto gets it
            port = self.port or free_port()
            if self._launch(port):
                self.port = port
                return
        raise AssertionError(f"Mosquitto does not start: {self._log_file.read_text()}")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(PATIENCE_SECONDS)
            self._process = None

    def kill(self) -> None:
        """End it at once, frozen or not."""
        assert self._process is not None
        self._process.kill()
        self.stop()

    def freeze(self) -> None:
        """Let it hold its connections and do nothing, until `thaw`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def set(self, settings: str) -> None:
        """Change the settings; they count from the next start."""
        self._settings = settings

    @property
    def _log_file(self) -> Path:
        return self._folder / "mosquitto.log"

    def _launch(self, port: int) -> bool:
        program = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/sbin")
        assert program is not None, "these tests need Mosquitto: apt install mosquitto"
        config = self._folder / "mosquitto.conf"
        # `user root` only matters to root: else Mosquitto drops to a user that cannot read the test's files
        config.write_text(f"listener {port} 127.0.0.1\nuser root\nmax_queued_messages 0\n{self._settings}\n")
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen([program, "-c", str(config)], stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection((self.host, port), timeout=1.0):
                return True
            time.sleep(0.01)
        self.stop()
        return False


@dataclass(frozen=True)
class Seen:
    """A message the peer received."""

    topic: str
    payload: bytes
    retained: bool
    qos: int


class Peer:
    """Somebody else on the broker: publishes and listens through plain paho."""

    def __init__(self, broker: Broker, **credentials: str) -> None:
        self.seen: list[Seen] = []
        self._online = threading.Event()
        self._subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.max_inflight_messages = 20
        if credentials:
            self._client.username_pw_set(credentials["username"], credentials["password"])
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message
        self._client.on_subscribe = self._on_subscribe
        self._client.reconnect_delay_set(min_delay=1, max_delay=1)
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()
        assert self._online.wait(PATIENCE_SECONDS)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, topic: str, payload: bytes, qos: int = 0, retain: bool = False) -> None:
        self._client.publish(topic, payload, qos, retain).wait_for_publish(PATIENCE_SECONDS)

    def listen(self, topic: str) -> None:
        self._subscribed.clear()
        self._client.subscribe(topic, qos=1)
        assert self._subscribed.wait(PATIENCE_SECONDS)

    def payloads(self, topic: str) -> list[bytes]:
        return [seen.payload for seen in tuple(self.seen) if seen.topic == topic]

    def _on_connect(self, *_: Any) -> None:
        self._online.set()

    def _on_subscribe(self, *_: Any) -> None:
        self._subscribed.set()

    def _on_message(self, _client: Any, _userdata: Any, message: paho.MQTTMessage) -> None:
        self.seen.append(Seen(message.topic, bytes(message.payload), message.retain, message.qos))


@contextlib.contextmanager
def running(broker: Broker) -> Iterator[Broker]:
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()
