"""Batches of messages: whatever is cut, joined, dropped or chosen, rows and their tokens stay together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.values.messages import Message, MessageBatch, TopicTable

TOKENS = st.none() | st.tuples(st.integers(0, 9), st.integers(1, 2), st.integers(0, 9))
ROWS = st.lists(
    st.builds(
        Message,
        topic=st.sampled_from(["a", "b/c", "d"]),
        payload=st.binary(max_size=6),
        arrival_seconds=st.floats(0, 100),
        token=TOKENS,
        retained=st.booleans(),
        qos=st.integers(0, 2),
    ),
    max_size=12,
)


def rows(batch: MessageBatch) -> list[Message]:
    found = list(batch.rows())
    assert len(batch) == len(found)
    assert len(batch.tokens) == sum(message.token is not None for message in found)
    assert batch.droppable == sum(message.token is None for message in found)
    assert batch.nbytes == sum(len(message.payload) for message in found)
    return found


@given(ROWS)
def test_rows_come_back_as_they_were(messages: list[Message]) -> None:
    batch = MessageBatch.of(messages)
    assert rows(batch) == messages
    assert [batch.row(index) for index in range(len(messages))] == messages
    assert batch.topics.texts == list(dict.fromkeys(message.topic for message in messages))


@given(ROWS, st.integers(0, 14), st.integers(0, 14))
def test_a_slice_has_the_rows_from_start_to_before_stop(messages: list[Message], start: int, stop: int) -> None:
    assert rows(MessageBatch.of(messages).slice(start, stop)) == messages[start:stop]


@given(st.lists(ROWS, min_size=1, max_size=4), st.booleans())
def test_batches_are_joined_in_order_whether_they_share_a_table_or_not(parts: list[list[Message]], same: bool) -> None:
    table = TopicTable() if same else None
    joined = MessageBatch.join([MessageBatch.of(part, table) for part in parts])
    assert rows(joined) == [message for part in parts for message in part]


@given(ROWS, st.integers(1, 8), st.integers(1, 20))
def test_the_front_ends_with_the_row_that_reaches_a_bound_and_the_rest_follows(
    messages: list[Message], most: int, most_bytes: int
) -> None:
    front, rest = MessageBatch.of(messages).split(most, most_bytes)
    first = rows(front)
    assert first + ([] if rest is None else rows(rest)) == messages
    assert len(first) <= most
    assert sum(len(message.payload) for message in first[:-1]) < most_bytes
    if rest is not None:
        assert len(rest)
        assert len(first) == most or front.nbytes >= most_bytes


@given(ROWS)
def test_what_is_waited_for_keeps_its_tokens(messages: list[Message]) -> None:
    assert rows(MessageBatch.of(messages).waiting()) == [message for message in messages if message.token is not None]


@given(ROWS, st.data())
def test_chosen_rows_have_no_tokens(messages: list[Message], data: st.DataObject) -> None:
    chosen = sorted(data.draw(st.sets(st.integers(0, len(messages) - 1)) if messages else st.just(set[int]())))
    assert rows(MessageBatch.of(messages).select(chosen)) == [messages[index]._replace(token=None) for index in chosen]


@given(ROWS, st.data())
def test_picked_rows_keep_their_tokens(messages: list[Message], data: st.DataObject) -> None:
    chosen = sorted(data.draw(st.sets(st.integers(0, len(messages) - 1)) if messages else st.just(set[int]())))
    assert rows(MessageBatch.of(messages).pick(chosen)) == [messages[index] for index in chosen]


def test_a_slice_of_everything_is_the_batch_itself() -> None:
    batch = MessageBatch.of([Message("a", b"1", 1.0), Message("b", b"2", 1.0)])
    assert batch.slice(0, 2) is batch
    assert batch.split(10, 100) == (batch, None)


def test_a_table_numbers_topics_in_the_order_in_which_they_come() -> None:
    table = TopicTable()
    assert [table.number_of(text) for text in ("a", "b", "a", "c")] == [0, 1, 0, 2]
    assert (len(table), table.texts) == (3, ["a", "b", "c"])


def test_a_batch_cannot_be_given_other_columns() -> None:
    batch = MessageBatch.of([])
    with pytest.raises(AttributeError):
        batch.topic = [1]  # type: ignore[misc]
