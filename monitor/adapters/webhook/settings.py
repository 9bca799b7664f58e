"""Settings of a webhook: where the steps of alerts are posted to."""

import re
import ssl
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from monitor.config.field_types import ReadableFile, SecretFile, require_host, secrets_are_read
from monitor.core.values.names import Name
from monitor.settings.regular_file import MAX_SETTINGS_BYTES, check_regular, read_regular
from monitor.settings.section import Section

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # a token, RFC 9110
_OURS = {  # what the client itself has to set
    *("connection", "content-length", "content-type", "expect", "host", "idempotency-key", "te", "trailer"),
    *("transfer-encoding", "upgrade"),
}
_TOLD = "a line must be `Name: value`"


def _url(text: str) -> str:
    # the value may hold a secret: no message may show it
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("is no URL: write what is not ASCII, and spaces, as percent codes (host names in punycode)")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("is no URL") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise ValueError("must be `http://host[:port]/path` or `https://…`")
    require_host(parts.hostname)
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds a user or a password: put `Authorization: …` into `headers_file`")
    if parts.fragment:
        raise ValueError("a fragment (#…) is never sent: leave it out")
    return text


def read_headers(path: Path) -> dict[str, str]:
    """The headers of a file of `Name: value` lines; empty lines, and those that begin with `#`, are left out.

    Raises:
        OSError: it cannot be read.
        ValueError: a line is no header, or one that is not to be set. The text names the line, never its content.

    """
    headers: dict[str, str] = {}
    try:
        lines = read_regular(path, MAX_SETTINGS_BYTES).decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not UTF-8 text") from None
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, value = line.partition(":")
        value = value.strip()
        if not colon or not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"{path}, line {number}: {_TOLD}")
        if not value.isascii() or not value.isprintable():
            raise ValueError(f"{path}, line {number}: the value must be printable ASCII")
        if name.lower() in _OURS:
            raise ValueError(f"{path}, line {number}: {name} is not to be set here")
        if name.lower() in map(str.lower, headers):
            raise ValueError(f"{path}, line {number}: {name} is set twice")
        headers[name] = value
    return headers


def _headers(path: Path, info: ValidationInfo) -> Path:
    try:
        if secrets_are_read(info):
            read_headers(path)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    return path


class WebhookConfig(Section):
    """Where each step of an alert is posted to as JSON; see docs/outputs.md. Repeat `[[webhook]]` for each."""

    url: Annotated[str, AfterValidator(_url)]
    """What to post to, `http://…` or `https://…`. Redirects are not followed, and proxies of the environment not used.
    It may hold a secret: logs show its host only."""

    name: Name = "webhook"
    """What logs, metrics and the journal call it. Two webhooks need different names. Under a new name it is a new one:
    steps that waited for the old one are given up."""

    headers_file: Annotated[SecretFile, AfterValidator(_headers)] | None = None
    """File of `Name: value` lines to send along, e.g. `Authorization: Bearer …`. Read anew for each request. Looked up
    like `mqtt.password_file`."""

    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 10.0
    """How long to wait for the connection, and then for the answer."""

    ca_file: ReadableFile | None = None
    """Certificates of the authorities to trust (PEM), instead of the system's. For `https` only."""

    @model_validator(mode="after")
    def _authorities_are_usable(self) -> "WebhookConfig":
        if self.ca_file is None:
            return self
        if self.parts.scheme != "https":
            raise ValueError("`ca_file` needs a `url` that begins with https")
        try:
            self.context()
        except OSError as error:
            why = error.strerror or "no certificate in it"
            raise ValueError(f"{self.ca_file} is no usable PEM file ({why})") from None
        return self

    @property
    def parts(self) -> SplitResult:
        """The URL, taken apart."""
        return urlsplit(self.url)

    @property
    def origin(self) -> str:
        """What of the URL may be shown: scheme, host and port."""
        return f"{self.parts.scheme}://{self.parts.netloc}"

    def context(self) -> ssl.SSLContext | None:
        """Read the authorities: what a client needs to speak TLS with them; None where the URL asks for no TLS.

        Raises:
            OSError: the file cannot be read, or holds no certificate.

        """
        if self.parts.scheme != "https":
            return None
        if self.ca_file is None:
            return ssl.create_default_context()
        check_regular(self.ca_file)
        return ssl.create_default_context(cafile=str(self.ca_file))
