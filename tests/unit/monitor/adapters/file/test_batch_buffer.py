"""The buffer between reader and engine: bounded, in order, and a full one holds the reader back."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from monitor.adapters.file.batch_buffer import BatchBuffer
from monitor.core.ports import TakeLimits
from monitor.core.values.messages import Message, MessageBatch, TopicTable
from tests.broker import wait_until

EVERYTHING = TakeLimits(1_000_000, 1_000_000)


def batch(*payloads: bytes, topics: TopicTable | None = None) -> MessageBatch:
    return MessageBatch.of([Message("t", payload, 0.0) for payload in payloads], topics)


@given(st.lists(st.lists(st.binary(max_size=5), min_size=1, max_size=6)), st.integers(1, 5), st.integers(1, 12))
def test_everything_is_taken_once_in_order_and_within_the_limits(
    batches: list[list[bytes]], messages: int, nbytes: int
) -> None:
    buffer, topics = BatchBuffer(10**6, 10**6), TopicTable()
    for payloads in batches:
        assert buffer.put(batch(*payloads, topics=topics))
    assert buffer.nbytes == sum(len(payload) for payloads in batches for payload in payloads)
    taken: list[bytes] = []
    while (found := buffer.take(TakeLimits(messages, nbytes))) is not None:
        assert 1 <= len(found) <= messages
        assert sum(map(len, found.payload[:-1])) < nbytes
        taken += found.payload
    assert taken == [payload for payloads in batches for payload in payloads]
    assert (buffer.messages, buffer.nbytes) == (0, 0)


def test_whoever_puts_into_a_full_buffer_waits_until_enough_was_taken() -> None:
    for buffer in (BatchBuffer(2, 10**6), BatchBuffer(10**6, 2)):
        assert buffer.put(batch(b"1", b"2", b"3"))
        putting = threading.Thread(target=buffer.put, args=(batch(b"4"),), daemon=True)
        putting.start()
        assert (buffer.take(TakeLimits(1, 100)) or batch()).payload == [b"1"]
        assert putting.is_alive()
        assert buffer.messages == 2
        assert (buffer.take(TakeLimits(1, 100)) or batch()).payload == [b"2"]
        putting.join(20)
        assert (buffer.take(EVERYTHING) or batch()).payload == [b"3", b"4"]


def test_a_closed_buffer_takes_nothing_more_and_gives_what_it_has() -> None:
    buffer = BatchBuffer(1, 100)
    outcomes: list[bool] = []
    assert buffer.put(batch(b"1"))
    putting = threading.Thread(target=lambda: outcomes.append(buffer.put(batch(b"2"))), daemon=True)
    putting.start()
    buffer.close()
    wait_until(lambda: outcomes == [False], "the one who waits goes on")
    assert not buffer.put(batch(b"3"))
    assert (buffer.take(EVERYTHING) or batch()).payload == [b"1"]
    assert buffer.take(EVERYTHING) is None
