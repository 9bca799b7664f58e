"""The inbox: bounded, fair once more waits than one take brings, and what must be acknowledged is never dropped."""

import contextlib
import itertools
from collections import Counter

import structlog
from hypothesis import given
from hypothesis import strategies as st

from monitor.adapters.mqtt.inbox import Inbox
from monitor.adapters.process.logs import RepeatLimiter
from monitor.core.ports import TAKE_LIMITS, TakeLimits
from monitor.core.values.messages import Message, MessageBatch, TopicTable


def unconfirmed(payload: bytes) -> Message:
    return Message("plant/a", payload, 0.0)


def confirmed(payload: bytes, packet_id: int = 1) -> Message:
    return Message("plant/a", payload, 0.0, (packet_id, 1, 1))


def of(topic: str, number: int) -> Message:
    return Message(topic, b"%d" % number, 0.0)


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


@given(
    reads=st.lists(
        st.tuples(st.integers(1, 30), st.sampled_from(["QoS 0", "QoS 1", "both"]), st.sampled_from([0, 0, 3, 50])),
        max_size=60,
    )
)
def test_the_bound_is_passed_by_what_one_read_brings_and_never_by_more(reads: list[tuple[int, str, int]]) -> None:
    inbox = Inbox(20, 1000)
    for count, kind, taken in reads:
        if inbox.has_room():
            put(
                inbox,
                *(
                    confirmed(b"x") if kind == "QoS 1" or (kind == "both" and number % 2) else unconfirmed(b"x")
                    for number in range(count)
                ),
            )
        assert inbox.messages <= 20 + 30
        if taken:
            inbox.take(TakeLimits(taken, 1000))


def test_once_messages_to_be_acknowledged_hold_half_of_it_there_is_no_room_and_nothing_is_dropped() -> None:
    inbox = Inbox(4, 1000)
    put(inbox, unconfirmed(b"1"), unconfirmed(b"2"), unconfirmed(b"3"), confirmed(b"4"))
    assert inbox.has_room()
    put(inbox, confirmed(b"5"))
    assert inbox.dropped == 1
    assert not inbox.has_room()
    put(inbox, confirmed(b"6"), confirmed(b"7"))  # what one read brought
    assert inbox.dropped == 1
    assert payloads(inbox.take(TAKE_LIMITS)) == [b"2", b"3", b"4", b"5", b"6", b"7"]
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
    may, of_all = sum(m.token is None for m in everything) - inbox.dropped, waiting
    if waiting > max_messages:
        assert 2 * may <= of_all
    taken: list[Message] = []
    while (batch := inbox.take(TakeLimits(3, 30))) is not None:
        assert len(batch) <= 3
        assert sum(map(len, batch.payload[:-1])) < 30
        taken.extend(batch.rows())
    assert (inbox.messages, inbox.bytes) == (0, 0)
    dropped = inbox.dropped
    oldest = [number for number, message in enumerate(everything) if message.token is None][:dropped]
    assert taken == [message for number, message in enumerate(everything) if number not in oldest]


def test_the_loudest_share_loses_its_oldest_and_is_named() -> None:
    inbox = Inbox(10, 1000, str)
    put(inbox, of("quiet", 0))
    put(inbox, *(of("loud", number) for number in range(20)))
    put(inbox, of("quiet", 1))
    assert inbox.dropped_by_share == {"loud": 12}
    batch = inbox.take(TAKE_LIMITS)
    taken = [] if batch is None else list(batch.rows())
    assert [message.payload for message in taken if message.topic == "quiet"] == [b"0", b"1"]
    assert [message.payload for message in taken if message.topic == "loud"] == [b"%d" % n for n in range(12, 20)]


def test_named_in_another_way_what_waits_keeps_its_order_and_what_comes_is_named_so() -> None:
    inbox = Inbox(100, 10_000, lambda topic: topic)
    put(inbox, *(of(topic, number) for number in range(20) for topic in ("pump/a", "pump/b")))
    assert payloads(inbox.take(TakeLimits(2, 10_000))) == [b"0", b"0"]  # from here on they wait in lines
    inbox.share_by(lambda topic: topic.split("/")[0])
    put(inbox, *(of("pump/a", number) for number in range(20, 40)))
    batch = inbox.take(TAKE_LIMITS)
    taken = [] if batch is None else list(batch.rows())
    assert [row.payload for row in taken if row.topic == "pump/a"] == [b"%d" % number for number in range(1, 40)]
    assert [row.payload for row in taken if row.topic == "pump/b"] == [b"%d" % number for number in range(1, 20)]
    assert (inbox.messages, inbox.bytes) == (0, 0)
    put(inbox, *(of("pump/a", number) for number in range(200)))
    assert set(inbox.dropped_by_share) == {"pump"}


def test_the_share_with_the_most_bytes_loses_its_oldest_where_bytes_are_too_many() -> None:
    inbox = Inbox(1000, 1000, str)
    put(inbox, Message("heavy", bytes(600), 0.0), *(of("many", number) for number in range(50)))
    put(inbox, Message("heavy", bytes(500), 0.0))
    assert inbox.dropped_by_share == {"heavy": 1}


def test_shares_that_are_counted_apart_are_bounded() -> None:
    inbox = Inbox(1, 10**6, str)
    for number in range(150):
        put(inbox, of(f"device{number}", 0), of(f"device{number}", 1))
    assert len(inbox.dropped_by_share) == 101
    assert sum(inbox.dropped_by_share.values()) == inbox.dropped


def test_what_is_cleared_is_counted_where_nobody_waits_for_it() -> None:
    inbox = Inbox(10_000, 10**6, str)
    put(inbox, *[of("a", 1)] * 3000, confirmed(b"x"))
    inbox.take(TAKE_LIMITS)
    inbox.clear()
    assert (inbox.messages, inbox.bytes, inbox.dropped) == (0, 0, 2001)  # the quiet one to be acknowledged was taken
    assert inbox.take(TAKE_LIMITS) is None
    put(inbox, of("a", 2))
    assert payloads(inbox.take(TAKE_LIMITS)) == [b"2"]


def test_a_quiet_device_beside_a_loud_one_loses_nothing_and_waits_for_little() -> None:
    inbox = Inbox(50_000, 10**9, str)
    waited = neighbour(inbox, loud=[("loud", 7000)], taken_per_second=1000, seconds=15)
    assert len(waited) == 15
    assert max(waited) <= 3  # takes; all that waits would be 100
    assert set(inbox.dropped_by_share) == {"loud"}


def test_fifty_loud_devices_do_not_hold_a_quiet_one_back_either() -> None:
    inbox = Inbox(50_000, 10**9, str)
    loud = [(f"loud{number}", 200) for number in range(50)]
    waited = neighbour(inbox, loud=loud, taken_per_second=3000, seconds=12)
    assert len(waited) == 12
    assert max(waited) <= 9  # takes: a round brings 80 messages of each; all that waits would be 100
    assert "quiet" not in inbox.dropped_by_share


def test_loud_devices_get_about_as_much_as_one_another() -> None:
    inbox = Inbox(10_000, 10**9, str)
    got: Counter[str] = Counter()
    neighbour(inbox, loud=[("a", 4000), ("b", 1500), ("c", 3000)], taken_per_second=3000, seconds=20, got=got)
    assert min(got["a"], got["b"], got["c"]) > 0.8 * max(got["a"], got["b"], got["c"])


def test_topics_invented_without_end_gain_nothing() -> None:
    inbox = Inbox(50_000, 10**9, str)
    table, waited = TopicTable(), []
    for second in range(20):
        inbox.extend(MessageBatch.of([of("quiet", second)], table))
        inbox.extend(MessageBatch.of([of(f"new{second}.{number}", 0) for number in range(7000)], table))
        for _ in range(2):
            batch = inbox.take(TAKE_LIMITS)
            assert batch is not None
            waited += [second - int(row.payload) for row in batch.rows() if row.topic == "quiet"]
    assert "quiet" not in inbox.dropped_by_share
    assert inbox.messages <= 50_000


def neighbour(
    inbox: Inbox,
    loud: list[tuple[str, int]],
    taken_per_second: int,
    seconds: int,
    got: Counter[str] | None = None,
) -> list[int]:
    """Let a quiet device send once a second beside loud ones; after how many takes each of its messages is taken."""
    table, takes = TopicTable(), 0
    waited: list[int] = []
    sent: dict[bytes, int] = {}
    limits = TakeLimits(500, 10**9)
    for second in range(seconds + 1):
        if second < seconds:
            inbox.extend(MessageBatch.of([of("quiet", second)], table))
            sent[b"%d" % second] = takes
        arrivals = [of(name, second) for name, rate in loud for _ in range(rate)]
        for at in range(0, len(arrivals), 700):
            inbox.extend(MessageBatch.of(arrivals[at : at + 700], table))
        for _ in range(taken_per_second // limits.messages):
            takes += 1
            batch = inbox.take(limits)
            rows = [] if batch is None else list(batch.rows())
            if got is not None:
                got.update(row.topic for row in rows)
            waited += [takes - sent[row.payload] for row in rows if row.topic == "quiet"]
    return waited


def test_however_many_shares_are_loud_in_their_turn_the_log_tells_it_once_in_a_while() -> None:
    inbox = Inbox(64, 1_000_000, share_of=lambda topic: topic)
    with structlog.testing.capture_logs() as told:
        for topic in range(200):  # as somebody does who makes topics up
            put(inbox, *(of(f"made/up/{topic}", number) for number in range(64)))
    assert len(told) > 100
    limit, written = RepeatLimiter(30.0, lambda: 0.0), []
    for line in told:
        with contextlib.suppress(structlog.DropEvent):
            written.append(limit(None, "", line))
    assert [line["loudest"].startswith("made/up/") for line in written] == [True]
