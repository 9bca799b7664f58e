"""The webhook sink: bodies, headers, counters, and what becomes of progress; a thread plays the server."""

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import structlog

from monitor import __version__
from monitor.adapters.webhook import sink as sink_module
from monitor.adapters.webhook.request import Failure
from monitor.adapters.webhook.settings import WebhookConfig
from monitor.adapters.webhook.sink import WebhookSink
from monitor.core.ports import Delivery, Progress, StepKey
from tests.broker import wait_until
from tests.receiver import Receiver, Reply, receiving
from tests.wakes import quiet


class Fixed(Random):
    """Delays of always the same."""

    seconds = 0.01
    asked: list[float]

    def uniform(self, a: float, b: float) -> float:  # noqa: ARG002 - the base class's signature
        self.asked = [*getattr(self, "asked", []), b]
        return self.seconds


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving(Receiver()) as started:
        yield started


def made(url: str, randomness: Random | None = None, **settings: Any) -> WebhookSink:
    config = WebhookConfig(url=url, name="pager", **settings)
    return WebhookSink(config, clock=lambda: 1000.0, randomness=Fixed() if randomness is None else randomness)


def delivery(alert: str, number: int, progress: bytes = b"", **fields: object) -> Delivery:
    payload = json.dumps({"schema": 1, "id": alert, **fields}).encode()
    return Delivery(StepKey(alert, number), "press/alert", payload, progress)


def run(sink: WebhookSink, *deliveries: Delivery) -> list[Progress]:
    """Deliver until nothing waits; all progress."""
    for one in deliveries:
        sink.deliver(one.at(one.progress or sink.begin(one)))
    sink.start(quiet)
    wait_until(lambda: sink.idle, "nothing waits")
    sink.leave(1.0)
    return sink.progress()


def test_the_body_is_the_payload_with_the_number_of_the_step(receiver: Receiver) -> None:
    run(made(receiver.url), delivery("a-1", 2, score=1.2345678901234567, channels={"b": 1e-300}, big=2**70, none=None))
    (posted,) = receiver.seen
    assert posted.target == "/hook?key=secret"
    fields = {"schema": 1, "id": "a-1", "score": 1.2345678901234567, "channels": {"b": 1e-300}, "big": 2**70}
    assert posted.body == fields | {"none": None, "step": 2}
    assert posted.headers["content-type"] == "application/json"
    assert posted.headers["idempotency-key"] == "a-1-2"
    assert posted.headers["user-agent"] == f"residuald/{__version__}"


def test_a_url_without_a_path_is_posted_to_the_root(receiver: Receiver) -> None:
    run(made(f"http://localhost:{receiver.port}"), delivery("a", 0))
    assert [posted.target for posted in receiver.seen] == ["/"]


def test_headers_of_the_file_are_sent_and_read_anew_each_time(receiver: Receiver, tmp_path: Path) -> None:
    headers = tmp_path / "headers"
    headers.write_text("Authorization: Bearer one\nuser-agent: mine\n")
    sink = made(receiver.url, headers_file=headers)
    sink.start(quiet)
    sink.deliver(delivery("a", 0))
    wait_until(lambda: sink.idle, "the first")
    headers.write_text("Authorization: Bearer two\n")
    run(sink, delivery("a", 1))
    assert [posted.headers["authorization"] for posted in receiver.seen] == ["Bearer one", "Bearer two"]
    assert receiver.seen[0].headers["user-agent"] == "mine"


def test_a_file_of_headers_that_has_become_unusable_is_waited_for_and_not_shown(
    receiver: Receiver, tmp_path: Path
) -> None:
    headers = tmp_path / "headers"
    headers.write_text("X: 1")
    sink = made(receiver.url, headers_file=headers)
    headers.write_text("s3cret")
    with structlog.testing.capture_logs() as logs:
        sink.start(quiet)
        sink.deliver(delivery("a", 0))
        wait_until(lambda: sink.failures[Failure.SETTINGS] > 0, "a failure")
        headers.write_text("X: 2")
        wait_until(lambda: sink.idle, "nothing waits")
    sink.leave(1.0)
    assert receiver.seen[0].headers["x"] == "2"
    assert logs[0]["reason"] == f"webhook.headers_file {headers}, line 1: a line must be `Name: value`"
    assert logs[-1]["event"] == "a webhook works again"
    assert "s3cret" not in str(logs)


def test_what_fails_is_counted_logged_once_and_its_attempts_are_progress(receiver: Receiver) -> None:
    receiver.reply = lambda posted: Reply(500 if len(receiver.seen) < 3 else 200)
    sink = made(receiver.url)
    with structlog.testing.capture_logs() as logs:
        progress = run(sink, delivery("a", 0))
    assert progress == [
        Progress(StepKey("a", 0), b"[1000.0,1]", done=False),
        Progress(StepKey("a", 0), b"[1000.0,2]", done=False),
        Progress(StepKey("a", 0), b"[1000.0,3]", done=False),
        Progress(StepKey("a", 0), b"[1000.0,0]", done=True),
    ]
    assert (sink.delivered, sink.refused, sink.retried, sink.failures[Failure.STATUS]) == (1, 0, 3, 3)
    assert [(entry["event"], entry.get("reason")) for entry in logs] == [
        ("a webhook fails", "it answers with status 500"),
        ("a webhook works again", None),
    ]
    assert "secret" not in str(logs)


def test_a_refusal_ends_a_step_is_logged_with_its_status_and_the_next_step_goes_on(receiver: Receiver) -> None:
    receiver.reply = lambda posted: Reply(422 if posted.body["step"] == 0 else 200)
    sink = made(receiver.url)
    with structlog.testing.capture_logs() as logs:
        progress = run(sink, delivery("a", 0), delivery("a", 1))
    assert receiver.steps() == [("a", 0), ("a", 1)]
    assert [entry.done for entry in progress] == [True, True]
    assert (sink.delivered, sink.refused, sink.failures[Failure.STATUS]) == (1, 1, 1)
    (entry,) = logs
    assert (entry["status"], entry["alert"], entry["step"]) == (422, "a", 0)


def test_delays_double_and_go_on_from_the_attempts_of_a_former_process(receiver: Receiver) -> None:
    receiver.reply = lambda posted: Reply(500 if len(receiver.seen) < 3 else 200)
    randomness = Fixed()
    run(made(receiver.url, randomness), delivery("a", 0, b"[900.0,3]"))
    assert randomness.asked == [4.0, 8.0, 16.0, 32.0]
    randomness = Fixed()
    run(made(receiver.url, randomness), delivery("a", 0, b"[900.0,1000000000]"))
    assert randomness.asked == [60.0]


def test_a_sink_that_leaves_tries_once_more_what_waits_for_its_time(receiver: Receiver) -> None:
    randomness = Fixed()
    randomness.seconds = 1000.0
    sink = made(receiver.url, randomness)
    sink.start(quiet)
    sink.deliver(delivery("a", 0, b"[900.0,3]"))
    sink.deliver(delivery("a", 1))
    sink.leave(20.0)
    wait_until(lambda: not sink.alive, "it has ended")
    assert receiver.steps() == [("a", 0), ("a", 1)]


@pytest.mark.parametrize("progress", [b"", b"nonsense", b"[1]", b'["a",1]', b"[1.0,-5]"])
def test_progress_that_cannot_be_read_is_a_first_attempt(receiver: Receiver, progress: bytes) -> None:
    randomness = Fixed()
    sink = made(receiver.url, randomness)
    sink.deliver(delivery("a", 0).at(progress, begun=True))
    run(sink)
    assert receiver.steps() == [("a", 0)]
    assert not hasattr(randomness, "asked")


def test_how_long_the_oldest_step_has_waited_counts_over_restarts(receiver: Receiver) -> None:
    sink = made(receiver.url)
    assert (sink.waiting, sink.oldest_waiting_seconds) == (0, 0.0)
    sink.deliver(delivery("a", 0, b"[900.0,0]"))
    sink.deliver(delivery("b", 0, sink.begin(delivery("b", 0))))
    assert (sink.waiting, sink.oldest_waiting_seconds, sink.idle) == (2, 100.0, False)
    sink.leave(0.0)


def test_steps_beyond_the_bound_are_dropped_counted_and_done(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sink_module, "_MAX_WAITING", 2)
    sink = made(receiver.url)
    with structlog.testing.capture_logs() as logs:
        for number in range(4):
            sink.deliver(delivery("a", number))
    assert (sink.waiting, sink.dropped, len(logs)) == (2, 2, 1)
    assert [(entry.key.step, entry.done) for entry in sink.progress()] == [(2, True), (3, True)]
    run(sink)
    assert receiver.steps() == [("a", 0), ("a", 1)]


def test_an_error_of_our_own_is_logged_and_ends_neither_the_thread_nor_other_alerts(receiver: Receiver) -> None:
    sink = made(receiver.url)
    sink.start(quiet)
    with structlog.testing.capture_logs() as logs:
        sink.deliver(Delivery(StepKey("bad", 0), "press/alert", b"no JSON"))
        sink.deliver(delivery("a", 0))
        wait_until(lambda: receiver.steps() == [("a", 0)], "the other alert")
    assert sink.failures[Failure.UNEXPECTED] > 0
    assert sink.alive
    assert logs[0]["event"] == "a webhook met an unexpected error"
    sink.leave(0.0)
