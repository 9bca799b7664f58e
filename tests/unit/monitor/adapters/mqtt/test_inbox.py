"""The inbox: bounded, first in first out, and nothing that must be acknowledged is ever dropped."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from monitor.adapters.mqtt.inbox import Inbox
from monitor.core.ports import TAKE_LIMITS, TakeLimits
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
    assert payloads(inbox.take(TAKE_LIMITS)) == [b"1", b"22", b"333"]
    assert (inbox.messages, inbox.bytes) == (0, 0)


def test_a_backlog_is_taken_in_pieces_and_in_order() -> None:
    inbox = Inbox(10 * TAKE_LIMITS.messages, 10 * TAKE_LIMITS.nbytes)
    sent = [unconfirmed(b"%d" % number) for number in range(2 * TAKE_LIMITS.messages + 1)]
    put(inbox, *sent)
    pieces = [payloads(inbox.take(TAKE_LIMITS)) for _ in range(4)]
    assert [len(piece) for piece in pieces] == [TAKE_LIMITS.messages, TAKE_LIMITS.messages, 1, 0]
    assert [payload for piece in pieces for payload in piece] == [message.payload for message in sent]
    assert (inbox.messages, inbox.bytes) == (0, 0)


def test_a_piece_ends_with_the_message_that_makes_it_large() -> None:
    inbox = Inbox(10, 10 * TAKE_LIMITS.nbytes)
    put(inbox, unconfirmed(bytes(TAKE_LIMITS.nbytes - 1)), unconfirmed(bytes(TAKE_LIMITS.nbytes)), unconfirmed(b"x"))
    assert [len(payloads(inbox.take(TAKE_LIMITS))) for _ in range(3)] == [2, 1, 0]


def test_room_is_announced_only_once_enough_was_taken() -> None:
    inbox = Inbox(2 * TAKE_LIMITS.messages, 10 * TAKE_LIMITS.nbytes)
    announced: list[int] = []
    inbox.call_on_room(lambda: announced.append(inbox.messages))
    put(inbox, *[confirmed(b"x")] * (3 * TAKE_LIMITS.messages))
    assert not inbox.has_room()
    inbox.take(TAKE_LIMITS)
    assert announced == []
    inbox.take(TAKE_LIMITS)
    assert announced == [TAKE_LIMITS.messages]


def test_an_empty_inbox_gives_nothing() -> None:
    assert Inbox(10, 1000).take(TAKE_LIMITS) is None


def test_too_many_messages_push_out_the_oldest() -> None:
    inbox = Inbox(2, 1000)
    put(inbox, unconfirmed(b"1"), unconfirmed(b"2"), unconfirmed(b"3"))
    assert inbox.dropped == 1
    assert payloads(inbox.take(TAKE_LIMITS)) == [b"2", b"3"]


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
    assert payloads(inbox.take(TAKE_LIMITS)) == [b"3", b"4"]
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
    inbox.take(TAKE_LIMITS)
    assert announced == []  # nobody had asked
    put(inbox, confirmed(b"2"))
    assert not inbox.has_room()
    inbox.take(TAKE_LIMITS)
    inbox.take(TAKE_LIMITS)
    assert announced == [0]


def test_so_much_is_taken_as_is_asked_for() -> None:
    inbox = Inbox(10, 1000)
    put(inbox, *(unconfirmed(b"%d" % number) for number in range(5)))
    put(inbox, unconfirmed(bytes(100)), unconfirmed(b"6"))
    assert payloads(inbox.take(TakeLimits(3, 1000))) == [b"0", b"1", b"2"]
    assert payloads(inbox.take(TakeLimits(10, 50))) == [b"3", b"4", bytes(100)]
    assert (inbox.messages, inbox.bytes) == (1, 1)


def test_the_first_message_wakes_and_so_does_what_becomes_urgent() -> None:
    inbox = Inbox(10 * TAKE_LIMITS.messages, 10 * TAKE_LIMITS.nbytes)
    woken: list[tuple[int, bool]] = []

    def wake(*, urgent: bool = False) -> None:
        woken.append((inbox.messages, urgent))

    inbox.call_on_arrival(wake)
    for _ in range(5):
        put(inbox, unconfirmed(b"x"))
    assert woken == [(1, False)]
    put(inbox, *[unconfirmed(b"x")] * TAKE_LIMITS.messages)
    put(inbox, unconfirmed(b"x"))
    assert woken == [(1, False), (TAKE_LIMITS.messages + 5, True)]
    while inbox.take(TAKE_LIMITS) is not None:
        pass
    put(inbox, unconfirmed(b"x"))
    put(inbox, confirmed(b"y"))  # who sent it may wait for the answer
    put(inbox, confirmed(b"z"))
    assert woken[2:] == [(1, False), (2, True)]
    inbox.take(TAKE_LIMITS)
    put(inbox, unconfirmed(bytes(TAKE_LIMITS.nbytes)))
    assert woken[4:] == [(1, True)]


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
    while (batch := inbox.take(TakeLimits(3, 30))) is not None:
        assert len(batch) <= 3
        assert sum(map(len, batch.payload[:-1])) < 30
        taken.extend(batch.rows())
    assert (inbox.messages, inbox.bytes) == (0, 0)
    oldest = [number for number, message in enumerate(everything) if message.token is None][: inbox.dropped]
    assert taken == [message for number, message in enumerate(everything) if number not in oldest]
    if any(message.token is None for message in taken):
        assert len(taken) <= max_messages
        assert sum(len(m.payload) for m in taken) <= max_bytes
