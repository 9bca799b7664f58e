"""A TCP proxy in front of the broker, to make a network that fails the way networks do."""

import contextlib
import socket
import struct
import threading

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with RST, and forget what was not sent


class Proxy:
    """Forwards connections on `port` to `target_port`, both on the loopback.

    stall: nothing is forwarded any more and nobody is told, as with a half-open connection. resume: goes on where it
    stopped. cut: all connections are reset, and what was under way is lost.
    """

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._flowing = threading.Event()
        self._flowing.set()
        self._open: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def stall(self) -> None:
        self._flowing.clear()

    def resume(self) -> None:
        self._flowing.set()

    def cut(self) -> None:
        connections, self._open = self._open, []
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._flowing.set()

    def close(self) -> None:
        self._server.close()
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed: we are done
            while True:
                client, _ = self._server.accept()
                try:
                    broker = socket.create_connection(("127.0.0.1", self._target_port), 1.0)
                except OSError:
                    client.close()
                    continue
                broker.settimeout(None)
                self._open += [client, broker]
                for source, sink in (client, broker), (broker, client):
                    threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._flowing.wait()
                data = source.recv(65536)
                self._flowing.wait()  # what came just before the stall has not arrived either
                if not data:
                    break
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
