"""TLS and users for HTTP: who gets in, who does not, and what nobody ever sees."""

import base64
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import bcrypt
import pytest
import structlog
from prometheus_client import CollectorRegistry, Gauge

from monitor.adapters.web.server import HttpServer
from monitor.adapters.web.settings import HttpConfig, WebConfig, WebTlsConfig
from monitor.errors import UnavailableError
from tests.broker import PATIENCE_SECONDS, wait_until
from tests.certificates import Authority

pytestmark = pytest.mark.integration

PASSWORD = "correct horse"
HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"), "authority")


@pytest.fixture(scope="module")
def tls(authority: Authority) -> dict[str, Path]:
    pair = authority.issue("server", "DNS:localhost,IP:127.0.0.1")
    return {"cert_file": pair.certificate, "key_file": pair.key}


Serve = Callable[..., HttpServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    started: list[HttpServer] = []

    def start(registry: CollectorRegistry | None = None, **web: object) -> HttpServer:
        config = WebConfig.model_validate(web)
        registry = registry or CollectorRegistry()
        server = HttpServer(HttpConfig(port=0), registry, web=config, healthz=lambda: (True, "ok"), readyz=dict)
        server.start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def status(
    server: HttpServer, trusted: Path | None = None, path: str = "/metrics", headers: dict[str, str] | None = None
) -> int:
    if trusted is None:
        connection = http.client.HTTPConnection(server.address, timeout=PATIENCE_SECONDS)
    else:
        context = ssl.create_default_context(cafile=str(trusted))
        connection = http.client.HTTPSConnection(server.address, timeout=PATIENCE_SECONDS, context=context)
    try:
        connection.request("GET", path, headers=headers or {})
        return connection.getresponse().status
    finally:
        connection.close()


def test_https_serves_whoever_trusts_the_authority(serve: Serve, authority: Authority, tls: dict[str, Path]) -> None:
    server = serve(tls_server_config=tls)
    assert status(server, authority.own.certificate) == 200


def test_plain_http_is_not_served_where_tls_is_asked_for(serve: Serve, tls: dict[str, Path]) -> None:
    server = serve(tls_server_config=tls)
    with pytest.raises((OSError, http.client.HTTPException)):
        status(server)


def test_old_tls_is_refused(tls: dict[str, Path]) -> None:
    context = WebTlsConfig.model_validate(tls).context()
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_a_certificate_that_went_bad_before_the_start_never_means_plain_http(
    authority: Authority,
) -> None:
    pair = authority.issue("short-lived", "DNS:localhost,IP:127.0.0.1")
    web = WebConfig.model_validate({"tls_server_config": {"cert_file": pair.certificate, "key_file": pair.key}})
    pair.key.write_text("")
    server = HttpServer(HttpConfig(port=0), CollectorRegistry(), web=web, healthz=lambda: (True, ""), readyz=dict)
    with pytest.raises(UnavailableError, match=r"web\.tls_server_config: cannot be used"):
        server.start()


def test_a_certificate_that_went_bad_before_a_reload_leaves_the_old_one(
    serve: Serve, authority: Authority, tls: dict[str, Path]
) -> None:
    server = serve(tls_server_config=tls)
    pair = authority.issue("broken", "DNS:localhost,IP:127.0.0.1")
    web = WebConfig.model_validate({"tls_server_config": {"cert_file": pair.certificate, "key_file": pair.key}})
    pair.key.write_text("")
    server.protect(web)
    assert status(server, authority.own.certificate) == 200


def test_clients_that_never_shake_hands_keep_nobody_out(
    serve: Serve, authority: Authority, tls: dict[str, Path]
) -> None:
    server = serve(tls_server_config=tls)
    host, port = server.address.split(":")
    silent = [socket.create_connection((host, int(port)), PATIENCE_SECONDS) for _ in range(5)]
    try:
        assert status(server, authority.own.certificate) == 200
    finally:
        for client in silent:
            client.close()


@pytest.mark.parametrize("path", ["/", "/metrics", "/healthz", "/readyz", "/nowhere"])
def test_every_page_asks_for_a_user(serve: Serve, path: str) -> None:
    server = serve(basic_auth_users={"prometheus": HASH})
    assert status(server, path=path) == 401
    expected = 404 if path == "/nowhere" else 200
    assert status(server, path=path, headers=basic("prometheus", PASSWORD)) == expected
    assert status(server, path=path, headers=basic("prometheus", PASSWORD)) == expected  # known by now


@pytest.mark.parametrize(
    "headers",
    [
        basic("prometheus", "wrong"),
        basic("prometheus", ""),
        basic("prometheus", PASSWORD + "\0"),
        basic("prometheus", "x" * 100),
        basic("nobody", PASSWORD),
        basic("", PASSWORD),
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic"},
        {"Authorization": "Basic " + base64.b64encode(b"prometheus").decode()},
        {"Authorization": "Basic " + base64.b64encode(b"\xff:\xff").decode()},
        {"Authorization": f"Bearer {HASH}"},
        {"Authorization": "Basic " + base64.b64encode(f"prometheus:{HASH}".encode()).decode()},
    ],
    ids=range(12),
)
def test_anything_but_the_right_password_is_refused(serve: Serve, headers: dict[str, str]) -> None:
    server = serve(basic_auth_users={"prometheus": HASH})
    assert status(server, headers=basic("prometheus", PASSWORD)) == 200  # a right one before opens no door
    assert status(server, headers=headers) == 401


def test_a_hash_as_htpasswd_writes_it_is_taken(serve: Serve) -> None:
    server = serve(basic_auth_users={"prometheus": "$2y" + HASH.removeprefix("$2b")})
    assert status(server, headers=basic("prometheus", PASSWORD)) == 200


def test_a_reload_changes_users_and_certificate_without_a_new_port(
    serve: Serve, authority: Authority, tls: dict[str, Path]
) -> None:
    server = serve(basic_auth_users={"prometheus": HASH})
    assert status(server, headers=basic("prometheus", PASSWORD)) == 200
    other = bcrypt.hashpw(b"other", bcrypt.gensalt(4)).decode()
    server.protect(WebConfig.model_validate({"tls_server_config": tls, "basic_auth_users": {"prometheus": other}}))
    assert status(server, authority.own.certificate, headers=basic("prometheus", PASSWORD)) == 401
    assert status(server, authority.own.certificate, headers=basic("prometheus", "other")) == 200


def test_refused_passwords_and_users_are_never_logged(serve: Serve) -> None:
    server = serve(basic_auth_users={"prometheus": HASH})
    with structlog.testing.capture_logs() as logs:
        assert status(server, headers=basic("hunter2-as-user", "hunter2")) == 401
    assert [entry["event"] for entry in logs] == ["HTTP access denied"]
    assert "hunter2" not in json.dumps(logs)
    assert "$2b$" not in json.dumps(logs)


def test_guessing_in_parallel_lets_the_right_one_in(serve: Serve) -> None:
    server = serve(basic_auth_users={"prometheus": HASH})
    refused: list[int] = []
    guesses = [
        threading.Thread(target=lambda n=n: refused.append(status(server, headers=basic("prometheus", str(n)))))
        for n in range(8)
    ]
    for guess in guesses:
        guess.start()
    assert status(server, headers=basic("prometheus", PASSWORD)) == 200
    for guess in guesses:
        guess.join()
    assert refused == [401] * 8


@pytest.mark.parametrize(("host", "open_to_others"), [("0.0.0.0", True), ("127.0.0.1", False), ("localhost", False)])
def test_serving_other_machines_in_the_open_is_warned_about(host: str, open_to_others: bool) -> None:
    server = HttpServer(HttpConfig(host=host, port=0), CollectorRegistry(), healthz=lambda: (True, ""), readyz=dict)
    with structlog.testing.capture_logs() as logs:
        server.start()
    server.stop()
    told = ["HTTP is open to other machines without TLS or without users; see [web]"]
    assert [entry["event"] for entry in logs] == (told if open_to_others else [])


def test_a_client_that_goes_away_in_the_midst_of_an_answer_leaves_nothing_on_standard_error(
    serve: Serve, authority: Authority, tls: dict[str, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    registry = CollectorRegistry()
    wide = Gauge("plant_temperature_celsius", "How warm it is.", ["sensor"], registry=registry)
    for number in range(60):  # together more than the buffers of a socket take
        wide.labels(f"{number:02}" + "x" * 200_000).set(number)
    server = serve(registry, tls_server_config=tls)
    host, port = server.address.split(":")
    context = ssl.create_default_context(cafile=str(authority.own.certificate))
    plain = socket.create_connection((host, int(port)), PATIENCE_SECONDS)
    with context.wrap_socket(plain, server_hostname=host) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        client.recv(100)
    listener = server._server
    assert listener is not None
    wait_until(lambda: not listener.places._taken, "its thread is gone")
    assert capfd.readouterr().err == ""
