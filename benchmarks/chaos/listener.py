"""A subscriber to alerts and states, as whoever is to be told of a fault."""

import json
import threading
from collections import Counter, defaultdict

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion


class Listener:
    """Receives every alert step and retained state; stays subscribed over broker restarts.

    steps: how often each step came, by id and phase. reasons: why each alert ended, by its id. streams: whose alert it
    is, by its id. states: the last by stream, of those that were not cleared.
    """

    def __init__(self, port: int, base_topic: str) -> None:
        self.steps: Counter[tuple[str, str]] = Counter()
        self.reasons: defaultdict[str, set[str]] = defaultdict(set)
        self.streams: dict[str, str] = {}
        self.states: dict[str, dict[str, object]] = {}
        self._subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="listener", clean_session=False)
        self._client.on_message = self._on_message
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._topics = [(f"{base_topic}/+/alert", 1), (f"{base_topic}/+/state", 1)]
        self._client.on_connect = self._on_connect
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        if not self._subscribed.wait(10.0):
            raise TimeoutError("the broker does not let us listen")

    def close(self) -> None:
        """End the subscription."""
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: paho.Client, *_: object) -> None:
        client.subscribe(self._topics)

    def _on_message(self, _client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
        if message.topic.endswith("/state"):
            stream = message.topic.split("/")[-2]
            if message.payload:
                self.states[stream] = json.loads(message.payload)
            else:
                self.states.pop(stream, None)
            return
        fields = json.loads(message.payload)
        count_step(self.steps, (fields["id"], fields["phase"]), marked=message.dup)
        self.streams[fields["id"]] = fields["stream"]
        if fields["phase"] == "resolved":
            self.reasons[fields["id"]].add(fields["reason"])


def count_step(steps: Counter[tuple[str, str]], step: tuple[str, str], *, marked: bool) -> None:
    """Count a step of an alert that was heard, unless the broker repeats itself because our own answer was lost.

    marked: whether the message says that it may be a duplicate. Some brokers pass on the mark of what the daemon sent
    again, so a marked step may be the first.
    """
    if not (marked and step in steps):
        steps[step] += 1
