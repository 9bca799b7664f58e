"""Who looks at the daemon while a fleet publishes: a subscriber to its alerts, scrapers, and the scales."""

import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.common.workloads import Telemetry
from benchmarks.latency.publisher import Sent
from benchmarks.throughput.contestants import Daemon

_POLL_SECONDS = 0.01
_ALERTS_SECONDS = 10.0  # without one more, they will not come
_READY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Scrape:
    """One scrape of everything, compressed, as Prometheus does it. Monotonic."""

    began_seconds: float
    ended_seconds: float
    compressed_bytes: int


class Heard:
    """Alerts as they come, with the monotonic time of each."""

    def __init__(self) -> None:
        self.messages: list[tuple[float, bytes]] = []

    def firing(self, telemetry: Telemetry, sent: Sent) -> dict[tuple[int, int], float]:
        """When alerts fired, by device and window; the window's number follows from its time."""
        came = {}
        names = {topic.rpartition("/")[2]: number for number, topic in enumerate(telemetry.topics())}
        for when, payload in self.messages:
            alert = json.loads(payload)
            if alert["phase"] == "firing":
                device = names[alert["stream"]]
                since = alert["time"] - sent.first_seconds[device % len(sent.first_seconds)]
                came[device, round((since * telemetry.sample_rate_hz + 1) / telemetry.window) - 1] = when
        return came


@contextmanager
def listening(port: int) -> Iterator[Heard]:
    """Somebody who subscribes to all alerts."""
    heard, ready = Heard(), threading.Event()
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = lambda _client, _data, message: heard.messages.append(
        (time.monotonic(), bytes(message.payload))
    )
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        client.subscribe("residuald/+/alert", qos=0)
        if not ready.wait(_READY_SECONDS):
            raise RuntimeError("the broker does not let anybody listen")
        yield heard
    finally:
        client.disconnect()
        client.loop_stop()


def wait_for_firings(heard: Heard, firings: int) -> None:
    """Wait until so many have fired, as long as alerts come."""
    before, moved = 0, time.monotonic()
    while time.monotonic() - moved < _ALERTS_SECONDS:
        messages = tuple(heard.messages)
        if sum(b'"phase":"firing"' in payload for _, payload in messages) >= firings:
            return
        if len(messages) > before:
            before, moved = len(messages), time.monotonic()
        time.sleep(_POLL_SECONDS)


class Looks:
    """Looks at /metrics. counted: monotonic time, and the windows of each stream counted so far."""

    def __init__(self) -> None:
        self.counted: list[tuple[float, dict[str, int]]] = []
        self.scrapes: list[Scrape] = []


@contextmanager
def looking(url: str, poll: bool, scrape_every_seconds: float | None) -> Iterator[Looks]:
    looks, over = Looks(), threading.Event()

    def look() -> None:
        while not over.wait(_POLL_SECONDS):
            with urllib.request.urlopen(f"{url}?name[]=residuald_windows_scored_total") as response:
                text = response.read().decode()
            looks.counted.append((time.monotonic(), _counts(text)))

    def scrape(every_seconds: float) -> None:
        request = urllib.request.Request(url, headers={"Accept-Encoding": "gzip"})
        while not over.wait(every_seconds):
            began = time.monotonic()
            with urllib.request.urlopen(request) as response:
                size = len(response.read())
            looks.scrapes.append(Scrape(began, time.monotonic(), size))

    threads = [threading.Thread(target=look)] if poll else []
    if scrape_every_seconds is not None:
        threads.append(threading.Thread(target=scrape, args=(scrape_every_seconds,)))
    for thread in threads:
        thread.start()
    try:
        yield looks
    finally:
        over.set()
        for thread in threads:
            thread.join()


@contextmanager
def weighing(daemon: Daemon) -> Iterator[list[int]]:
    """The resident memory of a daemon, once a second."""
    weights, over = [daemon.rss_bytes], threading.Event()

    def weigh() -> None:
        while not over.wait(1.0):
            weights.append(daemon.rss_bytes)

    thread = threading.Thread(target=weigh)
    thread.start()
    try:
        yield weights
    finally:
        over.set()
        thread.join()


def _counts(text: str) -> dict[str, int]:
    rows = (line.split('"', 2) for line in text.splitlines() if line.startswith("residuald_"))
    return {stream: int(float(rest.rpartition(" ")[2])) for _, stream, rest in rows}
