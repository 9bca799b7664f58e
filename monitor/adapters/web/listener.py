"""The listening socket of HTTP: a thread for each client that has a place, with a deadline and bounded memory."""

import contextlib
import errno
import io
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from socketserver import TCPServer, ThreadingMixIn
from typing import Any, cast
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import structlog

from monitor.adapters.web.places import ANSWER_SECONDS, HEADER_SECONDS, Places

log = structlog.get_logger()

_MAX_HEADER_BYTES = 16 * 1024  # request line included
_MAX_ANSWERS = 4  # large ones at a time: each is held in memory until its reader has it
_PATIENCE_SECONDS = 8.0  # for one of them; Prometheus waits for 10 s
_GRACE_SECONDS = 1.0  # so long a reader need not make way
_TURN_SECONDS = 0.1
_NONE_LEFT = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
CONNECTION = "residuald.connection"  # in the environment of WSGI
_REFUSAL = b"HTTP/1.0 503 Service Unavailable\r\n\r\ntoo many requests at once\n"


class BusyError(Exception):
    """Too many answers are on their way already."""


class HeadersTooLargeError(Exception):
    """A client sends headers without end."""


class Listener(ThreadingMixIn, WSGIServer):
    """A server of WSGI whose clients are bounded in number, time and memory.

    tls: None for plain HTTP. last_progress: when the thread that accepts went round, monotonic seconds.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, host: str, port: int) -> None:
        """Bind and listen."""
        self.tls: ssl.SSLContext | None = None
        self.last_progress = time.monotonic()
        self.places = Places()
        self._answers = threading.BoundedSemaphore(_MAX_ANSWERS)
        self._reading: dict[Any, float] = {}  # connections that read a large answer, since when
        self._lock = threading.Lock()
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)

    def hold_answer(self, client: Any) -> Callable[[], None]:
        """Wait until one more large answer may be in memory; who reads one slowly makes way.

        client: the connection that the answer is for. Returns what is to be called once it was read, or was not.

        Raises:
            BusyError: none became free in time.

        """
        give_up = time.monotonic() + _PATIENCE_SECONDS
        while not self._answers.acquire(timeout=_TURN_SECONDS):
            now = time.monotonic()
            with self._lock:
                slowest = min(self._reading, key=self._reading.__getitem__, default=None)
                if slowest is not None and now - self._reading[slowest] > _GRACE_SECONDS:
                    del self._reading[slowest]
                    _break(slowest)
            if now > give_up:
                raise BusyError
        return partial(self._let_go, client)

    def begin_reading(self, client: Any) -> None:
        """Note that a client begins to read its large answer; from then on it may have to make way."""
        with self._lock:
            self._reading[client] = time.monotonic()

    def _let_go(self, client: Any) -> None:
        with self._lock:
            self._reading.pop(client, None)
        self._answers.release()

    def server_bind(self) -> None:
        """Bind, without asking the DNS for our name as HTTPServer does, which can take seconds."""
        TCPServer.server_bind(self)
        host, port, *_ = self.server_address
        self.server_name, self.server_port = str(host), int(port)
        self.setup_environ()

    def get_request(self) -> tuple[Any, Any]:
        """Accept a connection.

        Raises:
            OSError: there is none, or the process has no file left for it.

        """
        try:
            request, client_address = super().get_request()
        except OSError as error:
            if error.errno in _NONE_LEFT:  # who waits stays in the queue, which would be looked at without a pause
                log.warning("HTTP takes no connection", error=error.strerror, hint="LimitNOFILE of the service")
                time.sleep(_TURN_SECONDS)
            raise
        if self.tls is not None:
            # the handshake waits for the client: it is the request's own thread that does it
            request = self.tls.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
        return request, client_address

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give a client a place and a thread, or refuse it."""
        admitted, evicted = self.places.enter(request, client_address[0], time.monotonic())
        if evicted is not None:
            _break(evicted)
        if admitted:
            super().process_request(request, client_address)
            return
        if not isinstance(request, ssl.SSLSocket):  # to say it in TLS would take a handshake
            with contextlib.suppress(OSError):
                request.setblocking(False)
                request.sendall(_REFUSAL)
        super().shutdown_request(request)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Serve a client, in its own thread."""
        if isinstance(request, ssl.SSLSocket):
            request.settimeout(HEADER_SECONDS)
            request.do_handshake()
        super().finish_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """End a connection, and give its place back."""
        self.places.leave(request)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """End requests whose client is too slow; called between requests."""
        self.last_progress = time.monotonic()
        for request in self.places.overdue(self.last_progress):
            _break(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 the base class's signature
        """Note a client that went away or was too slow; errors of ours are logged where they happen."""
        log.debug("an HTTP connection broke", client=client_address[0], error=repr(sys.exception()))


def _break(request: Any) -> None:
    """End a connection whose thread waits for its client: the thread finds out and leaves."""
    with contextlib.suppress(OSError):  # it ended in this moment
        request.shutdown(socket.SHUT_RDWR)


class _Handler(WSGIRequestHandler):
    timeout = ANSWER_SECONDS
    server: Listener

    def setup(self) -> None:
        super().setup()
        self.rfile = cast(Any, _BoundedHeaders(self.rfile))
        self._errors = io.StringIO()

    def handle(self) -> None:
        try:
            super().handle()
        except HeadersTooLargeError:
            self.requestline, self.request_version, self.command = "", "HTTP/1.0", ""
            self.send_error(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        told = self._errors.getvalue().splitlines()
        if told:
            log.debug("an HTTP connection broke", client=self.client_address[0], error=told[-1])

    def get_stderr(self) -> Any:
        """Take the traceback that the base class writes for each client that goes away in the midst of TLS."""
        return self._errors

    def parse_request(self) -> bool:
        parsed = super().parse_request()
        self.server.places.answering(self.request, time.monotonic())
        return parsed

    def get_environ(self) -> dict[str, Any]:
        return {**super().get_environ(), CONNECTION: self.request}

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 the name is the base class's
        """Log nothing: a scrape every few seconds is no news."""


class _BoundedHeaders:
    """What a client sends, as far as it may: request line and headers; no page takes a body."""

    def __init__(self, stream: io.BufferedIOBase) -> None:
        self._stream = stream
        self._left = _MAX_HEADER_BYTES

    def readline(self, size: int = -1) -> bytes:
        limit = self._left + 1 if size < 0 else min(size, self._left + 1)
        line = self._stream.readline(limit)
        self._left -= len(line)
        if self._left < 0:
            raise HeadersTooLargeError
        return line

    def read(self, size: int = -1) -> bytes:
        return self._stream.read(min(size, max(self._left, 0)) if size >= 0 else 0)

    def close(self) -> None:
        self._stream.close()
