"""Publishes for all devices at QoS 2, so that what the broker has is what was sent, each message once and in order."""

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.chaos.devices import Device, Sent

PAST_SECONDS = 4 * 3600.0  # timestamps lie so far back that no clock jump makes them come from the future
TAIL = 40  # calm steps at the end, for every alert to be resolved
_CONFIRM_SECONDS = 60.0


class UnconfirmedError(Exception):
    """The broker does not take what the devices publish."""


class Publisher:
    """Lets all devices measure in turn, and publishes what they send.

    The library sends what is published between its CONNECT and the broker's CONNACK before what has waited for longer.
    So nothing is published from the end of a connection until all that was before it has been confirmed.
    """

    def __init__(self, port: int, devices: Sequence[Device], steps_per_second: float, qos: int = 2) -> None:
        self.devices = devices
        self.began = time.time() - PAST_SECONDS
        self._pause_seconds = len(devices) / steps_per_second
        self._qos = qos
        self._stopping = threading.Event()
        self._turn = threading.Lock()  # whoever has it publishes
        self._sent = self._confirmed = 0
        self._in_order = threading.Event()
        self._in_order.set()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="devices", clean_session=False)
        self._client.max_queued_messages_set(0)
        self._client.on_publish = self._on_publish
        self._client.on_connect = lambda *_: self._see_whether_in_order()
        self._client.on_disconnect = lambda *_: self._in_order.clear()
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._thread = threading.Thread(target=self._run, name="devices", daemon=True)

    def start(self) -> None:
        """Begin to publish."""
        self._thread.start()

    @contextlib.contextmanager
    def paused(self, flushed: Sequence[Device] = ()) -> Iterator[None]:
        """Publish nothing until the block ends; at its begin the broker has all that was sent.

        flushed: devices that send what they hold back before.

        Raises:
            UnconfirmedError: it does not take it.

        """
        with self._turn:
            for device in flushed:
                self._publish(device.flush())
            self._wait_confirmed()
            yield

    def rest(self, device: Device) -> None:
        """Let a device send what it held back, and then nothing until `wake`."""
        with self._turn:
            self._publish(device.flush())
            device.resting = True

    def wake(self, device: Device) -> None:
        """Let a device go on."""
        device.resting = False

    def finish(self) -> None:
        """End with a calm stretch, once the broker has taken everything.

        Raises:
            UnconfirmedError: it does not.

        """
        self._stopping.set()
        self._thread.join()
        self._wait_confirmed()
        self._client.disconnect()
        self._client.loop_stop()

    def _run(self) -> None:
        while not self._stopping.wait(self._pause_seconds):
            self._send(calm=False)
        for _ in range(TAIL):
            self._send(calm=True)
        for device in self.devices:
            self._publish(device.flush())

    def _send(self, *, calm: bool) -> None:
        for device in self.devices:
            with self._turn:
                if not device.resting:
                    self._publish(device.step(self.began, calm=calm))

    def _publish(self, messages: list[Sent]) -> None:
        for message in messages:
            self._in_order.wait()
            self._sent += 1
            self._client.publish(message.topic, message.payload, qos=self._qos)

    def _wait_confirmed(self) -> None:
        deadline = time.monotonic() + _CONFIRM_SECONDS
        while self._confirmed < self._sent:
            if time.monotonic() > deadline:
                raise UnconfirmedError("the broker does not take what the devices publish")
            time.sleep(0.02)

    def _on_publish(self, *_: object) -> None:
        self._confirmed += 1
        self._see_whether_in_order()

    def _see_whether_in_order(self) -> None:
        if self._confirmed == self._sent and self._client.is_connected():
            self._in_order.set()
