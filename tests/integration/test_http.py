"""Metrics and probes over real HTTP, and slow or many clients that keep nobody else out."""

import gzip
import http.client
import json
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry, Gauge

from monitor.adapters.web import listener, places
from monitor.adapters.web.server import HttpServer
from monitor.adapters.web.settings import HttpConfig
from monitor.errors import UnavailableError
from tests.broker import PATIENCE_SECONDS

pytestmark = pytest.mark.integration


@dataclass
class State:
    """What the server is told when it asks."""

    healthy: bool = True
    reasons: dict[str, str] = field(default_factory=dict)
    broken: bool = False

    def health(self) -> tuple[bool, str]:
        if self.broken:
            raise ZeroDivisionError
        return self.healthy, "ok" if self.healthy else "the pipeline stands still"

    def readiness(self) -> Mapping[str, str]:
        return self.reasons


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


@pytest.fixture
def state() -> State:
    return State()


@pytest.fixture
def server(state: State) -> Iterator[HttpServer]:
    registry = CollectorRegistry()
    Gauge("plant_temperature_celsius", "How warm it is.", registry=registry).set(21.5)
    started = HttpServer(HttpConfig(port=0), registry, healthz=state.health, readyz=state.readiness)
    started.start()
    yield started
    started.stop()


def ask(server: HttpServer, path: str, method: str = "GET", **headers: str) -> Answer:
    connection = http.client.HTTPConnection(server.address, timeout=PATIENCE_SECONDS)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return Answer(response.status, dict(response.getheaders()), response.read())
    finally:
        connection.close()


def connect(server: HttpServer) -> socket.socket:
    host, port = server.address.split(":")
    return socket.create_connection((host, int(port)), PATIENCE_SECONDS)


def test_metrics_come_from_the_registry_that_was_given(server: HttpServer) -> None:
    answer = ask(server, "/metrics")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert b"plant_temperature_celsius 21.5" in answer.body
    assert b"python_info" not in answer.body  # which the global registry would have


def test_metrics_are_compressed_for_who_understands_it(server: HttpServer) -> None:
    answer = ask(server, "/metrics", **{"Accept-Encoding": "gzip"})
    assert b"plant_temperature_celsius 21.5" in gzip.decompress(answer.body)


def test_a_scrape_may_ask_for_some_series_only(server: HttpServer) -> None:
    wanted = ask(server, "/metrics?name[]=plant_temperature_celsius&name[]=other").body
    assert b"plant_temperature_celsius 21.5" in wanted
    assert ask(server, "/metrics?name[]=other").body == b""


def test_head_of_metrics_says_how_long_they_are(server: HttpServer) -> None:
    whole, head = ask(server, "/metrics"), ask(server, "/metrics", "HEAD")
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["Content-Length"]) == len(whole.body)


def test_health_turns_into_a_status(server: HttpServer, state: State) -> None:
    assert (ask(server, "/healthz").status, ask(server, "/healthz").body) == (200, b"ok\n")
    state.healthy = False
    assert (ask(server, "/healthz").status, ask(server, "/healthz").body) == (503, b"the pipeline stands still\n")


def test_readiness_names_what_is_missing(server: HttpServer, state: State) -> None:
    answer = ask(server, "/readyz")
    assert answer.status == 200
    assert json.loads(answer.body) == {"ready": True, "reasons": {}}
    state.reasons["mqtt"] = "no broker listens on localhost:1883"
    answer = ask(server, "/readyz")
    assert answer.status == 503
    assert answer.headers["Content-Type"].startswith("application/json")
    assert json.loads(answer.body) == {"ready": False, "reasons": {"mqtt": "no broker listens on localhost:1883"}}


def test_the_index_links_to_everything(server: HttpServer) -> None:
    page = ask(server, "/").body.decode()
    for path in ("/metrics", "/healthz", "/readyz"):
        assert f'href="{path}"' in page
        assert ask(server, path).status == 200


def test_head_has_no_body(server: HttpServer) -> None:
    answer = ask(server, "/healthz", "HEAD")
    assert (answer.status, answer.body, answer.headers["Content-Length"]) == (200, b"", "3")


@pytest.mark.parametrize(("path", "method", "status"), [("/secret", "GET", 404), ("/healthz", "POST", 405)])
def test_nothing_else_is_served(server: HttpServer, path: str, method: str, status: int) -> None:
    assert ask(server, path, method).status == status


def test_an_error_of_ours_is_a_500_without_details(server: HttpServer, state: State) -> None:
    state.broken = True
    answer = ask(server, "/healthz")
    assert (answer.status, answer.body) == (500, b"failed; see the log\n")


def test_however_many_clients_are_slow_every_scrape_is_answered(server: HttpServer) -> None:
    slow = [connect(server) for _ in range(40)]
    try:
        for client in slow:
            client.sendall(b"GET /metrics HTTP/1.1\r\n")  # and never the end of it
        assert [ask(server, "/metrics").status for _ in range(5)] == [200] * 5
    finally:
        for client in slow:
            client.close()


def test_whoever_does_not_send_the_headers_in_time_is_ended(
    server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "HEADER_SECONDS", 0.05)
    client = connect(server)
    client.settimeout(places.ANSWER_SECONDS / 2)  # by then a read of the server's own has not given up yet
    client.sendall(b"GET / HTTP/1.1\r\nX: ")
    assert client.recv(100) == b""
    client.close()


def test_headers_without_end_are_refused(server: HttpServer) -> None:
    client = connect(server)
    client.sendall(b"GET / HTTP/1.1\r\n" + (b"X: " + b"y" * 1000 + b"\r\n") * 50)
    assert b" 431 " in client.recv(100)
    client.close()


def test_slow_readers_of_the_answer_make_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "_GRACE_SECONDS", 0.1)
    monkeypatch.setattr(listener, "_MAX_ANSWERS", 1)
    registry = CollectorRegistry()
    wide = Gauge("plant_temperature_celsius", "How warm it is.", ["sensor"], registry=registry)
    for number in range(60):  # together more than the buffers of a socket take
        wide.labels(f"{number:02}" + "x" * 200_000).set(number)
    server = HttpServer(HttpConfig(port=0), registry, healthz=lambda: (True, "ok"), readyz=dict)
    server.start()
    slow = [connect(server) for _ in range(3)]
    try:
        for client in slow:
            client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        answer = ask(server, "/metrics", **{"Accept-Encoding": "gzip"})
        assert answer.status == 200
        assert gzip.decompress(answer.body).count(b"plant_temperature_celsius{") == 60
        assert ask(server, "/healthz").status == 200
    finally:
        for client in slow:
            client.close()
        server.stop()


def test_where_nobody_can_make_way_a_client_is_told(server: HttpServer) -> None:
    assert server._server is not None
    server._server.places = places.Places(total=1, reserved=0)
    now = time.monotonic()
    server._server.places.enter("somebody", "10.0.0.1", now)
    server._server.places.answering("somebody", now)
    assert ask(server, "/healthz").status == 503


def test_a_taken_port_is_told_with_what_to_do(server: HttpServer) -> None:
    port = int(server.address.split(":")[1])
    second = HttpServer(HttpConfig(port=port), CollectorRegistry(), healthz=lambda: (True, ""), readyz=dict)
    with pytest.raises(UnavailableError, match=r"cannot serve HTTP on 127\.0\.0\.1:\d+: the port is taken"):
        second.start()


def test_a_stopped_server_frees_its_port_quickly() -> None:
    server = HttpServer(HttpConfig(port=0), CollectorRegistry(), healthz=lambda: (True, ""), readyz=dict)
    server.start()
    port = int(server.address.split(":")[1])
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < PATIENCE_SECONDS
    again = HttpServer(HttpConfig(port=port), CollectorRegistry(), healthz=lambda: (True, "ok"), readyz=dict)
    again.start()
    assert ask(again, "/healthz").status == 200
    again.stop()


def test_ipv6_is_served() -> None:
    server = HttpServer(HttpConfig(host="::1", port=0), CollectorRegistry(), healthz=lambda: (True, ""), readyz=dict)
    try:
        server.start()
    except UnavailableError:
        pytest.skip("this machine has no IPv6")
    assert server.address.startswith("[::1]:")
    assert ask(server, "/readyz").status == 200
    server.stop()
