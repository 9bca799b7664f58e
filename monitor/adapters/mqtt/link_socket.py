"""The socket that the MQTT library sees: telemetry is taken out before the library looks.

Reading through the library costs it three or more system calls and several objects per packet, which ends at about
80,000 messages a second on one core. Here one read brings up to `_READ_BYTES`, `FrameReader` takes the messages, and
the library gets what is left: CONNACK, SUBACK, PINGRESP, DISCONNECT. Writing is gathered the same way: a hundred
acknowledgements leave in one system call.
"""

import socket
import ssl

from monitor.adapters.mqtt.frames import FrameReader
from monitor.core.values.messages import MessageBatch

_READ_BYTES = 256 * 1024
_MAX_UNSENT_BYTES = 1024 * 1024  # then the library has to wait, and with it whoever publishes


class FrameSocket:
    """A connected, non-blocking stream socket (TCP or TLS) with telemetry taken out."""

    def __init__(self, stream: socket.socket, reader: FrameReader) -> None:
        self._stream = stream
        self._reader = reader
        self._unsent = bytearray()
        self._ended = False
        self.received = False  # whether the last read brought anything
        self.drained = True  # whether the last read took all there was

    # Ours

    def receive(self, arrival_seconds: float) -> MessageBatch | None:
        """Read once; the messages that are complete now, which may be none. None when there is nothing to read.

        arrival_seconds: epoch.

        Raises:
            FrameError: the broker sent what is no MQTT.
            OSError: the connection is broken.

        """
        self.received = False
        try:
            data = self._stream.recv(_READ_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        self.received = bool(data)
        if not data:
            self._ended = True
        self.drained = len(data) < _READ_BYTES
        return self._reader.feed(data, arrival_seconds)

    @property
    def for_library(self) -> bool:
        """Whether the library has something to read: packets of its own, or the end of the stream."""
        return bool(self._reader.passed) or self._ended

    @property
    def buffered(self) -> bool:
        """Whether TLS holds decrypted bytes, of which `poll` knows nothing."""
        return isinstance(self._stream, ssl.SSLSocket) and self._stream.pending() > 0

    @property
    def unsent(self) -> bool:
        """Whether bytes wait until the socket takes them."""
        return bool(self._unsent)

    @property
    def congested(self) -> bool:
        """Whether so much waits to be sent that nothing should be added."""
        return len(self._unsent) > _MAX_UNSENT_BYTES

    def add(self, packets: bytes) -> None:
        """Have whole packets of ours sent; their number is bounded by what the broker may leave unacknowledged."""
        self._unsent += packets

    def flush(self) -> None:
        """Send what waits, as far as the socket takes it.

        Raises:
            OSError: the connection is broken.

        """
        try:
            while self._unsent:
                del self._unsent[: self._stream.send(self._unsent)]
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return

    def abort(self) -> None:
        """Close without a word, so that the broker publishes our last will."""
        self._stream.close()

    # What the library calls

    def recv(self, size: int) -> bytes:
        """Bytes of packets that are not telemetry; empty at the end of the stream."""
        if not self._reader.passed and not self._ended:
            raise BlockingIOError
        data = bytes(self._reader.passed[:size])
        del self._reader.passed[:size]
        return data

    def send(self, data: bytes | bytearray) -> int:
        """Take a whole packet, or none: what we add ourselves must come between packets."""
        if self.congested:
            raise BlockingIOError
        self._unsent += data
        return len(data)

    def close(self) -> None:
        """Send what waits (a DISCONNECT, say) and close."""
        try:
            self.flush()
        except OSError:
            pass  # it was broken before: nothing is left to be said
        finally:
            self._stream.close()

    def fileno(self) -> int:
        """Return the file descriptor, for `poll`."""
        return self._stream.fileno()

    def setblocking(self, flag: bool) -> None:
        """As for any socket."""
        self._stream.setblocking(flag)
