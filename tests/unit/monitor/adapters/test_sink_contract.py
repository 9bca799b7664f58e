"""What every sink promises, whoever it delivers to (`monitor.core.ports.Sink`).

A new sink adds a line to `PEERS`: a function that makes a peer, which can be away and come back, and to which sinks of
one name can be made one after another, as processes follow one another. One that is a program of its own stands in
`tests/integration` and runs these tests from there, as `test_mqtt_contract.py` does.
"""

import json
import threading
from collections.abc import Callable, Iterator
from random import Random
from typing import Protocol

import pytest

from monitor.adapters.webhook.settings import WebhookConfig
from monitor.adapters.webhook.sink import WebhookSink
from monitor.core.ports import Delivery, Sink, StepKey, Told
from tests.broker import wait_until
from tests.receiver import Receiver
from tests.wakes import ringing


class Peer(Protocol):
    """Who is delivered to. exactly_once: whether it is spared what a former process had delivered, but not noted."""

    exactly_once: bool

    def sink(self) -> Sink: ...

    def come(self) -> None: ...

    def go(self) -> None: ...

    def heard(self) -> list[tuple[str, int]]: ...


class Soon(Random):
    """Delays of next to nothing."""

    def uniform(self, a: float, b: float) -> float:  # noqa: ARG002 - the base class's signature
        return 0.01


class WebServer:
    """A web server that accepts everything."""

    exactly_once = False

    def __init__(self) -> None:
        self._receiver = Receiver()

    def sink(self) -> Sink:
        return WebhookSink(WebhookConfig(url=self._receiver.url), randomness=Soon())

    def come(self) -> None:
        self._receiver.start()

    def go(self) -> None:
        self._receiver.stop()

    def heard(self) -> list[tuple[str, int]]:
        return self._receiver.steps()


PEERS: dict[str, Callable[[], Peer]] = {"webhook": WebServer}


class Engine:
    """Does with a sink what the engine does, with an outbox that outlives it."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self.rows: dict[StepKey, Delivery] = {}
        self.done: list[StepKey] = []
        self.woken = threading.Event()
        self.sink = peer.sink()
        self.sink.start(ringing(self.woken))

    def deliver(self, *steps: tuple[str, int]) -> None:
        for alert, number in steps:
            payload = json.dumps({"schema": 1, "id": alert, "phase": "firing", "step": number}).encode()
            delivery = Delivery(StepKey(alert, number), "stream/alert", payload)
            delivery = self.rows[delivery.key] = delivery.at(self.sink.begin(delivery))
            self.sink.deliver(delivery)

    def commit(self) -> None:
        """Commit what got further."""
        got = self.sink.progress()
        for key, progress, done in got:
            if done:
                del self.rows[key]
                self.done.append(key)
            else:
                self.rows[key] = self.rows[key].at(progress)
        self.sink.committed([key for key, _, _ in got])

    def restart(self) -> None:
        """Be killed and start again: what was not committed is not known."""
        self.sink.leave(0.0)
        self.sink = self._peer.sink()
        self.woken.clear()
        self.sink.start(ringing(self.woken))
        for delivery in self.rows.values():
            self.sink.deliver(delivery.at(delivery.progress, begun=True))

    def wait_done(self) -> None:
        def nothing_left() -> bool:
            self.commit()
            return not self.rows and self.sink.idle

        wait_until(nothing_left, "all is delivered")


@pytest.fixture(params=PEERS)
def peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    made = PEERS[request.param]()
    made.come()
    yield made
    made.go()


@pytest.fixture
def engine(peer: Peer) -> Iterator[Engine]:
    made = Engine(peer)
    yield made
    made.sink.leave(0.0)


def arrived(peer: Peer, *steps: tuple[str, int]) -> list[tuple[str, int]]:
    """What has arrived, once these steps have."""
    wait_until(lambda: set(steps) <= set(peer.heard()), "the steps arrived")
    return peer.heard()


def of_alert(alert: str, steps: list[tuple[str, int]]) -> list[int]:
    return [number for name, number in steps if name == alert]


def test_each_step_is_delivered_once_and_in_the_order_of_its_alert(engine: Engine, peer: Peer) -> None:
    steps = [(alert, number) for number in range(3) for alert in "abc"]
    engine.deliver(*steps)
    engine.wait_done()
    assert sorted(arrived(peer, *steps)) == sorted(steps)
    assert [of_alert(alert, peer.heard()) for alert in "abc"] == [[0, 1, 2]] * 3
    assert sorted(engine.done) == sorted(StepKey(*step) for step in steps)


def test_the_engine_is_woken_when_there_is_progress(engine: Engine) -> None:
    engine.deliver(("a", 0))
    while not engine.done:
        assert engine.woken.wait(20)
        engine.woken.clear()
        engine.commit()


def test_what_cannot_be_delivered_now_is_delivered_later_and_in_order(engine: Engine, peer: Peer) -> None:
    engine.deliver(("a", 0))
    engine.wait_done()
    peer.go()
    engine.deliver(("a", 1), ("b", 0), ("a", 2))
    engine.commit()
    assert not engine.sink.idle
    peer.come()
    engine.wait_done()
    assert of_alert("a", arrived(peer, ("a", 2), ("b", 0))) == [0, 1, 2]
    assert of_alert("b", peer.heard()) == [0]


def test_after_a_restart_what_was_not_done_is_delivered_at_least_once_and_is_done(engine: Engine, peer: Peer) -> None:
    peer.go()
    engine.deliver(("a", 0), ("b", 0))
    engine.restart()
    engine.deliver(("a", 1))
    engine.restart()
    peer.come()
    engine.wait_done()
    assert sorted(set(arrived(peer, ("a", 1), ("b", 0)))) == [("a", 0), ("a", 1), ("b", 0)]
    assert sorted(engine.done) == [("a", 0), ("a", 1), ("b", 0)]
    firsts = list(dict.fromkeys(peer.heard()))
    assert of_alert("a", firsts) == [0, 1]


def test_what_was_delivered_but_not_committed_is_delivered_again_at_most(engine: Engine, peer: Peer) -> None:
    engine.deliver(("a", 0))
    wait_until(lambda: bool(peer.heard()) or engine.woken.is_set(), "it has arrived, or waits for a commit")
    engine.restart()
    engine.wait_done()
    assert set(arrived(peer, ("a", 0))) == {("a", 0)}
    assert len(peer.heard()) <= (1 if peer.exactly_once else 2)


def test_a_delivery_that_waits_already_is_not_delivered_twice(engine: Engine, peer: Peer) -> None:
    peer.go()
    engine.deliver(("a", 0))
    engine.sink.deliver(engine.rows[StepKey("a", 0)])
    peer.come()
    engine.wait_done()
    assert arrived(peer, ("a", 0)) == [("a", 0)]


def test_start_and_leave_are_idempotent_and_what_waits_is_delivered_before_it_ends(engine: Engine, peer: Peer) -> None:
    engine.sink.start(ringing(engine.woken))
    assert engine.sink.alive
    steps = [("a", number) for number in range(20)]
    engine.deliver(steps[0])
    engine.wait_done()
    engine.deliver(*steps[1:])
    for _ in range(2):
        engine.sink.leave(20.0)

    def ended() -> bool:
        engine.commit()  # what depends on a commit goes on while it leaves
        return not engine.sink.alive

    wait_until(ended, "it has ended")
    engine.commit()
    assert arrived(peer, *steps) == steps
    assert engine.rows == {}


def test_a_sink_that_leaves_gives_up_in_time_and_says_what_was_not_done(engine: Engine, peer: Peer) -> None:
    peer.go()
    engine.deliver(("a", 0))
    engine.sink.leave(0.5)
    wait_until(lambda: not engine.sink.alive, "it has given up", 5.0)
    engine.commit()
    assert list(engine.rows) == [("a", 0)]


def test_a_sink_can_be_left_that_was_never_started(peer: Peer) -> None:
    sink = peer.sink()
    sink.leave(1.0)
    assert not sink.alive
    assert sink.progress() == []


def test_a_state_that_is_told_makes_no_progress(engine: Engine) -> None:
    engine.sink.tell(Told("stream/state", b'{"state":"normal"}'))
    wait_until(lambda: engine.sink.idle, "nothing waits")
    assert engine.sink.progress() == []
