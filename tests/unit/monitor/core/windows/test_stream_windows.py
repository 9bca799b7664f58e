"""Windows come out of live blocks exactly as they would be cut from the whole signal."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.artifact.manifest import WindowSpec
from monitor.core.dataset.cutting import window_labels, windows_of
from monitor.core.dataset.recording import Recording
from monitor.core.grid.arrivals import Arrivals
from monitor.core.grid.sample_grid import GridRules, Placement
from monitor.core.values.discards import Reason
from monitor.core.windows.stream_windows import StreamBlocks, StreamWindows, WindowBatch

PERIOD = 0.01


def spec(length: int = 8, stride: int = 4, max_gap_samples: int = 2) -> WindowSpec:
    return WindowSpec(length=length, stride=stride, max_gap_samples=max_gap_samples)


def stream_windows(
    window: WindowSpec, channels: int = 1, channel_groups: list[list[int]] | None = None, **rules: Any
) -> StreamWindows:
    made = StreamWindows(channels, window, GridRules(PERIOD, window.length, window.max_gap_samples, **rules))
    made.open_stream(0, channel_groups or [list(range(channels))])
    return made


def blocks(
    *given: tuple[int, float, list[list[float]]],
    columns: list[list[int]] | None = None,
    delay: float = 0.0,
    timed: bool = True,
) -> StreamBlocks:
    """Blocks from (channel group, first time, rows)."""
    rows = [np.asarray(values, np.float32) for _, _, values in given]
    width = rows[0].shape[1]
    length = np.array([len(r) for r in rows])
    times = np.array([time for _, time, _ in given])
    return StreamBlocks(
        channel_group=np.array([channel_group for channel_group, _, _ in given]),
        columns=np.array(columns or [list(range(width))] * len(given)),
        first_time_seconds=times,
        length=length,
        arrival_seconds=times + (length - 1) * PERIOD + delay,
        timed=timed,
        values=np.concatenate(rows),
    )


def run(windows: StreamWindows, *steps: StreamBlocks) -> tuple[WindowBatch | None, Counter[Reason]]:
    discards: Counter[Reason] = Counter()
    batches = [batch for step in steps for batch in windows.feed([step], discards)]
    return (WindowBatch.join(batches) if batches else None), discards


def ramp(start: int, count: int) -> list[list[float]]:
    return [[float(value)] for value in range(start, start + count)]


def expected_windows(samples: np.ndarray, window: WindowSpec) -> np.ndarray:
    starts = range(0, len(samples) - window.length + 1, window.stride)
    return np.array([samples[s : s + window.length].T for s in starts], np.float32).reshape(
        -1, samples.shape[1], window.length
    )


@given(
    cuts=st.lists(st.integers(1, 40), min_size=1, max_size=25),
    per_call=st.integers(1, 5),
    length=st.integers(2, 20),
    stride=st.integers(1, 25),
    channels=st.integers(1, 3),
    jitter=st.floats(0, 0.3),
)
@settings(max_examples=60, deadline=None)
def test_however_a_signal_is_cut_into_blocks_and_calls_the_windows_are_the_same(
    cuts: list[int], per_call: int, length: int, stride: int, channels: int, jitter: float
) -> None:
    window = spec(length, stride)
    total = sum(cuts)
    samples = np.random.default_rng(0).normal(size=(total, channels)).astype(np.float32)
    windows = stream_windows(window, channels)
    starts = np.cumsum([0, *cuts[:-1]])
    wobble = np.random.default_rng(1).uniform(-jitter, jitter, len(cuts)) * PERIOD
    pieces = [
        (0, 1e9 + s * PERIOD + w, samples[s : s + n].tolist()) for s, n, w in zip(starts, cuts, wobble, strict=True)
    ]
    calls = [blocks(*pieces[at : at + per_call]) for at in range(0, len(pieces), per_call)]
    batch, discards = run(windows, *calls)
    wanted = expected_windows(samples, window)
    assert not discards
    assert (0 if batch is None else len(batch)) == len(wanted)
    if batch is not None:
        np.testing.assert_array_equal(batch.values, wanted)
        ends = 1e9 + (np.arange(len(wanted)) * stride + length - 1) * PERIOD
        np.testing.assert_allclose(batch.end_seconds, ends, atol=PERIOD)
        assert (batch.coverage == 1).all()


def test_streams_do_not_mix() -> None:
    window = spec(4, 4)
    windows = StreamWindows(1, window, GridRules(PERIOD, 4))
    for stream in range(40):
        windows.open_stream(stream, [[0]])
    batch, _ = run(
        windows, *(blocks(*[(s, 10.0 + step * 2 * PERIOD, [[s + 0.5]] * 2) for s in range(40)]) for step in range(6))
    )
    assert batch is not None
    assert len(batch) == 40 * 3
    np.testing.assert_array_equal(batch.values[:, 0, :], np.repeat(batch.stream[:, None] + 0.5, 4, axis=1))


def test_a_short_gap_is_filled_with_the_last_value_and_lowers_coverage() -> None:
    batch, discards = run(stream_windows(spec(8, 8)), blocks((0, 0.0, ramp(0, 3)), (0, 5 * PERIOD, ramp(5, 3))))
    assert batch is not None
    assert batch.values[0, 0].tolist() == [0, 1, 2, 2, 2, 5, 6, 7]
    assert batch.coverage[0, 0] == pytest.approx(6 / 8)
    assert not discards


def test_many_gaps_in_one_call_overwrite_nothing_that_is_still_to_be_cut() -> None:
    pieces = [(0, at * 3 * PERIOD, ramp(at * 3, 1)) for at in range(200)]
    together, _ = run(stream_windows(spec(8, 1)), blocks(*pieces))
    apart, _ = run(stream_windows(spec(8, 1)), *(blocks(piece) for piece in pieces))
    assert together is not None
    assert apart is not None
    np.testing.assert_array_equal(together.values, apart.values)
    np.testing.assert_array_equal(together.coverage, apart.coverage)


def test_filled_gaps_are_forgotten_even_while_a_dead_channel_keeps_windows_from_being_cut() -> None:
    windows = stream_windows(spec(8, 8), 2, channel_groups=[[0], [1]], lateness_samples=20)
    for at in range(500):
        run(windows, blocks((0, at * 2 * PERIOD, [[1.0]]), columns=[[0]]))
    assert sum(windows.grid.gap_fills.count_by_group(0, 0, 2000).values()) <= 20


def test_filled_gaps_are_forgotten_even_while_long_ones_keep_windows_from_being_cut() -> None:
    windows = stream_windows(spec(8, 8))
    for at in range(0, 5000, 10):  # two samples with a short gap between them, then a long one
        run(windows, blocks((0, at * PERIOD, ramp(0, 1)), (0, (at + 2) * PERIOD, ramp(0, 1))))
    assert sum(windows.grid.gap_fills.count_by_group(0, 0, 10_000).values()) <= 1


def test_a_long_gap_clears_the_window() -> None:
    batch, _ = run(stream_windows(spec(4, 4)), blocks((0, 0.0, ramp(0, 3)), (0, 6 * PERIOD, ramp(6, 5))))
    assert batch is not None
    assert batch.values[:, 0].tolist() == [[6, 7, 8, 9]]


def test_duplicates_are_refused_and_counted() -> None:
    batch, discards = run(
        stream_windows(spec(4, 4)),
        blocks((0, 0.0, ramp(0, 3))),
        blocks((0, 0.0, ramp(0, 3)), (0, 2 * PERIOD, ramp(2, 2))),
    )
    assert batch is not None
    assert batch.values[:, 0].tolist() == [[0, 1, 2, 3]]
    assert discards == Counter({Reason.DUPLICATE: 4})


def test_a_sample_that_comes_after_its_slot_was_filled_is_late() -> None:
    _, discards = run(
        stream_windows(spec(40, 40)),
        blocks((0, 0.0, ramp(0, 3)), (0, 4 * PERIOD, ramp(4, 1)), (0, 3 * PERIOD, ramp(3, 1))),
    )
    assert discards == Counter({Reason.LATE: 1})


def test_a_sample_that_is_there_is_a_duplicate_though_another_channel_was_filled_in_its_slot() -> None:
    windows = stream_windows(spec(40, 40), 2, channel_groups=[[0], [1]], lateness_samples=20)
    sent = [(0, slot) for slot in (0, 1, 2, 4)] + [(1, slot) for slot in range(5)] + [(1, 3), (0, 3)]
    _, discards = run(windows, *(blocks((group, slot * PERIOD, [[1.0]]), columns=[[group]]) for group, slot in sent))
    assert discards == Counter({Reason.DUPLICATE: 1, Reason.LATE: 1})


def test_a_timestamp_far_ahead_of_arrival_is_refused_and_the_stream_goes_on() -> None:
    batch, discards = run(
        stream_windows(spec(4, 4)),
        blocks((0, 0.0, ramp(0, 2))),
        blocks((0, 1e6, ramp(50, 2)), delay=-1e6),
        blocks((0, 2 * PERIOD, ramp(2, 2))),
    )
    assert batch is not None
    assert batch.values[:, 0].tolist() == [[0, 1, 2, 3]]
    assert discards == Counter({Reason.FUTURE: 2})


def test_a_clock_set_back_for_good_starts_a_new_run() -> None:
    windows = stream_windows(spec(4, 4))
    steps = [blocks((0, 1000 + at * PERIOD, ramp(at, 1))) for at in range(6)]
    steps += [blocks((0, 500 + at * PERIOD, ramp(100 + at, 1))) for at in range(12)]
    batch, discards = run(windows, *steps)
    assert batch is not None
    assert windows.grid.restarts == 1
    assert batch.values[:, 0].tolist() == [[0, 1, 2, 3], [104, 105, 106, 107], [108, 109, 110, 111]]
    assert discards.total() == 4


def test_messages_that_are_delivered_again_are_duplicates_however_many_samples_they_hold() -> None:
    windows = stream_windows(spec(4, 4))
    messages = [(0, 1000 + at * 20 * PERIOD, ramp(at * 20, 20)) for at in range(6)]
    first, _ = run(windows, *(blocks(message) for message in messages))
    arrival = 1000 + 121 * PERIOD  # all at once, after a reconnect
    again = [replace(blocks(message), arrival_seconds=np.array([arrival])) for message in messages]
    second, discards = run(windows, *again, blocks((0, 1000 + 120 * PERIOD, ramp(120, 4))))
    assert first is not None
    assert second is not None
    assert second.values[:, 0].tolist() == [[120, 121, 122, 123]]
    assert discards == Counter({Reason.DUPLICATE: 120})
    assert windows.grid.restarts == 0


def test_one_topic_per_channel_lines_up_by_time() -> None:
    window = spec(4, 4)
    windows = stream_windows(window, 2, channel_groups=[[0], [1]], lateness_samples=10)
    steps = []
    for at in range(8):
        steps.append(blocks((0, at * PERIOD, [[at]]), columns=[[0]]))
        if at >= 1:  # the second channel trails by one message, and its clock is a little off
            steps.append(blocks((1, (at - 1) * PERIOD + 0.002, [[at - 1 + 100]]), columns=[[1]]))
    batch, discards = run(windows, *steps)
    assert batch is not None
    assert batch.values.tolist() == [[[0, 1, 2, 3], [100, 101, 102, 103]]]
    assert not discards


def test_a_dead_channel_stops_windows_and_its_return_starts_them_again() -> None:
    windows = stream_windows(spec(4, 4), 2, channel_groups=[[0], [1]], lateness_samples=3)

    def both(at: int) -> StreamBlocks:
        return blocks((0, at * PERIOD, [[at]]), (1, at * PERIOD, [[at + 100]]), columns=[[0], [1]])

    def one(at: int) -> StreamBlocks:
        return blocks((0, at * PERIOD, [[at]]), columns=[[0]])

    batch, _ = run(
        windows, *(both(at) for at in range(4)), *(one(at) for at in range(4, 30)), *(both(at) for at in range(30, 34))
    )
    assert batch is not None
    assert batch.values[:, 1].tolist() == [[100, 101, 102, 103], [130, 131, 132, 133]]


def test_arrival_jitter_does_not_enter_the_grid() -> None:
    rng = np.random.default_rng(3)
    windows = stream_windows(spec(10, 10))
    delays = rng.exponential(0.05, 60)  # far more than a sample period
    arrivals = np.maximum.accumulate(1e9 + np.arange(60) * 5 * PERIOD + delays)
    steps = [blocks((0, arrival, ramp(at * 5, 5)), timed=False) for at, arrival in enumerate(arrivals)]
    batch, discards = run(windows, *steps)
    assert batch is not None
    np.testing.assert_array_equal(batch.values[:, 0].ravel(), np.arange(300))
    assert not discards


def test_without_timestamps_a_lasting_lag_of_one_sample_is_a_lost_sample() -> None:
    window = WindowSpec(length=10, stride=10)
    windows = StreamWindows(1, window, GridRules(1.0, 10))
    windows.open_stream(0, [[0]])
    steps = []
    for at in [*range(15), *range(16, 40)]:
        step = blocks((0, 0.0, ramp(at, 1)), timed=False)
        step.arrival_seconds[:] = at + 0.1 * (at % 3)
        steps.append(step)
    batch, _ = run(windows, *steps)
    assert batch is not None
    assert batch.values[2, 0].tolist() == list(range(20, 30))
    assert batch.coverage[:, 0].tolist() == pytest.approx([1, 0.9, 1, 1])


def test_a_message_longer_than_the_ring_loses_nothing() -> None:
    batch, discards = run(stream_windows(spec(8, 3)), blocks((0, 0.0, ramp(0, 5000))))
    assert batch is not None
    np.testing.assert_array_equal(batch.values, expected_windows(np.arange(5000.0)[:, None], spec(8, 3)))
    assert not discards


@given(cuts=st.lists(st.integers(1, 30) | st.integers(100, 3000), min_size=2, max_size=8))
@settings(max_examples=40, deadline=None)
def test_rings_widen_for_long_messages_and_keep_what_they_hold(cuts: list[int]) -> None:
    samples = np.random.default_rng(0).normal(size=(sum(cuts), 2)).astype(np.float32)
    pieces = np.split(samples, np.cumsum(cuts)[:-1])
    starts = np.cumsum([0, *cuts[:-1]]).tolist()
    calls = [
        blocks((stream, start * PERIOD, piece.tolist()))
        for start, piece in zip(starts, pieces, strict=True)
        for stream in (0, 2)  # numbers of channel groups: of two streams
    ]
    windows = stream_windows(spec(40, 16), 2)
    windows.open_stream(1, [[0, 1]])
    batch, discards = run(windows, *calls)
    wanted = expected_windows(samples, spec(40, 16))
    assert not discards
    for stream in (0, 1) if len(wanted) else ():
        assert batch is not None
        np.testing.assert_array_equal(batch.values[batch.stream == stream], wanted)


def test_long_messages_widen_a_ring_only_so_far() -> None:
    windows = stream_windows(spec(8, 3), 2)
    narrow = windows.rings.nbytes
    run(windows, blocks((0, 0.0, [[0.0, 0.0]] * 1000)))
    wide = windows.rings.nbytes
    run(windows, blocks((0, 1000 * PERIOD, [[0.0, 0.0]] * 100_000)))
    assert narrow < wide < windows.rings.nbytes
    assert windows.rings.nbytes <= 16 * 64 * 1024  # there is room for 16 streams


@pytest.mark.parametrize("samples", [1, 64, 300])
def test_a_thousand_messages_of_one_stream_are_cut_in_few_rounds(samples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    windows, rounds = stream_windows(spec(64, 32)), list[int]()
    place = windows.grid.place

    def counted(blocks: Arrivals) -> Placement:
        rounds.append(len(blocks))
        return place(blocks)

    monkeypatch.setattr(windows.grid, "place", counted)
    messages = [(0, at * samples * PERIOD, ramp(at * samples, samples)) for at in range(1000)]
    batch, discards = run(windows, blocks(*messages))
    assert batch is not None
    assert len(batch) == (1000 * samples - 64) // 32 + 1
    assert not discards
    assert len(rounds) <= 4
    assert sum(rounds) <= 1500  # and none of them looks at all blocks again
    assert windows.rings.nbytes == stream_windows(spec(64, 32)).rings.nbytes or samples > 64


def test_a_number_given_to_a_new_stream_starts_clean() -> None:
    windows = stream_windows(spec(4, 4))
    run(windows, blocks((0, 0.0, ramp(0, 3))))
    windows.open_stream(0, [[0]])
    batch, discards = run(windows, blocks((0, 3 * PERIOD, ramp(3, 4))))
    assert batch is not None
    assert batch.values[:, 0].tolist() == [[3, 4, 5, 6]]
    assert not discards


def test_a_recording_is_cut_as_the_daemon_would_and_labelled_by_time() -> None:
    time = np.concatenate([np.arange(20), np.arange(100, 120)]).astype(float)
    labels = (time == 110).astype(np.int8)
    recording = Recording(
        "r", ("a",), np.arange(40, dtype=np.float32)[:, None], time, 1.0, labels, np.zeros(40, np.int64)
    )
    window = spec(8, 4)
    batch = windows_of(recording, window, 1.0)
    assert batch.end_seconds.tolist() == [7, 11, 15, 19, 107, 111, 115, 119]
    assert window_labels(recording, batch, 8).tolist() == [0, 0, 0, 0, 0, 1, 1, 0]


def test_a_recording_whose_time_steps_back_loses_hardly_more_than_a_window() -> None:
    time = np.concatenate([np.arange(1000.0), np.arange(300.0, 800.0)])
    count = len(time)
    recording = Recording(
        "r", ("a",), np.arange(count, dtype=np.float32)[:, None], time, 1.0, None, np.zeros(count, np.int64)
    )
    batch = windows_of(recording, spec(50, 50), 1.0)
    first_of_second_run = batch.values[batch.values[:, 0, 0] >= 1000, 0, 0].min()
    assert first_of_second_run <= 1000 + 50 + 2 * 16
