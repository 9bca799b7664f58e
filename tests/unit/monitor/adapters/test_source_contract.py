"""What every source promises, whatever it reads from (`monitor.core.ports.Source`).

A new source adds a line to `FEEDS`: a function that makes a feed, which can be fed messages and ended, and from which
sources of one name can be made one after another, as processes follow one another. One that needs a real peer has its
feed in `tests/integration` and runs these tests from there, as `test_mqtt_contract.py` does.
"""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from monitor.adapters.file.source import FileSource
from monitor.core.ports import Source, TakeLimits, Wake
from monitor.core.values.messages import MessageBatch, Token
from tests.broker import wait_until
from tests.wakes import quiet, ringing

LIMITS = TakeLimits(7, 60)


class Feed(Protocol):
    """What a source reads from. acknowledged: whether its messages are to be acknowledged.

    resumes: whether a source goes on behind what was committed of the one before. ends: whether its input can end.
    """

    acknowledged: bool
    resumes: bool
    ends: bool

    def source(self) -> Source: ...

    def feed(self, payloads: list[bytes]) -> None: ...

    def end(self) -> None: ...

    def close(self) -> None: ...


class FileFeed:
    """A file, written before a source is started."""

    acknowledged = resumes = ends = True

    def __init__(self, folder: Path) -> None:
        self.path = folder / "lines"
        self.path.touch()

    def source(self) -> Source:
        return FileSource("feed", self.path, max_messages=1000, max_bytes=10**6, max_payload_bytes=1000)

    def feed(self, payloads: list[bytes]) -> None:
        with self.path.open("ab") as file:
            file.write(b"".join(payload + b"\n" for payload in payloads))

    def end(self) -> None: ...

    def close(self) -> None: ...


class PipeFeed:
    """A pipe, as standard input is one: opened by its path below /dev/fd."""

    acknowledged = resumes = False
    ends = True

    def __init__(self, _folder: Path) -> None:
        self._read, self._write = os.pipe()

    def source(self) -> Source:
        path = f"/dev/fd/{self._read}"
        return FileSource("feed", path, max_messages=1000, max_bytes=10**6, max_payload_bytes=1000)

    def feed(self, payloads: list[bytes]) -> None:
        os.write(self._write, b"".join(payload + b"\n" for payload in payloads))

    def end(self) -> None:
        if self._write >= 0:
            os.close(self._write)
        self._write = -1

    def close(self) -> None:
        os.close(self._read)


FEEDS: dict[str, Callable[[Path], Feed]] = {"file": FileFeed, "pipe": PipeFeed}


@pytest.fixture(params=FEEDS)
def feed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Feed]:
    made = FEEDS[request.param](tmp_path)
    yield made
    made.end()
    made.close()


@pytest.fixture
def start(feed: Feed) -> Iterator[Callable[..., Source]]:
    """Starts a source on the feed, with what was committed of it before."""
    started: list[Source] = []

    def start_one(resume: bytes = b"", wake: Wake = quiet) -> Source:
        source = feed.source()
        if resume:
            source.remember(resume)
        started.append(source)
        source.start(wake)
        return source

    yield start_one
    for source in started:
        source.leave(5.0)


def numbered(first: int, stop: int) -> list[bytes]:
    return [b"message %d" % number for number in range(first, stop)]


def take(source: Source, count: int, limits: TakeLimits = LIMITS) -> list[MessageBatch]:
    """At least so many messages."""
    taken: list[MessageBatch] = []

    def enough() -> bool:
        if (batch := source.take(limits)) is not None:
            taken.append(batch)
        return sum(map(len, taken)) >= count

    wait_until(enough, f"{count} messages")
    return taken


def payloads(batches: list[MessageBatch]) -> list[bytes]:
    return [payload for batch in batches for payload in batch.payload]


def test_what_was_fed_is_taken_in_order_within_the_limits(feed: Feed, start: Callable[..., Source]) -> None:
    feed.feed(numbered(0, 100))
    batches = take(start(), 100)
    assert payloads(batches) == numbered(0, 100)
    assert max(map(len, batches)) <= LIMITS.messages
    assert all(sum(map(len, batch.payload[:-1])) < LIMITS.nbytes for batch in batches)


def test_a_take_gives_at_least_one_message_however_low_the_limits(feed: Feed, start: Callable[..., Source]) -> None:
    feed.feed(numbered(0, 1))
    assert payloads(take(start(), 1, TakeLimits(1, 1))) == numbered(0, 1)


def test_with_nothing_there_a_take_gives_none_at_once(feed: Feed, start: Callable[..., Source]) -> None:
    assert start().take(LIMITS) is None


def test_the_engine_is_woken_when_there_is_something_to_take(feed: Feed, start: Callable[..., Source]) -> None:
    woken = threading.Event()
    feed.feed(numbered(0, 1))
    source = start(wake=ringing(woken))
    found = None
    while found is None:
        assert woken.wait(20)
        woken.clear()
        found = source.take(LIMITS)
    assert found.payload == numbered(0, 1)


def test_start_and_leave_are_idempotent_and_a_source_that_was_left_is_dead(
    feed: Feed, start: Callable[..., Source]
) -> None:
    feed.feed(numbered(0, 3))
    source = start()
    source.start(quiet)
    assert source.alive
    assert payloads(take(source, 3)) == numbered(0, 3)
    for _ in range(2):
        source.leave(1.0)
        wait_until(lambda: not source.alive, "the source is dead")


def test_a_source_can_be_left_that_was_never_started(feed: Feed) -> None:
    source = feed.source()
    source.stop_receiving()
    source.leave(1.0)
    assert not source.alive


def test_rows_with_tokens_are_those_that_are_to_be_acknowledged(feed: Feed, start: Callable[..., Source]) -> None:
    feed.feed(numbered(0, 20))
    source = start()
    for batch in take(source, 20):
        assert len(batch.tokens) == (len(batch) if feed.acknowledged else 0)
        assert batch.waiting().payload == (batch.payload if feed.acknowledged else [])
        source.resume_of(batch.tokens)
        source.acknowledge(batch.tokens)


def test_what_was_taken_can_be_acknowledged_after_receiving_was_stopped(
    feed: Feed, start: Callable[..., Source]
) -> None:
    feed.feed(numbered(0, 20))
    source = start()
    first = take(source, 1)
    for _ in range(2):
        source.stop_receiving()
    rest: list[MessageBatch] = []
    while (batch := source.take(LIMITS)) is not None:
        rest.append(batch)
    taken = [*first, *rest]
    assert payloads(taken) == numbered(0, len(payloads(taken)))
    tokens: list[Token] = [token for batch in taken for token in batch.tokens]
    source.resume_of(tokens)
    source.acknowledge(tokens)


def test_what_was_given_up_is_not_taken_and_comes_to_the_next_process_where_it_can(
    feed: Feed, start: Callable[..., Source]
) -> None:
    feed.feed(numbered(0, 20))
    source = start()
    (first,) = take(source, 1)
    committed = source.resume_of(first.tokens)
    source.acknowledge(first.tokens)
    source.stop_receiving()
    lost = source.give_up()
    assert source.take(LIMITS) is None
    assert source.give_up() == 0
    source.leave(5.0)
    if feed.acknowledged:
        assert lost == 0
    if feed.resumes:
        wait_until(lambda: not source.alive, "the source is dead")
        assert payloads(take(start(committed), 20 - len(first))) == numbered(len(first), 20)


@pytest.mark.parametrize("processes", [[1], [5, 3], [14, 1, 1, 30]])
def test_what_was_committed_is_not_brought_to_the_next_process_and_all_else_is(
    feed: Feed, start: Callable[..., Source], processes: list[int]
) -> None:
    if not feed.resumes:
        pytest.skip("it cannot be read again")
    feed.feed(numbered(0, 100))
    seen: list[bytes] = []
    resume = b""
    for batches in processes:
        source = start(resume)
        for _ in range(batches):
            (batch,) = take(source, 1)
            committed = source.resume_of(batch.tokens)
            resume = source.merge([resume, committed]) if resume else committed
            seen += batch.payload
            if len(seen) == 100:
                break
        source.leave(1.0)  # without an acknowledgement: it may have been killed between the two
    source = start(resume)
    if len(seen) < 100:
        seen += payloads(take(source, 100 - len(seen)))
    assert seen == numbered(0, 100)


def test_two_resumes_merge_into_one_that_stands_for_both(feed: Feed, start: Callable[..., Source]) -> None:
    if not feed.resumes:
        pytest.skip("it cannot be read again")
    feed.feed(numbered(0, 30))
    source = start()
    (one, two) = (take(source, 1)[0], take(source, 1)[0])
    merged = source.merge([source.resume_of(one.tokens), source.resume_of(two.tokens)])
    source.leave(1.0)
    (following,) = take(start(merged), 1)
    taken = len(one) + len(two)
    assert following.payload == numbered(taken, taken + len(following))


def test_a_source_is_finished_once_its_input_has_ended_and_all_was_taken(
    feed: Feed, start: Callable[..., Source]
) -> None:
    if not feed.ends:
        pytest.skip("its input never ends")
    feed.feed(numbered(0, 20))
    source = start()
    feed.end()
    taken = 0
    while taken < 20:
        assert not source.finished
        taken += sum(map(len, take(source, 1)))
    wait_until(lambda: source.finished, "the source is finished")
    assert source.alive
    assert source.take(LIMITS) is None
