"""A plain MQTT client for the tools beside the daemon: they need a broker now, and say so when there is none.

(The daemon's own connection is `monitor.adapters.mqtt.link`: it waits for its broker for as long as it takes.)
"""

import queue
from collections.abc import Callable

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from monitor.errors import UnavailableError

_ANSWER_SECONDS = 10.0


def new_client() -> paho.Client:
    """Make a client, not yet connected, that reconnects by itself later on."""
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)  # which every broker speaks
    client.reconnect_delay_set(min_delay=1, max_delay=30)
    return client


def connect(
    client: paho.Client, host: str, port: int, on_connected: Callable[[paho.Client], object] = lambda _: None
) -> None:
    """Connect, and let a thread serve the connection. `on_connected` is called now and after each reconnection.

    Raises:
        UnavailableError: the broker does not answer or does not let us in.

    """
    answers: queue.SimpleQueue[ReasonCode] = queue.SimpleQueue()

    def answered(
        client: paho.Client, _userdata: object, _flags: paho.ConnectFlags, reason: ReasonCode, _: Properties | None
    ) -> None:
        answers.put(reason)
        if not reason.is_failure:
            on_connected(client)

    client.on_connect = answered
    try:
        client.connect(host, port, keepalive=30)
    except OSError as error:
        raise UnavailableError(f"no MQTT broker at {host}:{port} ({error}): start one there or name another") from error
    client.loop_start()
    try:
        answer = answers.get(timeout=_ANSWER_SECONDS)
    except queue.Empty:
        disconnect(client)
        raise UnavailableError(f"{host}:{port} does not answer as an MQTT broker would") from None
    if answer.is_failure:
        disconnect(client)
        raise UnavailableError(f"the MQTT broker at {host}:{port} does not let us in: {answer}")


def disconnect(client: paho.Client) -> None:
    """Disconnect and end the thread."""
    client.disconnect()
    client.loop_stop()
