"""A server that speaks just enough MQTT to say what no broker that runs here can be made to say."""

import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.broker import Broker

_CONNECT, _PUBLISH, _SUBSCRIBE, _PINGREQ = 0x10, 0x30, 0x80, 0xC0
PUBREL = 0x60
_LEVEL = 6  # where CONNECT tells the version of the protocol


class ScriptedBroker(Broker):
    """Answers CONNECT with a CONNACK of these properties, SUBSCRIBE with `granted`, PINGREQ, and QoS 1.

    Messages of QoS 2 are received only a moment after the next one of QoS 1. then: packets that follow SUBACK.
    received: how many packets of each type came.
    """

    def __init__(self, properties: bytes = b"", granted: bytes = b"\0", then: bytes = b"") -> None:
        super().__init__(Path())
        self.received: Counter[int] = Counter()
        self._connack = bytes((0x20, 3 + len(properties), 0, 0, len(properties))) + properties
        self._granted, self._then = granted, then
        self._server = socket.create_server((self.host, 0))
        self.port = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @contextmanager
    def serving(self) -> Iterator["ScriptedBroker"]:
        self._thread.start()
        try:
            yield self
        finally:
            self._server.shutdown(socket.SHUT_RDWR)
            self._server.close()
            self._thread.join(5.0)

    @contextmanager
    def silent(self) -> Iterator["ScriptedBroker"]:
        """Let connections be made, and answer nothing."""
        with self._server:
            yield self

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            with connection, suppress(ConnectionError):  # who is gone needs no answer
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        stream = connection.makefile("rb")
        held = b""
        while head := stream.read(2):  # no packet here is longer than 127 bytes
            body = stream.read(head[1])
            kind = head[0] & 0xF0
            self.received[kind] += 1
            if kind == _CONNECT:
                connection.sendall(self._connack if body[_LEVEL] == 5 else b"\x20\x02\0\0")
            elif kind == _SUBSCRIBE:
                connection.sendall(
                    bytes((0x90, 3 + len(self._granted))) + body[:2] + b"\0" + self._granted + self._then
                )
            elif head[0] & 0xF6 == _PUBLISH | 2:
                connection.sendall(b"\x40\x02" + _packet_id(body))
                if held:
                    time.sleep(0.1)  # long enough for a client to go that thinks it has done all
                    connection.sendall(held)
                    held = b""
            elif head[0] & 0xF6 == _PUBLISH | 4:
                held += b"\x50\x02" + _packet_id(body)
            elif kind == PUBREL:
                connection.sendall(b"\x70\x02" + body[:2])
            elif kind == _PINGREQ:
                connection.sendall(b"\xd0\0")

    @property
    def pings(self) -> int:
        return self.received[_PINGREQ]


def _packet_id(publish: bytes) -> bytes:
    topic_bytes = int.from_bytes(publish[:2], "big")
    return publish[2 + topic_bytes : 4 + topic_bytes]
