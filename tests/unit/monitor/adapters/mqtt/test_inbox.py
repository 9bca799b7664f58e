"""The inbox: bounded, first in first out, and nothing that must be acknowledged is ever dropped."""

import itertools
import math
import threading
import time

from hypothesis import given
from hypothesis import strategies as st

from monitor.adapters.mqtt.inbox import TAKE_BYTES, TAKE_MESSAGES, Inbox
from monitor.core.values.messages import Message, MessageBatch, TopicTable


def unconfirmed(payload: bytes) -> Message:
    return Message("plant/a", payload, 0.0)


def confirmed(payload: bytes, packet_id: int = 1) -> Message:
    return Message("plant/a", payload, 0.0, (packet_id, 1, 1))


def put(inbox: Inbox, *messages: Message) -> None:
    inbox.extend(MessageBatch.of(messages))


def payloads(batch: MessageBatch | None) -> list[bytes]:
    return [] if batch is None else batch.payload


def test_everything_that_waits_is_taken_in_order() -> None:
    inbox = Inbox(10, 1000)
    for payload in (b"1", b"22", b"333"):
        put(inbox, unconfirmed(payload))
    assert (inbox.messages, inbox.bytes) == (3, 6)
    assert payloads(inbox.take(0.0)) == [b"1", b"22", b"333"]
    assert (inbox.messages, inbox.bytes) == (0, 0)


def test_a_backlog_is_taken_in_pieces_and_in_order() -> None:
    inbox = Inbox(10 * TAKE_MESSAGES, 10 * TAKE_BYTES)
    sent = [unconfirmed(b"%d" % number) for number in range(2 * TAKE_MESSAGES + 1)]
    put(inbox, *sent)
    pieces = [payloads(inbox.take(0.0)) for _ in range(4)]
    assert [len(piece) for piece in pieces] == [TAKE_MESSAGES, TAKE_MESSAGES, 1, 0]
    assert [payload for piece in pieces for payload in piece] == [message.payload for message in sent]
    assert (inbox.messages, inbox.bytes) == (0, 0)


def test_a_piece_ends_with_the_message_that_makes_it_large() -> None:
    inbox = Inbox(10, 10 * TAKE_BYTES)
    put(inbox, unconfirmed(bytes(TAKE_BYTES - 1)), unconfirmed(bytes(TAKE_BYTES)), unconfirmed(b"x"))
    assert [len(payloads(inbox.take(0.0))) for _ in range(3)] == [2, 1, 0]


def test_room_is_announced_only_once_enough_was_taken() -> None:
    inbox = Inbox(2 * TAKE_MESSAGES, 10 * TAKE_BYTES)
    announced: list[int] = []
    inbox.call_on_room(lambda: announced.append(inbox.messages))
    put(inbox, *[confirmed(b"x")] * (3 * TAKE_MESSAGES))
    assert not inbox.has_room()
    inbox.take(0.0)
    assert announced == []
    inbox.take(0.0)
    assert announced == [TAKE_MESSAGES]


def test_a_taker_that_comes_back_at_once_is_given_a_piece_and_not_a_few() -> None:
    inbox = Inbox(10 * TAKE_MESSAGES, 10 * TAKE_BYTES, linger_seconds=60.0)
    put(inbox, unconfirmed(b"first"))
    assert payloads(inbox.take(30.0)) == [b"first"]  # nothing was taken just before: at once
    put(inbox, unconfirmed(b"second"))
    taken: list[bytes] = []
    taker = threading.Thread(target=lambda: taken.extend(payloads(inbox.take(30.0))))
    taker.start()
    put(inbox, *[unconfirmed(b"x")] * (TAKE_MESSAGES - 1))
    taker.join(20.0)
    assert len(taken) == TAKE_MESSAGES


def test_a_taker_in_a_hurry_gets_the_few_there_are() -> None:
    inbox = Inbox(10, 1000, linger_seconds=60.0)
    for payload in (b"1", b"2"):
        put(inbox, unconfirmed(payload))
        assert payloads(inbox.take(0.0)) == [payload]


def test_what_must_be_confirmed_is_never_lingered_over() -> None:
    inbox = Inbox(10, 1000, linger_seconds=60.0)
    put(inbox, unconfirmed(b"1"))
    inbox.take(30.0)
    put(inbox, unconfirmed(b"2"), confirmed(b"3"))
    assert payloads(inbox.take(30.0)) == [b"2", b"3"]


def test_an_empty_inbox_gives_nothing_after_the_timeout() -> None:
    assert Inbox(10, 1000).take(0.001) is None


def test_a_taker_that_waits_is_woken_by_the_first_message() -> None:
    inbox = Inbox(10, 1000)
    taken: list[bytes] = []
    taker = threading.Thread(target=lambda: taken.extend(payloads(inbox.take(30.0))))
    taker.start()
    put(inbox, unconfirmed(b"x"))
    taker.join(30.0)
    assert taken == [b"x"]


def test_too_many_messages_push_out_the_oldest() -> None:
    inbox = Inbox(2, 1000)
    put(inbox, unconfirmed(b"1"), unconfirmed(b"2"), unconfirmed(b"3"))
    assert inbox.dropped == 1
    assert payloads(inbox.take(0.0)) == [b"2", b"3"]


def test_too_many_bytes_push_out_the_oldest() -> None:
    inbox = Inbox(10, 10)
    put(inbox, unconfirmed(b"12345"), unconfirmed(b"67890"), unconfirmed(b"x"))
    assert inbox.dropped == 1
    assert inbox.bytes == 6


def test_a_message_larger_than_the_inbox_is_dropped_itself() -> None:
    inbox = Inbox(10, 10)
    put(inbox, unconfirmed(bytes(11)))
    assert (inbox.messages, inbox.dropped) == (0, 1)


def test_messages_to_be_acknowledged_push_out_the_others_and_then_leave_no_room() -> None:
    inbox = Inbox(2, 1000)
    put(inbox, unconfirmed(b"1"), unconfirmed(b"2"), confirmed(b"3"))
    assert inbox.has_room()
    put(inbox, confirmed(b"4"))
    assert not inbox.has_room()
    assert inbox.dropped == 2
    assert payloads(inbox.take(0.0)) == [b"3", b"4"]
    assert inbox.has_room()


def test_bytes_to_be_acknowledged_leave_no_room_either() -> None:
    inbox = Inbox(1000, 10)
    put(inbox, confirmed(b"12345"))
    assert inbox.has_room()
    put(inbox, confirmed(b"67890"))
    assert not inbox.has_room()


def test_room_is_announced_once_after_it_was_refused() -> None:
    inbox = Inbox(1, 1000)
    announced = []
    inbox.call_on_room(lambda: announced.append(inbox.messages))
    put(inbox, confirmed(b"1"))
    inbox.take(0.0)
    assert announced == []  # nobody had asked
    put(inbox, confirmed(b"2"))
    assert not inbox.has_room()
    inbox.take(0.0)
    inbox.take(0.0)
    assert announced == [0]


def test_without_waiting_so_much_is_taken_as_is_asked_for() -> None:
    inbox = Inbox(10, 1000, linger_seconds=60.0)
    assert inbox.take_now() is None
    put(inbox, *(unconfirmed(b"%d" % number) for number in range(5)))
    put(inbox, unconfirmed(bytes(100)), unconfirmed(b"6"))
    assert payloads(inbox.take_now(3, 1000)) == [b"0", b"1", b"2"]
    assert payloads(inbox.take_now(10, 50)) == [b"3", b"4", bytes(100)]
    assert (inbox.messages, inbox.bytes) == (1, 1)


def test_what_waits_is_worth_taking_once_it_has_gathered_or_is_much_or_must_be_confirmed() -> None:
    inbox = Inbox(10 * TAKE_MESSAGES, 10 * TAKE_BYTES, linger_seconds=60.0)
    assert inbox.seconds_until_worth_taking(0.0) == math.inf
    put(inbox, unconfirmed(b"1"))
    before = time.monotonic()
    assert inbox.seconds_until_worth_taking(before) == 0.0  # nothing was taken just before
    inbox.take_now()
    put(inbox, unconfirmed(b"2"))
    assert 59.0 < inbox.seconds_until_worth_taking(before) < 61.0
    assert inbox.seconds_until_worth_taking(before + 61.0) == 0.0
    put(inbox, confirmed(b"3"))
    assert inbox.seconds_until_worth_taking(before) == 0.0
    inbox.take_now()
    put(inbox, *[unconfirmed(b"x")] * TAKE_MESSAGES)
    assert inbox.seconds_until_worth_taking(before) == 0.0
    inbox.take_now()
    put(inbox, unconfirmed(bytes(TAKE_BYTES)))
    assert inbox.seconds_until_worth_taking(before) == 0.0


def test_arrivals_are_announced_when_they_end_a_wait_or_shorten_it() -> None:
    inbox = Inbox(10 * TAKE_MESSAGES, 10 * TAKE_BYTES, linger_seconds=60.0)
    announced: list[int] = []
    inbox.call_on_arrival(lambda: announced.append(inbox.messages))
    for _ in range(5):
        put(inbox, unconfirmed(b"x"))
    assert announced == [1]
    put(inbox, *[unconfirmed(b"x")] * TAKE_MESSAGES)
    put(inbox, unconfirmed(b"x"))
    assert announced == [1, TAKE_MESSAGES + 5]
    while inbox.take_now() is not None:
        pass
    put(inbox, unconfirmed(b"x"))
    put(inbox, confirmed(b"y"))
    assert announced == [1, TAKE_MESSAGES + 5, 1, 2]


arriving = st.lists(st.lists(st.tuples(st.binary(max_size=20), st.booleans()), max_size=8), max_size=12)


@given(arriving, st.integers(1, 8), st.integers(1, 60), st.booleans())
def test_nothing_is_lost_uncounted_whatever_arrives(
    arrivals: list[list[tuple[bytes, bool]]], max_messages: int, max_bytes: int, one_table: bool
) -> None:
    inbox = Inbox(max_messages, max_bytes)
    topics = TopicTable() if one_table else None
    numbers = itertools.count(1)
    sent = [
        [confirmed(payload, next(numbers)) if must else unconfirmed(payload) for payload, must in part]
        for part in arrivals
    ]
    for part in sent:
        inbox.extend(MessageBatch.of(part, topics))
    everything = [message for part in sent for message in part]
    waiting = inbox.messages
    assert waiting + inbox.dropped == len(everything)
    taken: list[Message] = []
    while (batch := inbox.take_now(3, 30)) is not None:
        assert len(batch) <= 3
        assert sum(map(len, batch.payload[:-1])) < 30
        taken.extend(batch.rows())
    assert (inbox.messages, inbox.bytes) == (0, 0)
    oldest = [number for number, message in enumerate(everything) if message.token is None][: inbox.dropped]
    assert taken == [message for number, message in enumerate(everything) if number not in oldest]
    if any(message.token is None for message in taken):
        assert len(taken) <= max_messages
        assert sum(len(m.payload) for m in taken) <= max_bytes
