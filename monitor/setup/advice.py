"""What works and is not what its owner may expect: the warnings of `residuald check`."""

import stat
from collections.abc import Iterator
from pathlib import Path

from monitor.config.field_types import is_loopback
from monitor.core.sources.source import STDIN, SourceSpec
from monitor.setup.registry import Config

_TLS_PORT = 8883
_OTHERS_OR_GROUP_WRITES = stat.S_IRWXO | stat.S_IWGRP  # a group that may read is how a service is given a secret


def advice(config: Config) -> Iterator[str]:
    """List what works and is not what its owner may expect, one sentence each."""
    yield from _of_the_broker(config)
    yield from _of_http(config)
    yield from _of_secrets(config)
    yield from _of_bounds(config)
    for source in config.source:
        yield from _of_names(source)
        if source.file == STDIN:
            yield (
                f"source {source.name}: standard input is not journaled: what was read of it and not scored yet is "
                "lost with the process"
            )
    judged = {source.model for source in config.source}
    yield from (f"model {model.name}: no source feeds it" for model in config.model if model.name not in judged)
    if config.webhook and config.journal.folder is None:
        yield (
            "webhooks need the journal ([journal] path): without it steps of alerts that wait for a server are lost "
            "with the process"
        )


def _of_the_broker(config: Config) -> Iterator[str]:
    mqtt = config.mqtt
    if not config.uses_broker or mqtt.tls is not None:
        return
    if mqtt.password_file is not None and not is_loopback(mqtt.host):
        yield f"mqtt: user and password go to {mqtt.host} in clear text; encrypt the connection with [mqtt.tls]"
    if mqtt.port == _TLS_PORT:
        yield f"mqtt.port: brokers expect TLS on port {_TLS_PORT}; an empty [mqtt.tls] turns it on"


def _of_http(config: Config) -> Iterator[str]:
    host = config.http.host
    if not is_loopback(host) and not config.web.basic_auth_users:
        yield (
            f"http.host: whoever reaches {host}:{config.http.port} can read metrics and names of streams; "
            "ask for a user with [web.basic_auth_users]"
        )
    elif not is_loopback(host) and config.web.tls_server_config is None:
        yield f"http.host: users and passwords come to {host} in clear text; serve HTTPS with [web.tls_server_config]"
    for webhook in config.webhook:
        clear = webhook.parts.scheme == "http" and not is_loopback(webhook.parts.hostname or "")
        if clear and webhook.headers_file is not None:
            yield f"webhook {webhook.name}: its headers go to {webhook.origin} in clear text; use https"


def _of_secrets(config: Config) -> Iterator[str]:
    tls, web_tls = config.mqtt.tls, config.web.tls_server_config
    secrets = [("mqtt.password_file", config.mqtt.password_file)]
    secrets += [("mqtt.tls.key_file", None if tls is None else tls.key_file)]
    secrets += [("web.tls_server_config.key_file", None if web_tls is None else web_tls.key_file)]
    secrets += [(f"webhook {webhook.name}: headers_file", webhook.headers_file) for webhook in config.webhook]
    for key, path in secrets:
        if path is not None and _is_open(path):
            yield f"{key}: other users of this machine can read or change {path}; `chmod 600` it"


def _of_bounds(config: Config) -> Iterator[str]:
    limits, timing = config.limits, config.timing
    if limits.max_payload_bytes > limits.max_inbox_bytes:
        yield (
            f"limits.max_payload_bytes: a payload of {limits.max_payload_bytes:,} bytes is admitted and never fits the "
            f"inbox of {limits.max_inbox_bytes:,} (max_inbox_bytes)"
        )
    if timing.expire_after_seconds <= timing.silent_after_seconds:
        yield (
            "timing.expire_after_seconds: streams are forgotten before they are silent, so that nobody is told; "
            "it should be longer than silent_after_seconds"
        )


def _is_open(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & _OTHERS_OR_GROUP_WRITES)
    except OSError:
        return False  # it was read a moment ago, or is not looked at


def _of_names(source: SourceSpec) -> Iterator[str]:
    left_out = source.names_left_out
    if left_out:
        names = " and ".join(f"{{{name}}}" for name in left_out)
        yield (
            f"source {source.name}: stream {source.stream!r} leaves out {names}: of devices that differ in "
            "nothing else only the first has a stream, and messages of the others are refused (stream_conflict)"
        )
