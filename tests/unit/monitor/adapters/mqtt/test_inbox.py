"""The inbox: bounded, first in first out, and nothing that must be acknowledged is ever dropped."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from monitor.adapters.mqtt.inbox import TAKE_BYTES, TAKE_MESSAGES, Inbox
from monitor.core.values.messages import Message


def unconfirmed(payload: bytes) -> Message:
    return Message("plant/a", payload, 0.0)


def confirmed(payload: bytes, packet_id: int = 1) -> Message:
    return Message("plant/a", payload, 0.0, (packet_id, 1, 1))


def payloads(messages: list[Message]) -> list[bytes]:
    return [message.payload for message in messages]


def test_everything_that_waits_is_taken_in_order() -> None:
    inbox = Inbox(10, 1000)
    for payload in (b"1", b"22", b"333"):
        inbox.put(unconfirmed(payload))
    assert (inbox.messages, inbox.bytes) == (3, 6)
    assert payloads(inbox.take(0.0)) == [b"1", b"22", b"333"]
    assert (inbox.messages, inbox.bytes) == (0, 0)


def test_a_backlog_is_taken_in_pieces_and_in_order() -> None:
    inbox = Inbox(10 * TAKE_MESSAGES, 10 * TAKE_BYTES)
    sent = [unconfirmed(b"%d" % number) for number in range(2 * TAKE_MESSAGES + 1)]
    inbox.extend(sent)
    pieces = [inbox.take(0.0) for _ in range(4)]
    assert [len(piece) for piece in pieces] == [TAKE_MESSAGES, TAKE_MESSAGES, 1, 0]
    assert [message for piece in pieces for message in piece] == sent
    assert (inbox.messages, inbox.bytes) == (0, 0)


def test_a_piece_ends_with_the_message_that_makes_it_large() -> None:
    inbox = Inbox(10, 10 * TAKE_BYTES)
    inbox.extend([unconfirmed(bytes(TAKE_BYTES - 1)), unconfirmed(bytes(TAKE_BYTES)), unconfirmed(b"x")])
    assert [len(inbox.take(0.0)) for _ in range(3)] == [2, 1, 0]


def test_room_is_announced_only_once_enough_was_taken() -> None:
    inbox = Inbox(2 * TAKE_MESSAGES, 10 * TAKE_BYTES)
    announced: list[int] = []
    inbox.call_on_room(lambda: announced.append(inbox.messages))
    inbox.extend([confirmed(b"x")] * (3 * TAKE_MESSAGES))
    assert not inbox.has_room()
    inbox.take(0.0)
    assert announced == []
    inbox.take(0.0)
    assert announced == [TAKE_MESSAGES]


def test_a_taker_that_comes_back_at_once_is_given_a_piece_and_not_a_few() -> None:
    inbox = Inbox(10 * TAKE_MESSAGES, 10 * TAKE_BYTES, linger_seconds=60.0)
    inbox.put(unconfirmed(b"first"))
    assert payloads(inbox.take(30.0)) == [b"first"]  # nothing was taken just before: at once
    inbox.put(unconfirmed(b"second"))
    taken: list[Message] = []
    taker = threading.Thread(target=lambda: taken.extend(inbox.take(30.0)))
    taker.start()
    inbox.extend([unconfirmed(b"x")] * (TAKE_MESSAGES - 1))
    taker.join(20.0)
    assert len(taken) == TAKE_MESSAGES


def test_a_taker_in_a_hurry_gets_the_few_there_are() -> None:
    inbox = Inbox(10, 1000, linger_seconds=60.0)
    for payload in (b"1", b"2"):
        inbox.put(unconfirmed(payload))
        assert payloads(inbox.take(0.0)) == [payload]


def test_what_must_be_confirmed_is_never_lingered_over() -> None:
    inbox = Inbox(10, 1000, linger_seconds=60.0)
    inbox.put(unconfirmed(b"1"))
    inbox.take(30.0)
    inbox.extend([unconfirmed(b"2"), confirmed(b"3")])
    assert payloads(inbox.take(30.0)) == [b"2", b"3"]


def test_an_empty_inbox_gives_nothing_after_the_timeout() -> None:
    assert Inbox(10, 1000).take(0.001) == []


def test_a_taker_that_waits_is_woken_by_the_first_message() -> None:
    inbox = Inbox(10, 1000)
    taken: list[Message] = []
    taker = threading.Thread(target=lambda: taken.extend(inbox.take(30.0)))
    taker.start()
    inbox.put(unconfirmed(b"x"))
    taker.join(30.0)
    assert payloads(taken) == [b"x"]


def test_too_many_messages_push_out_the_oldest() -> None:
    inbox = Inbox(2, 1000)
    inbox.extend([unconfirmed(b"1"), unconfirmed(b"2"), unconfirmed(b"3")])
    assert inbox.dropped == 1
    assert payloads(inbox.take(0.0)) == [b"2", b"3"]


def test_too_many_bytes_push_out_the_oldest() -> None:
    inbox = Inbox(10, 10)
    inbox.extend([unconfirmed(b"12345"), unconfirmed(b"67890"), unconfirmed(b"x")])
    assert inbox.dropped == 1
    assert inbox.bytes == 6


def test_a_message_larger_than_the_inbox_is_dropped_itself() -> None:
    inbox = Inbox(10, 10)
    inbox.put(unconfirmed(bytes(11)))
    assert (inbox.messages, inbox.dropped) == (0, 1)


def test_messages_to_be_acknowledged_push_out_the_others_and_then_leave_no_room() -> None:
    inbox = Inbox(2, 1000)
    inbox.extend([unconfirmed(b"1"), unconfirmed(b"2"), confirmed(b"3")])
    assert inbox.has_room()
    inbox.put(confirmed(b"4"))
    assert not inbox.has_room()
    assert inbox.dropped == 2
    assert payloads(inbox.take(0.0)) == [b"3", b"4"]
    assert inbox.has_room()


def test_bytes_to_be_acknowledged_leave_no_room_either() -> None:
    inbox = Inbox(1000, 10)
    inbox.put(confirmed(b"12345"))
    assert inbox.has_room()
    inbox.put(confirmed(b"67890"))
    assert not inbox.has_room()


def test_room_is_announced_once_after_it_was_refused() -> None:
    inbox = Inbox(1, 1000)
    announced = []
    inbox.call_on_room(lambda: announced.append(inbox.messages))
    inbox.put(confirmed(b"1"))
    inbox.take(0.0)
    assert announced == []  # nobody had asked
    inbox.put(confirmed(b"2"))
    assert not inbox.has_room()
    inbox.take(0.0)
    inbox.take(0.0)
    assert announced == [0]


arriving = st.lists(st.tuples(st.binary(max_size=20), st.booleans()), max_size=40)


@given(arriving, st.integers(1, 8), st.integers(1, 60))
def test_nothing_is_lost_uncounted_whatever_arrives(
    arrivals: list[tuple[bytes, bool]], max_messages: int, max_bytes: int
) -> None:
    inbox = Inbox(max_messages, max_bytes)
    sent = [confirmed(payload) if must else unconfirmed(payload) for payload, must in arrivals]
    for message in sent:
        inbox.put(message)
    taken = inbox.take(0.0)
    assert len(taken) + inbox.dropped == len(sent)
    oldest = [number for number, message in enumerate(sent) if message.token is None][: inbox.dropped]
    assert taken == [message for number, message in enumerate(sent) if number not in oldest]
    if any(message.token is None for message in taken):
        assert len(taken) <= max_messages
        assert sum(len(m.payload) for m in taken) <= max_bytes
