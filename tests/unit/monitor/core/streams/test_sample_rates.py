"""Sampling rates are measured by what arrives: no healthy stream is wrong, a wrong one is found in the time stated."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from monitor.core.streams.sample_rates import (
    ARRIVAL_TOLERANCES,
    RATE_TOLERANCE,
    RateVerdict,
    SampleRates,
    is_other_rate,
)
from monitor.core.streams.unmeasured_blocks import ArrivedBlocks
from monitor.core.values.channel_groups import ChannelGroups
from monitor.core.values.snapshots import decode_state, encode_state
from monitor.core.windows.stream_windows import StreamBlocks

START = 1_790_000_000.0
FOUND_IN_BLOCKS, FOUND_IN_SECONDS = 200, 60.0  # as docs/reliability.md states
BY_ARRIVAL_IN_BLOCKS, BY_ARRIVAL_IN_SECONDS = 50, 360.0

periods = st.sampled_from([0.0001, 0.001, 0.01, 1.0, 60.0])
lengths = st.sampled_from([1, 10, 1000])
seeds = st.integers(0, 2**32 - 1)


def rates_of(period: float = 1.0, streams: int = 1) -> SampleRates:
    rates = SampleRates(ChannelGroups(1), period, 60.0)
    for stream in range(streams):
        rates.open_stream(stream)
    return rates


def blocks(times: NDArray[Any], length: int, arrivals: NDArray[Any] | None = None, stream: int = 0) -> StreamBlocks:
    """Blocks of one stream; timed unless there are only arrivals."""
    timed = arrivals is None
    came = times if arrivals is None else arrivals
    ones = np.ones(len(came), np.int64)
    group = stream * ones
    return StreamBlocks(group, group[:, None], times, length * ones, came + timed, timed, np.zeros((0, 1), np.float32))


def parts(whole: StreamBlocks, size: int) -> list[StreamBlocks]:
    def cut(at: int) -> StreamBlocks:
        rows = slice(at, at + size)
        return replace(
            whole,
            channel_group=whole.channel_group[rows],
            columns=whole.columns[rows],
            first_time_seconds=whole.first_time_seconds[rows],
            length=whole.length[rows],
            arrival_seconds=whole.arrival_seconds[rows],
        )

    return [cut(at) for at in range(0, len(whole.length), size)]


def observed(rates: SampleRates, whole: StreamBlocks, size: int = 64) -> list[RateVerdict]:
    return [
        verdict
        for part in parts(whole, size)
        for verdict in rates.observe(ArrivedBlocks.of(part, rates.period_seconds))
    ]


def stamps(
    generator: np.random.Generator, ratio: float, count: int, interval: float, jitter: float = 0.1
) -> NDArray[Any]:
    """Time stamps of blocks that take `interval` seconds by the model, and `ratio` times that in truth."""
    return START + (np.arange(count) * ratio + jitter * generator.uniform(-1, 1, count)) * interval


@given(seeds, periods, lengths, st.floats(0, 0.4), st.floats(0, 0.1))
@settings(max_examples=60, deadline=None)
def test_jitter_and_lost_messages_make_no_rate_wrong(
    seed: int, period: float, length: int, lost: float, jitter: float
) -> None:
    generator = np.random.default_rng(seed)
    times = stamps(generator, 1.0, 800, length * period, jitter)
    assert observed(rates_of(period), blocks(times[generator.random(800) >= lost], length)) == []


@given(seeds, st.integers(1, 300), st.floats(-3600, 3600))
@settings(max_examples=60, deadline=None)
def test_a_clock_that_is_corrected_and_a_gap_make_no_rate_wrong(seed: int, at: int, step: float) -> None:
    times = stamps(np.random.default_rng(seed), 1.0, 600, 1.0)
    times[at:] += step
    assert observed(rates_of(), blocks(times, 1)) == []


@given(seeds, st.integers(1, 60), st.integers(0, 400))
@settings(max_examples=60, deadline=None)
def test_what_is_delivered_again_or_out_of_order_makes_no_rate_wrong(seed: int, again: int, at: int) -> None:
    generator = np.random.default_rng(seed)
    times = stamps(generator, 1.0, 600, 1.0)
    twice = np.repeat(times, 2)
    redelivered = np.concatenate((times[:at], times[max(0, at - again) : at], times[at:]))
    interleaved = np.insert(times[again:], np.arange(len(times) - again), times[:-again])
    swapped = times.copy()
    swapped[0:-1:10], swapped[1::10] = times[1::10], times[0:-1:10]
    for sent in (twice, redelivered, interleaved, swapped):
        assert observed(rates_of(), blocks(sent, 1)) == []


@given(seeds, st.sampled_from([0.01, 1.0, 60.0]), lengths, st.floats(0, 0.5))
@settings(max_examples=40, deadline=None)
def test_arrivals_late_by_chance_make_no_rate_wrong(
    seed: int, period: float, length: int, delay_seconds: float
) -> None:
    generator = np.random.default_rng(seed)
    interval = period * length
    count = min(2000, max(400, round(900 / interval)))
    sent = START + np.arange(count) * interval
    arrivals = np.maximum.accumulate(sent + generator.uniform(0, delay_seconds, count))
    assert observed(rates_of(period), blocks(np.full(count, np.nan), length, arrivals)) == []


@given(st.integers(20, 1200), st.integers(10, 300), st.booleans())
@settings(max_examples=60, deadline=None)
def test_an_outage_makes_no_rate_wrong_whether_its_messages_come_at_once_or_never(
    at: int, missing: int, comes: bool
) -> None:
    arrivals = START + np.arange(1500.0)
    if comes:
        arrivals[at : at + missing] = arrivals[at + missing]
    else:
        arrivals = np.delete(arrivals, slice(at, at + missing))
    assert observed(rates_of(), blocks(np.full(len(arrivals), np.nan), 1, arrivals)) == []


@pytest.mark.parametrize("every", [60, 300])
def test_a_device_that_sends_a_bundle_of_messages_at_a_time_has_the_rate_of_its_samples(every: int) -> None:
    arrivals = START + np.floor(np.arange(3000) / every) * every
    rates = rates_of()
    assert observed(rates, blocks(np.full(3000, np.nan), 1, arrivals)) == []
    assert float(rates.ratios(np.array([0]))[0]) == pytest.approx(1.0, abs=0.05)


wrong_ratios = st.one_of(st.floats(0.1, 1 - 2 * RATE_TOLERANCE), st.floats(1 + 2 * RATE_TOLERANCE, 4.0))


@given(seeds, wrong_ratios, periods, lengths)
@settings(max_examples=150, deadline=None)
def test_a_rate_off_by_twice_the_tolerance_is_found_in_the_time_stated(
    seed: int, ratio: float, period: float, length: int
) -> None:
    interval = period * length
    assume(interval >= 0.01)
    count = max(FOUND_IN_BLOCKS, round(FOUND_IN_SECONDS / (ratio * interval)))
    times = stamps(np.random.default_rng(seed), ratio, count, interval)
    rates = rates_of(period)
    found = observed(rates, blocks(times, length), 512)
    assert found
    assert found[-1].wrong
    assert rates.wrong(np.array([0]), np.array([times[-1] + 2]))[0]
    # where a part of the intervals look lost or doubled, the estimate is coarse
    if 0.7 < ratio < 1.35 or ratio > 1.65:
        assert found[-1].ratio == pytest.approx(ratio, rel=0.1)


@given(st.sampled_from([0.25, 0.5, 0.8, 1.2, 1.5, 1.7, 3.0]), seeds)
@settings(max_examples=30, deadline=None)
def test_by_arrivals_a_rate_off_by_twice_their_tolerance_is_found_in_the_time_stated(ratio: float, seed: int) -> None:
    assert is_other_rate(ratio, ARRIVAL_TOLERANCES * RATE_TOLERANCE)
    count = max(BY_ARRIVAL_IN_BLOCKS, round(BY_ARRIVAL_IN_SECONDS / ratio))
    arrivals = START + np.arange(count) * ratio + np.random.default_rng(seed).uniform(0, 0.2, count)
    found = observed(rates_of(), blocks(np.full(count, np.nan), 1, arrivals))
    assert [verdict.wrong for verdict in found] == [True]


@pytest.mark.parametrize("ratio", [0.25, 0.5, 1.5, 1.7, 2.0])
def test_a_rate_that_is_far_off_is_found_after_nine_messages_and_holds_from_the_first(ratio: float) -> None:
    rates = rates_of()
    (verdict,) = observed(rates, blocks(START + np.arange(9.0) * ratio, 1))
    assert verdict.wrong
    assert verdict.ratio == pytest.approx(ratio)
    assert rates.wrong(np.array([0]), np.array([START]))[0]


def test_a_rate_that_changes_is_wrong_from_then_on_and_right_when_it_is_mended() -> None:
    rates = rates_of()
    times = START + np.cumsum(np.repeat([1.0, 1.5, 1.0], [500, 500, 500]))
    found = observed(rates, blocks(times, 1))
    assert [verdict.wrong for verdict in found] == [True, False]
    assert not rates.wrong(np.array([0]), times[[-1]]).any()


def test_windows_from_before_a_rate_changed_are_not_withheld() -> None:
    rates = rates_of()
    times = START + np.cumsum(np.repeat([1.0, 1.5], [500, 200]))
    observed(rates, blocks(times, 1))
    wrong = rates.wrong(np.zeros(2, np.int64), times[[499, -1]])
    assert wrong.tolist() == [False, True]


@given(seeds, st.sampled_from([1.0, 1.04, 0.5]), st.integers(1, 200), st.booleans())
@settings(max_examples=60, deadline=None)
def test_verdicts_do_not_depend_on_how_messages_are_cut_into_steps(
    seed: int, ratio: float, size: int, timed: bool
) -> None:
    generator = np.random.default_rng(seed)
    times = stamps(generator, ratio, 700, 1.0)
    times = times[generator.integers(0, 700, 900) if seed % 2 else slice(None)]
    whole = blocks(times, 1) if timed else blocks(times, 1, np.sort(times))
    at_once, in_parts = rates_of(), rates_of()
    assert observed(at_once, whole, 10_000) == observed(in_parts, whole, size)
    ends = np.arange(START, START + 1000, 7.0)
    who = np.zeros(len(ends), np.int64)
    assert (at_once.wrong(who, ends) == in_parts.wrong(who, ends)).all()


@given(seeds, st.integers(1, 600))
@settings(max_examples=30, deadline=None)
def test_measuring_goes_on_from_a_state(seed: int, at: int) -> None:
    times = stamps(np.random.default_rng(seed), 1.04, 700, 1.0)
    whole, before, after = rates_of(), rates_of(), rates_of()
    observed(whole, blocks(times, 1))
    observed(before, blocks(times[:at], 1))
    state = decode_state(encode_state(before.snapshot(np.array([0]))))
    after.check(state, 1)
    after.restore(np.array([0]), state)
    observed(after, blocks(times[at:], 1))
    assert after.ratios(np.array([0]))[0] == pytest.approx(whole.ratios(np.array([0]))[0])
    assert after.wrong(np.array([0]), times[[-1]]) == whole.wrong(np.array([0]), times[[-1]])


def test_many_streams_are_measured_at_once_as_each_would_be() -> None:
    rates, count = rates_of(streams=40), 300
    ratios = np.where(np.arange(40) % 3 == 0, 1.3, 1.0)
    times: NDArray[Any] = START + np.arange(count)[:, None] * ratios
    group = np.tile(np.arange(40), count)
    ones = np.ones(len(group), np.int64)
    whole = StreamBlocks(group, group[:, None], times.ravel(), ones, times.ravel(), True, np.zeros((0, 1), np.float32))
    found = observed(rates, whole, 1000)
    assert sorted(verdict.channel_group for verdict in found) == list(range(0, 40, 3))
    assert rates.ratios(np.arange(40)) == pytest.approx(ratios)


def test_a_stream_number_that_is_given_to_another_stream_starts_anew() -> None:
    rates = rates_of()
    observed(rates, blocks(START + np.arange(100) * 1.5, 1))
    rates.open_stream(0)
    assert np.isnan(rates.ratios(np.array([0]))).all()
    assert not rates.wrong(np.array([0]), np.array([START + 1000])).any()


def test_measuring_goes_on_from_a_period_that_is_known() -> None:
    rates = rates_of()
    rates.put(0, 1.05)
    assert rates.wrong(np.array([0]), np.array([START]))[0]
    assert observed(rates, blocks(START + np.arange(50) * 1.05, 1)) == []
    found = observed(rates, blocks(START + 60 + np.arange(300.0), 1))
    assert [verdict.wrong for verdict in found] == [False]


def test_a_block_far_ahead_of_its_arrival_is_not_counted() -> None:
    rates = rates_of()
    times = START + np.arange(200.0)
    whole = blocks(times, 1)
    whole.first_time_seconds[50] += 3600
    assert observed(rates, whole) == []
    assert rates.ratios(np.array([0]))[0] == pytest.approx(1.0)
