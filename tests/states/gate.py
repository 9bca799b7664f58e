"""A TCP relay between a daemon and its broker that can hold back what the daemon sends, from its first PUBREL on."""

import contextlib
import socket
import threading

_PUBREL = 6


class Gate:
    """Listens on `port` for one daemon. Until `arm` is called, and from then to the next PUBREL, all passes.

    held: what the daemon has sent since.
    """

    def __init__(self, broker_port: int) -> None:
        self.holding = threading.Event()
        self.held = bytearray()
        self._armed = False
        self._broker_port = broker_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def arm(self) -> None:
        """Hold back everything from the next PUBREL on."""
        self._armed = True

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                daemon, _ = self._listener.accept()
                broker = socket.create_connection(("127.0.0.1", self._broker_port))
                threading.Thread(target=self._pass_back, args=(broker, daemon), daemon=True).start()
                threading.Thread(target=self._pass_on, args=(daemon, broker), daemon=True).start()

    def _pass_back(self, broker: socket.socket, daemon: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := broker.recv(65536):
                daemon.sendall(data)

    def _pass_on(self, daemon: socket.socket, broker: socket.socket) -> None:
        waiting = bytearray()
        with contextlib.suppress(OSError):
            while data := daemon.recv(65536):
                waiting += data
                while size := _frame_size(waiting):
                    if self._armed and waiting[0] >> 4 == _PUBREL:
                        self.holding.set()
                    if self.holding.is_set():
                        self.held += waiting[:size]
                    else:
                        broker.sendall(waiting[:size])
                    del waiting[:size]


def _frame_size(data: bytearray) -> int:
    """The bytes of the MQTT control packet that `data` begins with (MQTT 5.0, 2.1); 0 while some are missing."""
    length = 0
    for at, byte in enumerate(data[1:5]):
        length |= (byte & 0x7F) << 7 * at
        if byte < 0x80:
            size = at + 2 + length
            return size if len(data) >= size else 0
    return 0
