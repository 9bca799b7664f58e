"""Webhooks and real web servers: killed and started again, refusing, hanging, redirecting, with bad certificates."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
import structlog

from monitor.adapters.webhook.request import Failure
from monitor.adapters.webhook.settings import WebhookConfig
from monitor.adapters.webhook.sink import WebhookSink
from monitor.core.ports import Delivery, StepKey
from tests.broker import wait_until
from tests.certificates import Authority
from tests.receiver import Receiver, ReceiverProcess, Reply, receiving
from tests.repository import ROOT
from tests.wakes import quiet

pytestmark = pytest.mark.integration


class Soon(Random):
    """Delays of next to nothing."""

    def uniform(self, a: float, b: float) -> float:  # noqa: ARG002 - the base class's signature
        return 0.02


Start = Callable[..., WebhookSink]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts sinks, and ends them with the test."""
    started: list[WebhookSink] = []

    def start_one(url: str, **settings: Any) -> WebhookSink:
        started.append(WebhookSink(WebhookConfig(url=url, **settings), randomness=Soon()))
        started[-1].start(quiet)
        return started[-1]

    yield start_one
    for sink in started:
        sink.leave(0.0)
    wait_until(lambda: not _threads(), "their threads have ended")  # or they would log into other tests


def _threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("webhook/")]


def delivery(alert: str, number: int) -> Delivery:
    return Delivery(StepKey(alert, number), "press/alert", json.dumps({"id": alert}).encode())


def deliver(sink: WebhookSink, *steps: tuple[str, int]) -> None:
    for alert, number in steps:
        sink.deliver(delivery(alert, number))


def _posted(server: ReceiverProcess, count: int) -> bool:
    return len(server.posted()) >= count


def _failed(sink: WebhookSink, failure: Failure, attempts: int) -> bool:
    return sink.failures[failure] >= attempts


def wait_idle(sink: WebhookSink) -> None:
    wait_until(lambda: sink.idle, "nothing waits")


def test_a_server_that_is_killed_and_comes_back_gets_every_step_in_order(start: Start, tmp_path: Path) -> None:
    server = ReceiverProcess(tmp_path)
    server.start()
    sink = start(server.url)
    steps = [(alert, number) for number in range(40) for alert in "ab"]
    try:
        for at in range(0, 80, 20):
            deliver(sink, *steps[at : at + 20])
            wait_until(partial(_posted, server, at + 1), "some steps")
            server.kill()
            deliver(sink, (f"c{at}", 0))
            wait_until(lambda: not sink.idle and sink.failures[Failure.NETWORK] > 0, "it is missed")
            server.start()
        wait_idle(sink)
    finally:
        server.kill()
    for alert in "ab":
        numbers = list(dict.fromkeys(number for name, number in server.steps() if name == alert))
        assert numbers == list(range(40))
    assert {name for name, _ in server.steps()} == {"a", "b", "c0", "c20", "c40", "c60"}
    assert len(server.steps()) - len(set(server.steps())) <= 4  # those that a kill cut the answer off
    assert sink.delivered == 84
    assert sink.refused == 0


def test_an_alert_that_the_server_cannot_take_now_holds_up_no_other(start: Start) -> None:
    mended: list[bool] = []
    reply = Receiver(lambda posted: Reply(500 if posted.body["id"] == "a" and not mended else 200))
    with receiving(reply) as server:
        sink = start(server.url)
        deliver(sink, ("a", 0), ("b", 0), ("a", 1), ("b", 1))
        wait_until(lambda: sink.delivered == 2 and sink.failures[Failure.STATUS] > 2, "the other alert")
        assert ("a", 1) not in server.steps()
        mended.append(True)
        wait_idle(sink)
    assert [key for key in server.steps() if key[0] == "a"][-2:] == [("a", 0), ("a", 1)]


@pytest.mark.parametrize("status", [400, 401, 404, 410])
def test_a_refused_step_is_not_sent_again(start: Start, status: int) -> None:
    with receiving(Receiver(lambda posted: Reply(status))) as server:
        sink = start(server.url)
        deliver(sink, ("a", 0), ("a", 1))
        wait_idle(sink)
        assert server.steps() == [("a", 0), ("a", 1)]
        assert [progress.done for progress in sink.progress()] == [True, True]
        assert (sink.delivered, sink.refused) == (0, 2)


@pytest.mark.parametrize("status", [408, 429, 503])
def test_a_server_that_is_busy_is_asked_again(start: Start, status: int) -> None:
    with receiving(Receiver(lambda posted: Reply(200 if server.seen else status))) as server:
        sink = start(server.url)
        deliver(sink, ("a", 0))
        wait_idle(sink)
        assert server.steps() == [("a", 0), ("a", 0)]
        assert (sink.delivered, sink.refused) == (1, 0)


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_says_when_is_left_alone_until_then_by_all_alerts(start: Start, status: int) -> None:
    times: list[float] = []

    def reply(_posted: object) -> Reply:
        times.append(time.monotonic())
        return Reply(200) if len(times) > 1 else Reply(status, (("Retry-After", "1"),))

    with receiving(Receiver(reply)) as server:
        sink = start(server.url)
        deliver(sink, ("a", 0), ("b", 0))
        wait_idle(sink)
    assert times[1] - times[0] >= 1.0
    assert len(times) == 3


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(start: Start, status: int) -> None:
    with receiving(Receiver()) as other:
        reply = Reply(status, (("Location", other.url),))
        with receiving(Receiver(lambda posted: reply)) as server, structlog.testing.capture_logs() as logs:
            sink = start(server.url)
            deliver(sink, ("a", 0))
            wait_idle(sink)
            assert server.steps() == [("a", 0)]
        assert other.seen == []
    assert sink.refused == 1
    assert [entry["status"] for entry in logs] == [status]


def test_a_server_that_hangs_is_given_up_after_the_timeout_and_tried_again(start: Start) -> None:
    with receiving(Receiver()) as server:
        server.hanging.clear()
        sink = start(server.url, timeout_seconds=0.3)
        deliver(sink, ("a", 0))
        wait_until(lambda: sink.failures[Failure.TIMEOUT] >= 2, "two timeouts")
        assert sink.delivered == 0
        server.hanging.set()
        wait_idle(sink)
        assert sink.delivered == 1


def test_a_server_that_answers_byte_by_byte_is_given_up_after_the_timeout(start: Start) -> None:
    reply = Reply(200, (("X-Long", "x" * 1000),), drip_seconds=0.05)
    with receiving(Receiver(lambda posted: reply)) as server:
        sink = start(server.url, timeout_seconds=0.5)
        began = time.monotonic()
        deliver(sink, ("a", 0))
        wait_until(lambda: sink.failures[Failure.TIMEOUT] >= 1, "a timeout")
        assert time.monotonic() - began < 20  # all of it would take 50


def test_a_sink_that_leaves_does_not_wait_for_a_server_that_hangs(start: Start) -> None:
    with receiving(Receiver()) as server:
        server.hanging.clear()
        sink = start(server.url, timeout_seconds=60)
        deliver(sink, ("a", 0))
        wait_until(lambda: sink._schedule.due_seconds() == float("inf"), "it is posted")
        sink.leave(0.3)
        assert sink.alive
        wait_until(lambda: not sink.alive and not _threads(), "it has given up", 10.0)
        assert [progress.done for progress in sink.progress()] in ([], [False])


def test_what_is_not_http_is_a_failure_that_is_tried_again(start: Start) -> None:
    with receiving(Receiver(lambda posted: Reply(200 if server.seen else -1))) as server:
        sink = start(server.url)
        deliver(sink, ("a", 0))
        wait_idle(sink)
        assert (sink.delivered, sink.failures[Failure.NETWORK]) == (1, 1)


def test_a_server_is_believed_by_the_authority_in_the_settings_and_by_its_name(start: Start, tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    good, misnamed = authority.issue("server", "DNS:localhost"), authority.issue("other", "DNS:example.org")
    ours, theirs = authority.own.certificate, stranger.own.certificate
    with receiving(Receiver(pair=good)) as server:
        sink = start(server.url, ca_file=ours)
        deliver(sink, ("a", 0))
        wait_idle(sink)
        assert server.steps() == [("a", 0)]
    for pair, ca_file in ((good, theirs), (good, None), (misnamed, ours)):
        with receiving(Receiver(pair=pair)) as server, structlog.testing.capture_logs() as logs:
            doubting = start(server.url, ca_file=ca_file)
            deliver(doubting, ("a", 0))
            wait_until(partial(_failed, doubting, Failure.TLS, 2), "it is not believed")
            assert server.seen == []
            reasons = [str(entry["reason"]) for entry in logs if entry["to"] == f"https://localhost:{server.port}"]
            assert reasons[0].startswith("the certificate is not accepted: ")


def test_authorities_that_were_renewed_are_used_without_a_restart(start: Start, tmp_path: Path) -> None:
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    ca_file = tmp_path / "trusted.pem"
    ca_file.write_bytes(old.own.certificate.read_bytes())
    with receiving(Receiver(pair=new.issue("server", "DNS:localhost"))) as server:
        sink = start(server.url, ca_file=ca_file)
        deliver(sink, ("a", 0))
        wait_until(lambda: sink.failures[Failure.TLS] >= 1, "it is not believed")
        ca_file.write_bytes(new.own.certificate.read_bytes())
        wait_idle(sink)
        assert server.steps() == [("a", 0)]


POSTS_ONE = """
import sys, json
from monitor.adapters.webhook.sink import WebhookSink
from monitor.adapters.webhook.settings import WebhookConfig
from monitor.core.ports import Delivery, StepKey
sink = WebhookSink(WebhookConfig(url=sys.argv[1]))
sink.deliver(Delivery(StepKey("a", 0), "press/alert", b'{"id":"a"}'))
sink.start(lambda: None)
sink.leave(20)
sink._thread.join(30)
print(sink.delivered)
"""


def test_proxies_of_the_environment_are_not_used() -> None:
    with receiving(Receiver()) as server, receiving(Receiver()) as proxy:
        names = ("http_proxy", "https_proxy", "all_proxy")
        address = f"http://localhost:{proxy.port}"
        environment = {name: address for lower in names for name in (lower, lower.upper())}
        outcome = subprocess.run(
            [sys.executable, "-c", POSTS_ONE, server.url],
            env={"PATH": "/usr/bin", **environment},
            cwd=ROOT,
            capture_output=True,
            check=True,
            timeout=60,
        )
        assert outcome.stdout == b"1\n"
        assert server.steps() == [("a", 0)]
        assert proxy.seen == []


def test_nothing_that_may_be_secret_is_logged(start: Start, tmp_path: Path) -> None:
    headers = tmp_path / "headers"
    headers.write_text("Authorization: Bearer secret\n")
    replies = iter([Reply(500), Reply(-1), Reply(302, (("Location", "/secret"),)), Reply(200)])
    with receiving(Receiver(lambda posted: next(replies))) as server, structlog.testing.capture_logs() as logs:
        sink = start(server.url, headers_file=headers)
        deliver(sink, ("a", 0), ("a", 1))
        wait_idle(sink)
        assert server.seen[0].headers["authorization"] == "Bearer secret"
    assert len(logs) >= 3
    assert "secret" not in str(logs)
