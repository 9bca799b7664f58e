"""A web server that takes what webhooks post: in a thread of a test, or as a process of its own that can be killed.

As a program: `python -m tests.receiver PORT FILE` takes everything and appends a line of JSON for each request to FILE.
"""

import json
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.broker import PATIENCE_SECONDS, free_port, wait_until
from tests.certificates import Pair
from tests.repository import ROOT


@dataclass(frozen=True)
class Posted:
    """A request. headers: with names in lower case."""

    target: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def key(self) -> tuple[str, int]:
        return self.body["id"], self.body["step"]


@dataclass(frozen=True)
class Reply:
    """What is answered. drip_seconds: between its bytes."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    drip_seconds: float = 0.0


class Receiver:
    """A server on a port of its own; `stop` and `start` again keep it.

    reply: gives the answer to each request. seen: what was answered, in order.
    """

    def __init__(self, reply: Callable[[Posted], Reply] = lambda posted: Reply(), pair: Pair | None = None) -> None:
        self.port = free_port()
        self.reply = reply
        self.seen: list[Posted] = []
        self.hanging = threading.Event()  # while it is not set, nothing is answered
        self.hanging.set()
        self._pair = pair
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http{'s' if self._pair else ''}://localhost:{self.port}/hook?key=secret"

    def steps(self) -> list[tuple[str, int]]:
        return [posted.key for posted in list(self.seen)]

    def start(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                posted = Posted(self.path, headers, json.loads(body))
                receiver.hanging.wait(PATIENCE_SECONDS)
                reply = receiver.reply(posted)
                receiver.seen.append(posted)
                lines = [f"HTTP/1.1 {reply.status} X", *(f"{name}: {value}" for name, value in reply.headers), "", ""]
                answer = "\r\n".join(lines).encode()
                if not reply.drip_seconds:
                    self.wfile.write(answer)
                    return
                for byte in answer:
                    self.wfile.write(bytes([byte]))
                    time.sleep(reply.drip_seconds)

            def do_GET(self) -> None:
                receiver.seen.append(Posted(self.path, {}, {"id": "a GET", "step": -1}))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args: object) -> None: ...

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *args: object) -> None: ...  # somebody hung up

        self._server = Server(("localhost", self.port), Handler)
        if self._pair is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self._pair.certificate, self._pair.key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self.hanging.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


@contextmanager
def receiving(receiver: Receiver) -> Iterator[Receiver]:
    """Start a receiver, and stop it in the end."""
    receiver.start()
    try:
        yield receiver
    finally:
        receiver.stop()


class ReceiverProcess:
    """A receiver in a process of its own, which can be killed and started again on its port."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._file = folder / "posted.jsonl"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}/hook"

    def start(self) -> None:
        self._file.with_suffix(".ready").unlink(missing_ok=True)
        command = [sys.executable, "-m", "tests.receiver", str(self.port), str(self._file)]
        self._process = subprocess.Popen(command, cwd=ROOT)
        wait_until(self._file.with_suffix(".ready").exists, "the receiver listens")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE_SECONDS)
            self._process = None

    def posted(self) -> list[dict[str, Any]]:
        """The bodies so far."""
        lines = self._file.read_text().splitlines() if self._file.exists() else []
        return [json.loads(line) for line in lines]

    def steps(self) -> list[tuple[str, int]]:
        return [(body["id"], body["step"]) for body in self.posted()]


def main(port: int, file: Path) -> None:
    """Take everything until killed."""
    lock = threading.Lock()

    def note(posted: Posted) -> Reply:
        with lock, file.open("a") as target:
            target.write(json.dumps(posted.body) + "\n")
        return Reply(204)

    receiver = Receiver(note)
    receiver.port = port
    receiver.start()
    file.with_suffix(".ready").touch()
    threading.Event().wait()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
