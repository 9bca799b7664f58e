"""What the running daemon says about itself, as anybody outside can hear it: its MQTT topics and its `/metrics`."""

import http.client
import queue
import urllib.request
from dataclasses import dataclass
from typing import Any

import msgspec
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from prometheus_client.parser import text_string_to_metric_families

_HTTP_SECONDS = 2.0


class State(msgspec.Struct, frozen=True):
    """The parts of `<stream>/state` that we look at."""

    stream: str
    state: str
    quality: str
    channel: str | None = None


class Alert(msgspec.Struct, frozen=True):
    """The parts of `<stream>/alert` that we look at."""

    id: str
    phase: str
    stream: str
    fired: bool
    score: float
    channel: str
    time: float


@dataclass(frozen=True, slots=True)
class Metrics:
    """What one scrape gives: the newest score by stream, and sums over all streams."""

    scores: dict[str, float]
    windows_scored: int
    messages_received: int
    messages_discarded: int
    inference_seconds: float  # mean per batch


class Observer:
    """Listens to `<base_topic>/#` from `start` to `stop`, and scrapes when asked."""

    def __init__(self, host: str, port: int, base_topic: str, http_url: str) -> None:
        self.states: dict[str, State] = {}
        self.alerts: queue.SimpleQueue[Alert] = queue.SimpleQueue()
        self._host, self._port = host, port
        self._base_topic = base_topic
        self._http_url = http_url
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message

    def start(self) -> None:
        """Connect and subscribe."""
        self._client.connect(self._host, self._port)
        self._client.loop_start()

    def stop(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def ready(self) -> bool:
        """Whether the daemon says that it does its job."""
        try:
            with urllib.request.urlopen(f"{self._http_url}/readyz", timeout=_HTTP_SECONDS):  # noqa: S310  # our http URL
                return True
        except (OSError, http.client.HTTPException):
            return False

    def scrape(self) -> Metrics | None:
        """Read `/metrics`; None while the daemon does not answer."""
        try:
            with urllib.request.urlopen(f"{self._http_url}/metrics", timeout=_HTTP_SECONDS) as answer:  # noqa: S310
                text = answer.read().decode()
        except (OSError, http.client.HTTPException):
            return None
        totals: dict[str, float] = {}
        scores: dict[str, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                totals[sample.name] = totals.get(sample.name, 0.0) + sample.value
                if sample.name == "residuald_window_score":
                    scores[sample.labels["stream"]] = sample.value
        batches = totals.get("residuald_inference_seconds_count", 0.0)
        return Metrics(
            scores=scores,
            windows_scored=round(totals.get("residuald_windows_scored_total", 0.0)),
            messages_received=round(totals.get("residuald_messages_received_total", 0.0)),
            messages_discarded=round(totals.get("residuald_messages_discarded_total", 0.0)),
            inference_seconds=totals.get("residuald_inference_seconds_sum", 0.0) / batches if batches else 0.0,
        )

    def _on_connect(
        self,
        client: paho.Client,
        _userdata: object,
        _flags: paho.ConnectFlags,
        _reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        client.subscribe([(f"{self._base_topic}/+/state", 1), (f"{self._base_topic}/+/alert", 1)])

    def _on_message(self, _client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
        what: type[Any] = State if message.topic.endswith("/state") else Alert
        if not message.payload:  # a retained state was taken back: the stream is gone
            self.states.pop(message.topic.split("/")[-2], None)
            return
        told = msgspec.json.decode(message.payload, type=what)
        if isinstance(told, State):
            self.states[told.stream] = told
        else:
            self.alerts.put(told)
