"""One POST and its answer.

`http.client` is enough: it follows no redirects and asks no environment for proxies, so nothing has to be turned off.
What it lacks is a bound on the time that an answer may take as a whole; that is added here.
"""

import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any, NamedTuple, cast

from monitor.config.webhook import WebhookConfig

_RETRY_AFTER_CEILING_SECONDS = 300.0  # whatever a server asks for
_LOOK_SECONDS = 0.2  # how often a wait looks whether it was cut short


class Failure(StrEnum):
    """Why an attempt failed, as metrics have it."""

    STATUS = "status"  # an answer that does not say that it was accepted
    TIMEOUT = "timeout"
    TLS = "tls"  # a certificate that is not trusted, or no TLS at all
    NETWORK = "network"  # refused, unreachable, cut off, no such host, no HTTP
    SETTINGS = "settings"  # a file that the settings name cannot be used
    UNEXPECTED = "unexpected"


class RequestError(Exception):
    """There is no answer. The text is for the log: it shows nothing of the URL's path, of headers or of bodies."""

    def __init__(self, failure: Failure, text: str) -> None:
        super().__init__(text)
        self.failure = failure


class Answer(NamedTuple):
    """What a server answered. retry_after: the header, empty where there is none."""

    status: int
    retry_after: str = ""

    @property
    def accepted(self) -> bool:
        """Whether the server has taken it."""
        return 200 <= self.status < 300

    @property
    def final(self) -> bool:
        """Whether another attempt would come to the same: redirects, which are not followed, and what is our fault."""
        return self.accepted or (300 <= self.status < 500 and self.status not in {408, 429})

    def pause_seconds(self, now_seconds: float) -> float:
        """How long the server asks to be left alone, within a bound. now_seconds: epoch; a date is compared with it."""
        if self.status not in {429, 503}:
            return 0.0
        if self.retry_after.isdecimal():
            asked = float(self.retry_after[:9])
        else:
            try:
                asked = parsedate_to_datetime(self.retry_after).timestamp() - now_seconds
            except (ValueError, OverflowError):
                return 0.0
        return min(max(asked, 0.0), _RETRY_AFTER_CEILING_SECONDS)


def post(
    config: WebhookConfig,
    context: ssl.SSLContext | None,
    headers: Mapping[str, str],
    body: bytes,
    left_seconds: Callable[[], float],
) -> Answer:
    """Post a body and wait for the status and headers of the answer, whose body is not read.

    context: for TLS; None: plain HTTP. left_seconds: how much time there is left before `config.timeout_seconds` are
    over; it may shrink while we wait.

    Raises:
        RequestError: there is no answer.

    """
    parts = config.parts
    host, timeout_seconds = cast(str, parts.hostname), max(min(config.timeout_seconds, left_seconds()), 0.001)
    connection = (
        http.client.HTTPConnection(host, parts.port, timeout=timeout_seconds)
        if context is None
        else http.client.HTTPSConnection(host, parts.port, timeout=timeout_seconds, context=context)
    )
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.connect()
        connection.request("POST", target, body, dict(headers))
        ends = time.monotonic() + config.timeout_seconds
        stream = _BoundedSocket(connection.sock, lambda: min(ends - time.monotonic(), left_seconds()))
        with http.client.HTTPResponse(cast(socket.socket, stream), method="POST") as response:
            response.begin()
            return Answer(response.status, (response.getheader("Retry-After") or "").strip())
    except (OSError, http.client.HTTPException) as error:
        raise RequestError(*_explained(error, config)) from None
    finally:
        connection.close()


class _BoundedSocket:
    """What `HTTPResponse` needs of a socket. left_seconds: how much time there is left, asked again and again."""

    def __init__(self, stream: socket.socket, left_seconds: Callable[[], float]) -> None:
        self._stream = stream
        self._left_seconds = left_seconds

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_BoundedReader(self._stream, self._left_seconds))


class _BoundedReader(io.RawIOBase):
    def __init__(self, stream: socket.socket, left_seconds: Callable[[], float]) -> None:
        self._stream = stream
        self._left_seconds = left_seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while (left_seconds := self._left_seconds()) > 0:
            self._stream.settimeout(min(left_seconds, _LOOK_SECONDS))
            with suppress(TimeoutError):
                return self._stream.recv_into(buffer)
        raise TimeoutError


def _explained(error: Exception, config: WebhookConfig) -> tuple[Failure, str]:  # noqa: PLR0911 - a table
    """Why there is no answer, and in words."""
    match error:
        case TimeoutError():
            return Failure.TIMEOUT, f"no answer within {config.timeout_seconds:g} s"
        case ssl.SSLCertVerificationError():
            return Failure.TLS, f"the certificate is not accepted: {error.verify_message} (see webhook.ca_file)"
        case ssl.SSLError():
            return Failure.TLS, f"TLS failed: {error.strerror or type(error).__name__}"
        case socket.gaierror():
            return Failure.NETWORK, f"the host name cannot be resolved: {error.strerror}"
        case http.client.RemoteDisconnected():
            return Failure.NETWORK, "the connection was closed without an answer"
        case OSError():
            return Failure.NETWORK, error.strerror or type(error).__name__
        case _:
            return Failure.NETWORK, f"the answer is not HTTP ({type(error).__name__})"
