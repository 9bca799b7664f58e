"""What the running daemon tells over MQTT, as anybody outside can hear it."""

import queue

import msgspec
import paho.mqtt.client as paho

from monitor.demo.plain_client import connect, disconnect, new_client


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


class Observer:
    """Listens to `<base_topic>/<stream>/state` and `.../alert` from `start` to `stop`.

    `states` holds the newest of each stream; `alerts` hands out each step of each alert once.
    """

    def __init__(self, host: str, port: int, base_topic: str) -> None:
        self.states: dict[str, State] = {}
        self.alerts: queue.SimpleQueue[Alert] = queue.SimpleQueue()
        self._host, self._port = host, port
        self._topics = [(f"{base_topic}/+/state", 1), (f"{base_topic}/+/alert", 1)]
        self._client = new_client()
        self._client.on_message = self._on_message

    def start(self) -> None:
        """Connect and subscribe.

        Raises:
            UnavailableError: the broker does not answer or does not let us in.

        """
        connect(self._client, self._host, self._port, lambda client: client.subscribe(self._topics))

    def stop(self) -> None:
        """Disconnect."""
        disconnect(self._client)

    def _on_message(self, _client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
        stream, what = message.topic.split("/")[-2:]
        if what == "alert":
            self.alerts.put(msgspec.json.decode(message.payload, type=Alert))
        elif message.payload:
            self.states[stream] = msgspec.json.decode(message.payload, type=State)
        else:  # taken back: the stream is gone
            self.states.pop(stream, None)
