"""Sending prebuilt packets: through a broker, or straight to a client that takes us for its broker.

Both ways are a `Wire`: bytes go out as fast as the other side takes them, so the sender outruns whatever it feeds.
"""

import socket
import threading
import time
from typing import Protocol

import numpy as np

from benchmarks.common.packets import (
    CONNACK,
    CONNECT,
    DISCONNECT,
    PINGREQ,
    PINGRESP,
    PUBACK,
    PUBLISH,
    SUBACK,
    SUBSCRIBE,
    Packets,
    connect_packet,
    split,
)

_PACE_SECONDS = 0.001  # paced packets leave one by one or, where many are due, in bursts of so long


class WireError(Exception):
    """The other side does not speak MQTT with us as it should."""


class Wire(Protocol):
    """Where packets are sent."""

    def send(self, packets: memoryview) -> None:
        """Send whole packets; blocks while the other side is busy."""
        ...


def flood(wire: Wire, packets: Packets) -> None:
    """Send everything, as fast as it is taken."""
    for chunk in packets.chunks():
        wire.send(chunk)


def pace(wire: Wire, packets: Packets, speed: float, start: int = 0, stop: int | None = None) -> None:
    """Send the packets [start, stop) when each is due, `speed` times as fast as in real time."""
    stop = len(packets) if stop is None else stop
    due = (packets.due_seconds[start:stop] - packets.due_seconds[start]) / speed
    began = time.monotonic()
    sent = 0
    while sent < len(due):
        ready = int(np.searchsorted(due, time.monotonic() - began, side="right"))
        for chunk in packets.chunks(start + sent, start + ready):
            wire.send(chunk)
        sent = ready
        if sent < len(due):
            time.sleep(max(_PACE_SECONDS, began + due[sent] - time.monotonic()))


class Publisher:
    """A connection to a broker (MQTT 3.1.1). `confirmed` counts its answers to QoS 1."""

    def __init__(self, port: int) -> None:
        self.confirmed = 0
        self._stream = socket.create_connection(("127.0.0.1", port))
        # else a small packet waits until the broker has confirmed the one before, which it may put off for 40 ms
        self._stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stream.sendall(connect_packet("publisher"))
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._accepted = threading.Event()
        self._reader.start()
        if not self._accepted.wait(10.0):
            raise WireError("the broker does not answer CONNECT")

    def send(self, packets: memoryview) -> None:
        """Send whole packets."""
        self._stream.sendall(packets)

    def close(self) -> None:
        """Leave the broker."""
        self._stream.sendall(bytes([DISCONNECT, 0]))
        self._stream.shutdown(socket.SHUT_WR)
        self._reader.join()
        self._stream.close()

    def _read(self) -> None:
        buffer = bytearray()
        while data := self._stream.recv(65536):
            buffer += data
            for kind, _ in split(buffer):
                if kind == PUBACK:
                    self.confirmed += 1
                elif kind == CONNACK:
                    self._accepted.set()


class Feeder:
    """Just enough of a broker for one client: it answers, and sends what it is told to. QoS 0 only.

    There is no broker to slow it down: what a client takes from it is the client's own ceiling.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._client: socket.socket | None = None
        self._mqtt5 = False
        self._subscribed = threading.Event()
        self._sending = threading.Lock()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def send(self, packets: memoryview) -> None:
        """Send whole packets to the client, which must have subscribed."""
        if self._client is None or not self._subscribed.is_set():
            raise WireError("nobody has subscribed yet")
        with self._sending:
            self._client.sendall(packets)

    def close(self) -> None:
        """Listen no longer and end the connection."""
        self._listener.close()
        if self._client is not None:
            self._client.close()

    def _serve(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:
            return  # closed before anybody came
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client = client
        buffer = bytearray()
        try:
            while data := client.recv(65536):
                buffer += data
                for kind, body in split(buffer):
                    answer = self._answer(kind, body)
                    if answer:
                        with self._sending:
                            client.sendall(answer)
                    if kind & 0xF0 == SUBSCRIBE:
                        self._subscribed.set()
        except OSError:
            return  # the client, or this feeder, is gone

    def _answer(self, kind: int, body: bytes) -> bytes:
        if kind == CONNECT:
            self._mqtt5 = body[6] == 5
            return bytes([CONNACK, 3, 0, 0, 0]) if self._mqtt5 else bytes([CONNACK, 2, 0, 0])
        if kind & 0xF0 == SUBSCRIBE:
            granted = bytes(_filters(body, self._mqtt5))  # QoS 0 each
            head = body[:2] + (b"\0" if self._mqtt5 else b"")
            return bytes([SUBACK, len(head) + len(granted)]) + head + granted
        if kind & 0xF6 == PUBLISH | 2:
            at = 2 + int.from_bytes(body[:2], "big")
            return bytes([PUBACK, 2]) + body[at : at + 2]
        if kind == PINGREQ:
            return bytes([PINGRESP, 0])
        return b""


def _filters(body: bytes, mqtt5: bool) -> int:
    """How many topic filters a SUBSCRIBE asks for (its properties are shorter than 128 bytes)."""
    at = 3 + body[2] if mqtt5 else 2
    count = 0
    while at < len(body):
        at += 2 + int.from_bytes(body[at : at + 2], "big") + 1
        count += 1
    return count
