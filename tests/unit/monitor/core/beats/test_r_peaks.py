"""Beats: R peaks are where the heart put them, whatever the lead, the noise and the size of messages."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from monitor.core.artifact.manifest import BeatSpec, ChannelSpec, WindowSpec
from monitor.core.grid.sample_grid import GridRules
from monitor.core.scoring.channel_limits import ChannelLimits
from monitor.core.scoring.quality import QUALITIES, assess
from monitor.core.values.discards import Reason
from monitor.core.values.snapshots import decode_state, encode_state
from monitor.core.windows.stream_windows import StreamBlocks, StreamWindows, WindowBatch

RATE_HZ = 250.0
BEFORE, AFTER = 50, 100  # samples
SPEC = WindowSpec(
    length=BEFORE + AFTER, stride=250, cut="beat", beat=BeatSpec(before_samples=BEFORE, max_rr_seconds=2.5)
)
Samples = NDArray[np.float32]


def heart(
    r_seconds: Sequence[float] | NDArray[np.floating[Any]],
    seconds: float,
    *,
    noise: float = 0.01,
    t_height: float = 0.3,
    width_seconds: float = 0.012,
    height: float = 1.0,
) -> Samples:
    """R waves at these times, each followed by a T wave 0.28 s later, in millivolts."""
    time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    after = time[:, None] - np.asarray(r_seconds)
    waves = height * np.exp(-((after / width_seconds) ** 2) / 2)
    waves += t_height * height * np.exp(-(((after - 0.28) / 0.05) ** 2) / 2)
    signal: Samples = waves.sum(axis=1).astype(np.float32)
    signal += np.random.default_rng(1).normal(0, noise, len(time)).astype(np.float32)
    return signal


def made() -> StreamWindows:
    return StreamWindows(1, SPEC, GridRules(1 / RATE_HZ, SPEC.length, SPEC.max_gap_samples))


def block(values: Samples, first: int, stream: int = 0) -> StreamBlocks:
    start = np.array([first / RATE_HZ])
    length = np.array([len(values)])
    end = start + length / RATE_HZ
    return StreamBlocks(np.array([stream]), np.zeros((1, 1), np.int64), start, length, end, True, values[:, None])


def fed(windows: StreamWindows, signal: Samples, pieces: Sequence[int] = (), first: int = 0) -> list[WindowBatch]:
    """Feed samples from slot `first` on, in pieces of these lengths (what is left comes last)."""
    discards: Counter[Reason] = Counter()
    batches = []
    for part in np.split(signal, np.minimum(np.cumsum(pieces, dtype=np.int64), len(signal))):
        if len(part):
            batches += list(windows.feed([block(part, first)], discards))
            first += len(part)
    assert not discards
    return [batch for batch in batches if len(batch)]


def cut(signal: Samples, pieces: Sequence[int] = ()) -> WindowBatch:
    windows = made()
    windows.open_stream(0, [[0]])
    return WindowBatch.join(fed(windows, signal, pieces))


def r_peaks(batch: WindowBatch) -> NDArray[np.float64]:
    """When the R peaks of these windows were."""
    seconds: NDArray[np.float64] = batch.end_seconds - (AFTER - 1) / RATE_HZ
    return seconds


def same(batch: WindowBatch, other: WindowBatch) -> None:
    np.testing.assert_array_equal(batch.values, other.values)
    np.testing.assert_allclose(batch.end_seconds, other.end_seconds, rtol=0, atol=1e-9)


STEADY = 0.5 + 0.8 * np.arange(20)


def test_every_beat_but_the_first_gives_a_window_around_its_r_peak() -> None:
    batch = cut(heart(STEADY, 17))
    np.testing.assert_allclose(r_peaks(batch), STEADY[1:], atol=1.5 / RATE_HZ)
    assert batch.values.shape == (19, 3, SPEC.length)
    assert np.abs(batch.values[:, 0].argmax(axis=1) - BEFORE).max() <= 1


def test_windows_say_how_long_the_last_interval_was_and_how_it_compares() -> None:
    early = np.append(STEADY[:10], STEADY[9] + 0.4)
    batch = cut(heart(early, 9))
    assert (batch.values[:, 1:].min(axis=2) == batch.values[:, 1:].max(axis=2)).all()
    rr, change = batch.values[:, 1:, 0].T
    np.testing.assert_allclose(rr[:-1], 0.8, atol=0.01)
    np.testing.assert_allclose(change[:-1], 0.0, atol=0.02)
    assert rr[-1] == pytest.approx(0.4, abs=0.01)
    assert change[-1] == pytest.approx(np.log(0.5), abs=0.03)


def test_a_beat_is_cut_with_the_message_that_brings_its_last_sample() -> None:
    batch = cut(heart(STEADY, 17), [10] * 425)
    learnt = batch.end_seconds > 3.2
    assert (batch.arrival_seconds - batch.end_seconds <= 10.5 / RATE_HZ)[learnt].all()


@settings(deadline=None, max_examples=25)
@given(data=st.data(), gap=st.booleans(), strange=st.booleans())
def test_the_size_of_messages_changes_nothing(data: st.DataObject, gap: bool, strange: bool) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 9)))
    r_seconds = 0.4 + np.cumsum(rng.choice([0.4, 0.7, 0.8, 0.9, 4.0], 18, p=[0.1, 0.3, 0.3, 0.2, 0.1]))
    signal = heart(r_seconds, r_seconds[-1] + 4, noise=0.05)
    if strange:
        signal[rng.integers(0, len(signal), 5)] = [np.nan, np.inf, -np.inf, 1e30, np.nan]
    at = len(signal) // 2
    pieces = data.draw(st.lists(st.integers(1, 400), max_size=60))
    whole, in_pieces = made(), made()
    for windows in whole, in_pieces:
        windows.open_stream(0, [[0]])
    later = at + (100 if gap else 0)
    expected = WindowBatch.join(fed(whole, signal[:at]) + fed(whole, signal[at:], first=later))
    found = WindowBatch.join(fed(in_pieces, signal[:at], pieces) + fed(in_pieces, signal[at:], pieces, first=later))
    same(found, expected)


def test_streams_do_not_mix() -> None:
    signals = [heart(STEADY + shift, 17, noise=0.02) for shift in (0.0, 0.13, 0.31)]
    together = made()
    for stream in range(3):
        together.open_stream(stream, [[0]])
    discards: Counter[Reason] = Counter()
    batches = []
    for start in range(0, len(signals[0]), 100):
        parts = [signal[start : start + 100] for signal in signals]
        blocks = StreamBlocks(
            channel_group=np.arange(3),
            columns=np.zeros((3, 1), np.int64),
            first_time_seconds=np.full(3, start / RATE_HZ),
            length=np.array([len(part) for part in parts]),
            arrival_seconds=np.full(3, (start + 100) / RATE_HZ),
            timed=True,
            values=np.concatenate(parts)[:, None],
        )
        batches += list(together.feed([blocks], discards))
    everything = WindowBatch.join(batches)
    for stream, signal in enumerate(signals):
        same(everything.select(everything.stream == stream), cut(signal))


def test_an_inverted_lead_gives_the_same_beats() -> None:
    signal = heart(STEADY, 17)
    np.testing.assert_array_equal(r_peaks(cut(-signal)), r_peaks(cut(signal)))


def test_a_wide_premature_beat_of_the_other_sign_is_found_and_lies_on_its_dominant_deflection() -> None:
    at = STEADY[9] + 0.45
    ventricular = -1.5 * heart([at], 17, noise=0, width_seconds=0.035, t_height=0)
    batch = cut(heart(np.delete(STEADY, 10), 17) + ventricular)
    found = r_peaks(batch)
    assert np.abs(found - at).min() < 0.02
    np.testing.assert_allclose(found[found < at - 0.1], STEADY[1:10], atol=1.5 / RATE_HZ)


def test_tall_t_waves_are_not_taken_for_beats() -> None:
    assert len(cut(heart(STEADY, 17, t_height=0.9))) == 19


def test_noise_and_a_wandering_baseline_hide_no_beat_and_make_none() -> None:
    time = np.arange(17 * 250) / RATE_HZ
    wander = (2.0 * np.sin(2 * np.pi * 0.3 * time)).astype(np.float32)
    found = r_peaks(cut(heart(STEADY, 17, noise=0.08) + wander))
    assert len(found) == 19
    np.testing.assert_allclose(found, STEADY[1:], atol=0.02)


def test_one_huge_artefact_hides_no_beat_after_it() -> None:
    signal = heart(STEADY, 17)
    signal[round(8.1 * RATE_HZ) :][:3] = 80.0
    found = r_peaks(cut(signal))
    for expected in STEADY[10:]:
        assert np.abs(found - expected).min() < 0.02


def test_beats_are_found_again_after_a_huge_artefact_and_a_second_without_a_number() -> None:
    signal = heart(STEADY, 17)
    signal[2000], signal[2001:2250] = 1e30, np.nan
    found = r_peaks(cut(signal))
    for expected in STEADY[15:]:
        assert np.abs(found - expected).min() < 0.02


def test_beats_that_become_weaker_are_found_again() -> None:
    weak = heart(STEADY[6:], 17, noise=0, height=0.12)
    found = r_peaks(cut(heart(STEADY[:6], 17, noise=0.002) + weak))
    for expected in STEADY[14:]:
        assert np.abs(found - expected).min() < 0.02


def test_a_heart_that_stands_still_is_told_every_stride_until_it_beats() -> None:
    stop, go_on = 8.5, 14.5
    batch = cut(heart(np.append(STEADY[:11], [go_on, go_on + 0.8]), 17))
    rr = batch.values[:, 1, 0]
    paused = rr > 2.5
    assert batch.end_seconds[paused][0] == pytest.approx(stop + 2.7, abs=0.05)
    np.testing.assert_allclose(np.diff(batch.end_seconds[paused][:-1]), 1.0, atol=1e-6)
    np.testing.assert_allclose(rr[paused][:-1], batch.end_seconds[paused][:-1] - stop, atol=0.02)
    assert rr[paused][-1] == pytest.approx(go_on - stop, abs=0.02)  # the beat that ends the pause
    assert rr[-1] == pytest.approx(0.8, abs=0.01)
    quality = assess(batch, SPEC, ChannelLimits.of((ChannelSpec(name="lead_ii"), *SPEC.derived)), 60.0)
    assert [QUALITIES[code] for code in quality] == ["no_beat" if each else "good" for each in paused]


def test_a_lead_that_was_never_attached_is_told_and_beats_are_found_once_it_is() -> None:
    flat = np.zeros(round(10 * RATE_HZ), np.float32)
    batch = cut(np.concatenate((flat, heart(STEADY, 17))))
    paused = batch.values[:, 1, 0] > 2.5
    assert paused[:7].all()
    found = r_peaks(batch)[~paused]
    for expected in 10 + STEADY[5:]:
        assert np.abs(found - expected).min() < 0.02


def test_no_interval_spans_a_gap() -> None:
    windows = made()
    windows.open_stream(0, [[0]])
    signal = heart(STEADY, 17)
    before = WindowBatch.join(fed(windows, signal[:2000]))
    after = WindowBatch.join(fed(windows, signal[2100:], first=2100))
    assert r_peaks(before).max() < 8
    first = STEADY[STEADY * RATE_HZ > 2100][0]
    np.testing.assert_allclose(r_peaks(after), STEADY[np.argmax(first < STEADY) :], atol=1.5 / RATE_HZ)
    np.testing.assert_allclose(after.values[:, 1], 0.8, atol=0.01)


@pytest.mark.parametrize("at", [300, 1200, 2222])
def test_one_that_is_restored_goes_on_as_the_other_would_have(at: int) -> None:
    signal = heart(np.append(STEADY[:6], STEADY[6:] + 3.3), 20, noise=0.05)
    first, second = made(), made()
    for windows in first, second:
        windows.open_stream(0, [[0]])
    fed(first, signal[:at])
    state: dict[str, Any] = decode_state(encode_state(first.snapshot(np.array([0]))))
    second.check(state, 1)
    second.restore(np.array([0]), state)
    same(
        WindowBatch.join(fed(second, signal[at:], first=at)),
        WindowBatch.join(fed(first, signal[at:], first=at)),
    )


def test_a_stream_number_that_is_used_again_knows_nothing_of_the_one_before() -> None:
    windows = made()
    windows.open_stream(0, [[0]])
    fed(windows, heart(STEADY + 0.2, 17, noise=0.1))
    windows.open_stream(0, [[0]])
    batch = WindowBatch.join(fed(windows, heart(STEADY, 17)))
    same(batch, cut(heart(STEADY, 17)))


def test_a_sample_rate_too_low_for_beats_is_refused() -> None:
    with pytest.raises(ValueError, match="beats cannot be found at 50 Hz: it takes 60 Hz or more"):
        StreamWindows(1, SPEC, GridRules(0.02, SPEC.length))
