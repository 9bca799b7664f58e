"""What we show over HTTP: metrics, whether we live, whether we do our job.

Reading only, for Prometheus, probes and people in a browser. Who is served at a time, and for how long, is up to
`listener` and `places`.
"""

import errno
import html
import json
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from urllib.parse import parse_qs
from wsgiref.types import StartResponse, WSGIEnvironment

import structlog
from prometheus_client import CollectorRegistry

from monitor import __version__
from monitor.adapters.web.basic_auth import BasicAuth
from monitor.adapters.web.exposition import CONTENT_TYPE, expose
from monitor.adapters.web.listener import CONNECTION, BusyError, Listener
from monitor.adapters.web.settings import HttpConfig, WebConfig
from monitor.config.field_types import is_loopback
from monitor.errors import UnavailableError

log = structlog.get_logger()

_GZIP_LEVEL, _GZIP_BITS = 1, 31  # metrics repeat themselves: higher levels take six times as long to save a tenth
_POLL_SECONDS = 0.25  # how often requests that take too long are looked for, and how long stopping takes

_Response = tuple[HTTPStatus, str, bytes]  # status, content type, body


class HttpServer:
    """Serves `/metrics`, `/healthz`, `/readyz` and a page that links to them.

    web: who may read it; `protect` changes that while it runs. healthz: whether the process is alive and moves, and a
    text. readyz: what keeps it from doing its job, by part; empty when nothing does. Both are called from request
    threads.
    """

    def __init__(
        self,
        config: HttpConfig,
        registry: CollectorRegistry,
        *,
        web: WebConfig | None = None,
        healthz: Callable[[], tuple[bool, str]],
        readyz: Callable[[], Mapping[str, str]],
    ) -> None:
        self._config = config
        self._registry = registry
        self._healthz = healthz
        self._readyz = readyz
        self._web = web or WebConfig()
        self._auth = BasicAuth(self._web.basic_auth_users)
        self._server: Listener | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen and serve.

        Raises:
            UnavailableError: the address or the certificate cannot be used.

        """
        host, port = self._config.host, self._config.port
        tls = self._web.tls_server_config
        try:
            context = None if tls is None else tls.context()
        except OSError as error:  # changed since the configuration was checked
            raise UnavailableError(f"web.tls_server_config: cannot be used: {error}") from None
        try:
            self._server = Listener(host, port)
        except OSError as error:
            raise UnavailableError(f"cannot serve HTTP on {_join(host, port)}: {_advice(error)}") from None
        self._server.set_app(self._answer)
        self._server.tls = context
        if not is_loopback(host) and not (self._web.tls_server_config and self._web.basic_auth_users):
            log.warning("HTTP is open to other machines without TLS or without users; see [web]", http=self.address)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name="http", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop listening; requests under way are left to end by themselves."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()

    def protect(self, web: WebConfig) -> None:
        """Ask for TLS and users as `web` says, from the next request on; its certificate is read anew."""
        tls = web.tls_server_config
        try:
            context = None if tls is None else tls.context()
        except OSError as error:
            # changed since the configuration was checked; a traceback would say no more
            log.error("HTTP goes on as it was: its certificate cannot be used", error=str(error))  # noqa: TRY400
            return
        if web.basic_auth_users != self._web.basic_auth_users:
            self._auth = BasicAuth(web.basic_auth_users)
        self._web = web
        if self._server is not None:
            self._server.tls = context

    @property
    def last_progress_monotonic(self) -> float:
        """When the thread that accepts requests last went round."""
        return 0.0 if self._server is None else self._server.last_progress

    @property
    def address(self) -> str:
        """`host:port`, with the port that was taken where the settings say 0."""
        port = self._config.port if self._server is None else self._server.server_port
        return _join(self._config.host, port)

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request (the WSGI application)."""
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        extra = []
        try:
            if not self._auth.admits(environ.get("HTTP_AUTHORIZATION")):
                log.warning("HTTP access denied", client=environ["REMOTE_ADDR"])
                extra = [("WWW-Authenticate", 'Basic realm="residuald", charset="UTF-8"')]
                status, content_type, content = HTTPStatus.UNAUTHORIZED, "text/plain", b"user and password, please\n"
            elif path == "/metrics" and method in {"GET", "HEAD"}:
                return self._metrics(environ, start_response)
            else:
                status, content_type, content = self._page(path, method)
        except BusyError:
            status, content_type, content = HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", b"too many scrapes at once\n"
        except Exception:
            log.exception("an HTTP request failed", path=path)
            status, content_type, content = HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain", b"failed; see the log\n"
        headers = [
            ("Content-Type", f"{content_type}; charset=utf-8"),
            ("Content-Length", str(len(content))),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            *extra,
        ]
        start_response(f"{status.value} {status.phrase}", headers)
        return [] if method == "HEAD" else [content]

    def _metrics(self, environ: WSGIEnvironment, start_response: StartResponse) -> "_HeldAnswer":
        """The registry, or the series that `?name[]=…` asks for, as is usual among exporters."""
        names = frozenset(parse_qs(environ.get("QUERY_STRING", "")).get("name[]", []))
        compressed = "gzip" in environ.get("HTTP_ACCEPT_ENCODING", "")
        if self._server is None:
            raise RuntimeError("start() comes first")
        client = environ[CONNECTION]
        let_go = self._server.hold_answer(client)
        try:
            pieces = (text.encode() for text in expose(self._registry, names))
            content = list(_gzipped(pieces) if compressed else pieces)
            headers = [
                ("Content-Type", f"{CONTENT_TYPE}; charset=utf-8"),
                ("Content-Length", str(sum(map(len, content)))),
                ("Vary", "Accept-Encoding"),
            ]
            self._server.begin_reading(client)
            start_response("200 OK", [*headers, ("Content-Encoding", "gzip")] if compressed else headers)
        except BaseException:
            let_go()
            raise
        return _HeldAnswer(content if environ["REQUEST_METHOD"] == "GET" else [], let_go)

    def _page(self, path: str, method: str) -> _Response:
        if method not in {"GET", "HEAD"}:
            return HTTPStatus.METHOD_NOT_ALLOWED, "text/plain", b"only GET and HEAD\n"
        match path:
            case "/":
                return HTTPStatus.OK, "text/html", _INDEX.encode()
            case "/healthz":
                healthy, text = self._healthz()
                return _status(healthy), "text/plain", f"{text}\n".encode()
            case "/readyz":
                reasons = dict(self._readyz())
                content = json.dumps({"ready": not reasons, "reasons": reasons}) + "\n"
                return _status(not reasons), "application/json", content.encode()
            case _:
                return HTTPStatus.NOT_FOUND, "text/plain", b"not here; see /\n"


class _HeldAnswer:
    """A large answer in pieces; `close`, which the server of WSGI calls in any case, lets another one into memory."""

    def __init__(self, pieces: list[bytes], let_go: Callable[[], None]) -> None:
        self._pieces = pieces
        self.close = let_go

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._pieces)


def _gzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    compressor = zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP_BITS)
    yield from map(compressor.compress, pieces)
    yield compressor.flush()


def _status(good: bool) -> HTTPStatus:
    return HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE


def _join(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _advice(error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "the port is taken; stop what listens there or choose another `http.port` (0 takes a free one)"
        case errno.EACCES:
            return "not allowed; choose an `http.port` above 1023"
        case errno.EADDRNOTAVAIL:
            return "this machine has no such address; see `http.host`"
        case _:
            return f"{error.strerror or error}; see `http.host`"


_LINKS = {
    "/metrics": "what Prometheus scrapes",
    "/healthz": "whether the process is alive and moves",
    "/readyz": "whether it does its job, and if not, why",
}
_INDEX = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>residuald</title></head>
<body style="font-family: system-ui, sans-serif; margin: 2rem">
<h1>residuald {html.escape(__version__)}</h1>
<ul>{"".join(f'<li><a href="{path}">{path}</a>: {text}</li>' for path, text in _LINKS.items())}</ul>
</body></html>
"""
