"""Recordings as messages: nothing is lost, nothing is bridged, and the daemon reads what was recorded."""

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.real_replay.publisher import in_order, messages_of
from monitor.core.dataset.recording import Recording
from monitor.core.decode.decoder import decoder_for
from monitor.core.decode.json_format.settings import JsonFormat
from tests.payloads import batch_of

PERIOD = 1 / 50  # 12 samples a message


def recording(gaps: list[int], lengths: list[int], begins: float = 1_600_000_000.0) -> Recording:
    """Stretches of so many samples, each after so many missing ones; an extra segment after the first."""
    skipped = np.repeat(np.cumsum(gaps[: len(lengths)]), lengths)
    count = len(skipped)
    samples = np.random.default_rng(count).normal(size=(count, 2)).astype(np.float32)
    times = begins + (np.arange(count) + skipped) * PERIOD
    segment = (np.arange(count) >= lengths[0]).astype(np.int64)
    return Recording("s", ("a", "b"), samples, times, PERIOD, None, segment)


stretches = st.integers(1, 5).flatmap(
    lambda count: st.tuples(
        st.lists(st.integers(0, 9), min_size=count, max_size=count),
        st.lists(st.integers(1, 60), min_size=count, max_size=count),
    )
)


@given(stretches)
def test_the_daemon_decodes_every_sample_at_its_own_time(drawn: tuple[list[int], list[int]]) -> None:
    source = recording(*drawn)
    messages = list(messages_of(source, "t/s"))
    decoder = decoder_for(JsonFormat(kind="json", timestamp="time", rows="rows"), 2, 1_000_000)
    decoded = decoder.decode(batch_of([message.payload for message in messages]))
    assert not decoded.refused
    np.testing.assert_array_equal(decoded.values, source.samples)
    assert decoded.length.tolist() == [message.samples for message in messages]
    within = np.concatenate([np.arange(length) for length in decoded.length])
    np.testing.assert_allclose(
        np.repeat(decoded.first_time_seconds, decoded.length) + within * PERIOD, source.time_seconds, atol=1e-6
    )


@given(stretches)
def test_no_message_spans_a_break(drawn: tuple[list[int], list[int]]) -> None:
    source = recording(*drawn)
    ends = np.cumsum([message.samples for message in messages_of(source, "t/s")])
    assert drawn[1][0] in ends
    assert ends[-1] == len(source.samples)


def test_slow_signals_send_one_sample_at_a_time() -> None:
    source = Recording("s", ("a",), np.zeros((3, 1), np.float32), np.arange(3.0), 1.0, None, np.zeros(3, np.int64))
    assert [json.loads(message.payload) for message in messages_of(source, "t")] == [
        {"time": float(at), "rows": [[0.0]]} for at in range(3)
    ]


def test_streams_that_began_years_apart_are_sent_side_by_side() -> None:
    early, late = recording([0], [40], begins=200_000_000.0), recording([0], [40])
    order = [message.topic for message in in_order([messages_of(early, "early"), messages_of(late, "late")])]
    assert [set(order[at : at + 2]) for at in range(0, 8, 2)] == [{"early", "late"}] * 4
