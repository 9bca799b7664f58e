"""The listening socket: what it does when the process has no file left for one more client."""

import os
import resource
import socket
import threading
import time
from typing import Any

from monitor.adapters.web.listener import Listener
from tests.broker import wait_until


class Stamped(Listener):
    """Notes when it tried to accept."""

    def __init__(self) -> None:
        super().__init__("127.0.0.1", 0)
        self.tried: list[float] = []

    def get_request(self) -> tuple[Any, Any]:
        self.tried.append(time.monotonic())
        return super().get_request()


def page(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b"here"]


def test_a_process_with_no_file_left_pauses_between_tries_and_serves_who_waited() -> None:
    listener = Stamped()
    listener.set_app(page)
    thread = threading.Thread(target=listener.serve_forever, args=(0.05,))
    thread.start()
    client = socket.socket()
    next_file = os.dup(client.fileno())
    os.close(next_file)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (next_file, limits[1]))
        client.connect(listener.server_address)
        wait_until(lambda: len(listener.tried) >= 3, "three tries to accept")
        assert listener.tried[2] - listener.tried[0] >= 0.2
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    try:
        client.settimeout(10.0)
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.0 200")
    finally:
        client.close()
        listener.shutdown()
        thread.join()
        listener.server_close()
