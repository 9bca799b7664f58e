"""No wake-up is lost, whenever it comes."""

import select
import socket
from collections.abc import Iterator

import pytest

from monitor.adapters.mqtt.waker import Waker


def nobody() -> None:
    """Does nothing meanwhile."""


class BusyEnd(socket.socket):
    """The polled end of a pair; others act while it is read."""

    before = after = staticmethod(nobody)

    def recv(self, *arguments: int) -> bytes:
        self.before()
        data = super().recv(*arguments)
        self.after()
        return data


@pytest.fixture
def end(monkeypatch: pytest.MonkeyPatch) -> BusyEnd:
    ours, theirs = socket.socketpair()
    busy = BusyEnd(fileno=ours.detach())
    monkeypatch.setattr(socket, "socketpair", lambda: (busy, theirs))
    return busy


@pytest.fixture
def waker(end: BusyEnd) -> Iterator[Waker]:
    waker = Waker()
    waker.open()
    yield waker
    waker.close()


def is_awake(waker: Waker) -> bool:
    return bool(select.select([waker], [], [], 0.0)[0])


def test_wake_makes_it_readable_until_it_rests(waker: Waker) -> None:
    assert not is_awake(waker)
    waker.wake()
    waker.wake()
    assert is_awake(waker)
    waker.rest()
    assert not is_awake(waker)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_waking_while_it_takes_a_wake_up_leaves_it_able_to_wake(waker: Waker, end: BusyEnd, moment: str) -> None:
    waker.wake()
    setattr(end, moment, waker.wake)
    waker.rest()
    setattr(end, moment, nobody)
    if is_awake(waker):
        waker.rest()
    waker.wake()
    assert is_awake(waker)


def test_waking_what_is_not_open_does_nothing() -> None:
    waker = Waker()
    waker.wake()
    assert waker.fileno() == -1
