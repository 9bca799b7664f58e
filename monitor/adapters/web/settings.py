"""The sections `[http]`, `[web]` and `[web.tls_server_config]`: where HTTP is served, and who may read it."""

import re
import ssl
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr, ValidationInfo, model_validator

from monitor.config.field_types import Host, Port, ReadableFile, SecretFile, secrets_are_read
from monitor.settings.regular_file import check_regular
from monitor.settings.section import Section

_BCRYPT = re.compile(r"\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")


class HttpConfig(Section):
    """Where `/metrics`, `/healthz` and `/readyz` are served."""

    host: Host = "127.0.0.1"
    """Address to listen on; `0.0.0.0` for all of them."""

    port: Port = 9108
    """TCP port; 0 takes a free one and logs it."""


class WebTlsConfig(Section):
    """TLS for HTTP, version 1.2 at least."""

    cert_file: ReadableFile
    """The server's certificate and those between it and its authority (PEM)."""

    key_file: SecretFile
    """The private key of `cert_file` (PEM, not encrypted). Looked up like `mqtt.password_file`."""

    @model_validator(mode="after")
    def _usable(self, info: ValidationInfo) -> "WebTlsConfig":
        try:
            if secrets_are_read(info):
                self.context()
        except OSError as error:
            why = error.strerror or "no certificate or key in it"
            raise ValueError(f"{self.cert_file} and {self.key_file} are no usable pair of PEM files ({why})") from None
        return self

    def context(self) -> ssl.SSLContext:
        """Read the files: what a server needs to speak TLS.

        Raises:
            OSError: they cannot be read, or are no certificate and its key.

        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        for file in (self.cert_file, self.key_file):
            check_regular(file)
        # a password, be it an empty one, keeps OpenSSL from asking for it on the terminal
        context.load_cert_chain(self.cert_file, self.key_file, password="")
        return context


def _bcrypt_hash(value: object) -> object:
    # the value may be a password that somebody took for its hash: no message may show it
    if not isinstance(value, str) or not _BCRYPT.fullmatch(value):
        raise ValueError("is no bcrypt hash; `htpasswd -nBC 10 USER` asks for a password and prints USER:HASH")
    return value


User = Annotated[str, Field(pattern=r"^[^:\x00-\x1f]+$")]
PasswordHash = Annotated[SecretStr, BeforeValidator(_bcrypt_hash)]


class WebConfig(Section):
    """Who may read what HTTP serves, as Prometheus exporters have it. Read anew with each reload."""

    tls_server_config: WebTlsConfig | None = None
    """Serve HTTPS; see `[web.tls_server_config]`. Left out: plain HTTP."""

    basic_auth_users: dict[User, PasswordHash] = Field(default_factory=dict)
    """Users and the bcrypt hashes of their passwords, `[web.basic_auth_users] name = "$2y$10$…"`. If there is any,
    every page asks for one of them."""
