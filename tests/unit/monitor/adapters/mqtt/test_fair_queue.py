"""The fair queue: shares take turns, each keeps its order, and so do all messages that must be acknowledged."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.adapters.mqtt.fair_queue import FairQueue
from monitor.adapters.mqtt.line import Run
from monitor.adapters.mqtt.shares import Shares
from monitor.core.ports import TakeLimits
from monitor.core.values.messages import Message, MessageBatch, TopicTable

# what happens: so many messages of a topic arrive (at QoS 0 or 1, of so many bytes), so many are taken, or so many are
# dropped
TOPICS = st.sampled_from(["a", "b", "c", "d"])
ARRIVALS = st.lists(st.tuples(TOPICS, st.integers(1, 200), st.booleans(), st.sampled_from([0, 8, 5000])), min_size=1)
EVENTS = st.lists(
    st.one_of(
        ARRIVALS,
        st.tuples(st.integers(1, 700), st.integers(1, 10**6)),
        st.integers(1, 900),
    ),
    max_size=14,
)


@given(EVENTS)
@settings(max_examples=60)
def test_whatever_comes_is_taken_once_in_the_order_of_its_share_and_of_what_is_to_be_acknowledged(
    events: list[list[tuple[str, int, bool, int]] | tuple[int, int] | int],
) -> None:
    queue, shares, table = FairQueue(), Shares(str), TopicTable()
    waiting: dict[float, Message] = {}  # by number
    taken: list[Message] = []
    number = 0
    for event in events:
        if isinstance(event, list):
            rows = rows_of(event, number)
            number += len(rows)
            waiting |= {row.arrival_seconds: row for row in rows}
            batch = MessageBatch.of(rows, table)
            queue.add(Run(batch, shares.of(batch), batch.nbytes), len(shares))
        elif isinstance(event, tuple):
            taken += taken_of(queue, TakeLimits(*event), waiting)
        elif waiting:
            drop(queue, event, shares, waiting)
        assert len(queue) == len(waiting)
        may = Counter(row.topic for row in waiting.values() if row.token is None)
        assert [may[name] for name in shares.names] == queue.droppable[: len(shares)].tolist() or not len(shares) - 1
    while waiting:
        taken += taken_of(queue, TakeLimits(1000, 10**6), waiting)
    assert not len(queue)
    for kept_in_order in (
        [row.arrival_seconds for row in taken if row.token is not None],
        *([row.arrival_seconds for row in taken if row.topic == topic] for topic in "abcd"),
    ):
        assert kept_in_order == sorted(kept_in_order)


def rows_of(arrivals: list[tuple[str, int, bool, int]], first: int) -> list[Message]:
    rows: list[Message] = []
    for topic, count, confirmed, size in arrivals:
        for _ in range(count):
            number = first + len(rows)
            rows.append(Message(topic, bytes(size), float(number), (number, 1, 1) if confirmed else None))
    return rows


def drop(queue: FairQueue, most: int, shares: Shares, waiting: dict[float, Message]) -> None:
    """Drop some, and see that they are the oldest of the loudest."""
    may = Counter(row.topic for row in waiting.values() if row.token is None)
    dropped = queue.drop(most, by_bytes=False)
    gone = dict(zip(shares.names, dropped.messages.tolist(), strict=False))
    assert sum(gone.values()) == min(most, sum(may.values()))
    level = max(may[topic] - count for topic, count in gone.items())
    assert all(may[topic] - count >= level - 1 for topic, count in gone.items() if count)
    before = sum(len(row.payload) for row in waiting.values())
    for topic, count in gone.items():
        for at in [at for at, row in waiting.items() if row.topic == topic and row.token is None][:count]:
            del waiting[at]
    assert dropped.nbytes == before - sum(len(row.payload) for row in waiting.values())


def taken_of(queue: FairQueue, limits: TakeLimits, waiting: dict[float, Message]) -> list[Message]:
    parts = queue.take(limits)
    rows = [row for part in parts for row in part.batch.rows()]
    assert len(rows) <= limits.messages
    assert sum(len(row.payload) for row in rows[:-1]) < limits.nbytes
    assert bool(rows) == bool(waiting)
    for row in rows:
        assert waiting.pop(row.arrival_seconds) == row
    return rows


def add(queue: FairQueue, shares: Shares, table: TopicTable, topic: str, payloads: list[bytes]) -> None:
    batch = MessageBatch.of([Message(topic, payload, 0.0) for payload in payloads], table)
    queue.add(Run(batch, shares.of(batch), batch.nbytes), len(shares))


def test_what_comes_of_a_quiet_share_is_taken_before_a_backlog_of_a_loud_one() -> None:
    queue, shares, table = FairQueue(), Shares(str), TopicTable()
    add(queue, shares, table, "loud", [b"x"] * 50_000)
    queue.take(TakeLimits(300, 10**6))
    add(queue, shares, table, "quiet", [b"1", b"2"])
    taken = [row.topic for part in queue.take(TakeLimits(1000, 10**6)) for row in part.batch.rows()]
    assert taken.count("quiet") == 2


def test_large_payloads_count_as_several_messages() -> None:
    queue, shares, table = FairQueue(), Shares(str), TopicTable()
    add(queue, shares, table, "heavy", [bytes(100_000)] * 200)
    queue.take(TakeLimits(1, 10**6))
    add(queue, shares, table, "quiet", [b"1"])
    taken = [row.topic for part in queue.take(TakeLimits(1000, 2 * 10**6)) for row in part.batch.rows()]
    assert "quiet" in taken


def test_what_is_balanced_is_left_in_one_piece() -> None:
    queue, shares, table = FairQueue(), Shares(str), TopicTable()
    rows = [Message(f"device{number % 500}", b"x", 0.0) for number in range(2000)]
    for _ in range(100):  # 400 of each
        batch = MessageBatch.of(rows, table)
        queue.add(Run(batch, shares.of(batch), batch.nbytes), len(shares))
    pieces = 0
    while len(queue):
        pieces += len(queue.take(TakeLimits(1000, 10**6)))
    assert pieces <= 2 * 200 + 10


def test_shares_are_bounded_and_the_rest_have_one_in_common() -> None:
    shares, table = Shares(str), TopicTable()
    batch = MessageBatch.of([Message(f"topic{number}", b"", 0.0) for number in range(20_000)], table)
    numbers = shares.of(batch)
    assert len(shares) == 16_384
    assert (numbers[-1], shares.names[0]) == (0, "other")
    assert len(set(numbers.tolist())) == 16_384
    shares.forget_if_many()
    late = MessageBatch.of([Message("topic19999", b"", 0.0)], table)
    assert shares.names[shares.of(late)[0]] == "topic19999"


def test_a_share_has_its_number_whatever_table_its_topic_is_in() -> None:
    shares = Shares(lambda topic: topic.split("/")[0])
    first = MessageBatch.of([Message("a/x", b"", 0.0), Message("b/x", b"", 0.0)], TopicTable())
    second = MessageBatch.of([Message("b/y", b"", 0.0), Message("a/x", b"", 0.0)], TopicTable())
    assert shares.of(first).tolist() == [1, 2]
    assert shares.of(second).tolist() == [2, 1]
