"""A device that publishes as many messages a second as it is told to: thousands, or one."""

import contextlib
import socket
import threading
import time
from typing import Literal

from benchmarks.common.packets import MAX_PACKET_ID, connect_packet, publish_head


class LoudDevice:
    """Sends messages, each later than the one before, through a socket of its own.

    rows: the samples of each message. began: event time of the first. What the broker confirms is not waited for.
    """

    def __init__(
        self, port: int, topic: str, rows: list[list[float]], rate_hz: float, began: float, qos: Literal[0, 1] = 0
    ) -> None:
        self.sent = 0
        self._topic = topic.encode()
        self._qos = qos
        self._began = began
        self._seconds = len(rows) / rate_hz
        self._body = b'{"ts": %.2f, "rows": ' + str(rows).encode() + b"}"
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.sendall(connect_packet(topic.replace("/", "-")))
        self._socket.recv(4)
        threading.Thread(target=self._take_confirmations, daemon=True).start()

    def send(self, count: int) -> None:
        """Send so many messages."""
        packets = []
        for _ in range(count):
            payload = self._body % (self._began + self.sent * self._seconds)
            identifier = self.sent % MAX_PACKET_ID + 1 if self._qos else None
            packets.append(publish_head(self._topic, len(payload), identifier) + payload)
            self.sent += 1
        self._socket.sendall(b"".join(packets))

    def send_for(self, seconds: float, hz: float, tick_seconds: float) -> None:
        """Send at a rate for so long."""
        began, before = time.monotonic(), self.sent
        while (now := time.monotonic() - began) < seconds:
            self.send(max(0, int(now * hz) + 1 - (self.sent - before)))
            time.sleep(tick_seconds)

    def _take_confirmations(self) -> None:
        with contextlib.suppress(OSError):
            while self._socket.recv(65536):
                pass

    def close(self) -> None:
        """End the connection."""
        self._socket.close()
