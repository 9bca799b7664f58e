"""What every window policy does: each window once, within one run, however many streams and samples come at a time."""

from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.artifact.manifest import WindowSpec
from monitor.core.grid.ring_buffers import Rings
from monitor.core.windows.window_policies import CompleteWindows, WindowPolicy, window_policy_of
from tests.hearts import RATE_HZ, heart_recording

POLICIES = get_args(WindowSpec.model_fields["cut"].annotation)
# what a policy needs to be told beside length and stride
OWN: dict[str, dict[str, Any]] = {"beat": {"beat": {"before_samples": 60, "max_rr_seconds": 2.5}}}
LENGTH, SAMPLES, STREAMS = 150, 6000, 3

Window = tuple[int, int, tuple[float, ...]]  # stream, end, derived channels
pytestmark = pytest.mark.parametrize("cut", POLICIES)


def policy_of(cut: str) -> tuple[WindowPolicy, WindowSpec]:
    spec = WindowSpec.model_validate({"cut": cut, "length": LENGTH, "stride": 100, **OWN.get(cut, {})})
    policy = window_policy_of(spec, 1 / RATE_HZ)
    for stream in range(STREAMS):
        policy.open_stream(stream, 0)
    return policy, spec


def hearts() -> Rings:
    """Rings that hold all samples of different hearts, of which the last one stands still for a while."""
    rings = Rings(1, LENGTH, SAMPLES)
    rings.open_stream(STREAMS - 1)
    values = [heart_recording(SAMPLES / RATE_HZ, device=device).samples[:, 0] for device in range(1, STREAMS + 1)]
    values[-1][2000:4000] = 0.0
    rings.put_tails(np.arange(STREAMS), np.full(STREAMS, SAMPLES), np.array(values, np.float32)[:, None])
    return rings


HEARTS = hearts()


def listed(found: CompleteWindows) -> list[Window]:
    return [
        (stream, end, tuple(derived))
        for stream, end, derived in zip(found.stream.tolist(), found.end.tolist(), found.derived.tolist(), strict=True)
    ]


def due(policy: WindowPolicy, complete: dict[int, int], run_start: int = 0) -> list[Window]:
    """Ask for the windows of these streams, which are complete up to these slots."""
    streams = np.array([*complete], np.int64)
    slots = np.array([*complete.values()], np.int64)
    return listed(policy.due(streams, np.full(len(streams), run_start), slots, HEARTS))


def to_the_end(policy: WindowPolicy, start: int = 0, step: int = 500) -> list[Window]:
    """All windows of all streams that become complete after `start`, by stream."""
    found = [
        window
        for slot in range(start + step, SAMPLES + 1, step)
        for window in due(policy, dict.fromkeys(range(STREAMS), slot))
    ]
    return sorted(found, key=lambda window: window[0])


def test_a_window_ends_where_its_samples_are_there_and_begins_within_the_lookback(cut: str) -> None:
    policy, spec = policy_of(cut)
    for slot in range(500, SAMPLES + 1, 500):
        found = policy.due(np.arange(STREAMS), np.zeros(STREAMS, np.int64), np.full(STREAMS, slot), HEARTS)
        assert found.stream.dtype == found.end.dtype == np.int64
        assert found.derived.dtype == np.float32
        assert found.derived.shape == (len(found.end), len(spec.derived))
        assert (found.end <= slot).all()
        assert (found.end - LENGTH >= max(0, slot - 500 - policy.lookback_samples)).all()


def test_each_stream_has_windows_in_the_order_of_time_and_each_once(cut: str) -> None:
    policy, _ = policy_of(cut)
    found = to_the_end(policy)
    for stream in range(STREAMS):
        ends = [end for of, end, _ in found if of == stream]
        assert len(ends) > 10
        assert ends == sorted(set(ends))
    assert due(policy, dict.fromkeys(range(STREAMS), SAMPLES)) == []


def test_no_streams_and_no_new_samples_give_no_windows(cut: str) -> None:
    policy, _ = policy_of(cut)
    assert due(policy, {}) == []
    assert due(policy, dict.fromkeys(range(STREAMS), 0)) == []


def test_what_is_given_is_left_as_it_was(cut: str) -> None:
    policy, _ = policy_of(cut)
    streams, run_start, complete = np.arange(STREAMS), np.full(STREAMS, 7), np.full(STREAMS, SAMPLES)
    tails = HEARTS.tails(streams, complete, SAMPLES)
    policy.due(streams, run_start, complete, HEARTS)
    assert streams.tolist() == [*range(STREAMS)]
    assert run_start.tolist() == [7] * STREAMS
    assert complete.tolist() == [SAMPLES] * STREAMS
    np.testing.assert_array_equal(HEARTS.tails(streams, complete, SAMPLES), tails)


COMING = st.dictionaries(st.integers(0, STREAMS - 1), st.sampled_from([1, 40, 333, 900, 2500]), min_size=1)


@given(calls=st.lists(COMING, max_size=20))
@settings(max_examples=20)
def test_however_streams_and_samples_come_the_windows_are_the_same(cut: str, calls: list[dict[int, int]]) -> None:
    expected = to_the_end(policy_of(cut)[0])
    policy, _ = policy_of(cut)
    slots, found = dict.fromkeys(range(STREAMS), 0), []
    for call in [*calls, dict.fromkeys(range(STREAMS), SAMPLES)]:
        slots |= {stream: min(SAMPLES, slots[stream] + more) for stream, more in call.items()}
        found += due(policy, {stream: slots[stream] for stream in sorted(call)})
    assert sorted(found, key=lambda window: window[0]) == expected


def test_no_window_reaches_over_a_gap(cut: str) -> None:
    policy, _ = policy_of(cut)
    before = due(policy, dict.fromkeys(range(STREAMS), 2900))
    after = due(policy, dict.fromkeys(range(STREAMS), SAMPLES), run_start=3000)
    assert before
    assert after
    assert max(end for _, end, _ in before) <= 2900
    assert min(end for _, end, _ in after) >= 3000 + LENGTH


def test_a_stream_under_an_old_number_knows_nothing_of_the_old_one(cut: str) -> None:
    fresh, _ = policy_of(cut)
    again, _ = policy_of(cut)
    to_the_end(again)
    again.open_stream(1, 0)
    assert due(again, {1: SAMPLES}) == due(fresh, {1: SAMPLES})
