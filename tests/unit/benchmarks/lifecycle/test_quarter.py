"""The simulated quarter is what its rules say, and a seed decides all of it."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.lifecycle.motors import simulate
from benchmarks.lifecycle.plan import (
    CHANNELS,
    COMMISSIONING_DAYS,
    DAY_SECONDS,
    END_SECONDS,
    FAULTS,
    MOTORS,
    Plan,
    has_cause,
    seconds_of,
)


@pytest.mark.parametrize("seed", range(8))
def test_a_quarter_holds_what_the_rules_promise(seed: int) -> None:
    plan = Plan.draw(seed)
    broken = {fault.motor for fault in plan.faults}
    assert len(plan.streams) == MOTORS
    assert [fault.kind for fault in plan.faults] == list(FAULTS)
    assert len(broken | {plan.repaired}) == len(FAULTS) + 1
    assert all((plan.ageing[fault.motor] > 0) == fault.kind.ages for fault in plan.faults)
    assert sum(growth > 0 for growth in plan.ageing) == 12
    assert sum(day > COMMISSIONING_DAYS for day in plan.first_day) == 2
    assert all(plan.first_day[motor] == 0 for motor in broken | {plan.repaired})
    assert all(fault.grown_seconds <= END_SECONDS - 7 * DAY_SECONDS for fault in plan.faults)


def test_the_same_seed_gives_the_same_samples_and_another_one_others() -> None:
    one, same, other = (simulate(Plan.draw(seed, motors=12)).values for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other, equal_nan=True)


def test_new_devices_begin_within_the_quarter_and_the_others_at_once() -> None:
    plan = Plan.draw(3, motors=12)
    samples = simulate(plan)
    begins = samples.time_seconds[np.isfinite(samples.values).all(axis=2).argmax(axis=1)]
    expected = [seconds_of(day) for day in plan.first_day]
    np.testing.assert_allclose(begins, expected, atol=600)


def test_each_fault_shows_in_its_channel_and_changes_nothing_before_its_onset() -> None:
    plan = Plan.draw(5, motors=12)
    broken, healthy = simulate(plan), simulate(replace(plan, faults=()))
    for fault in plan.faults:
        usual = healthy.values[fault.motor]
        difference = abs(broken.values[fault.motor] - usual)
        assert not difference[healthy.time_seconds < fault.onset_seconds].any()
        moved = difference[healthy.time_seconds > fault.grown_seconds].mean(axis=0) / usual.std(axis=0)
        assert CHANNELS[int(moved.argmax())] == fault.kind.channel
        assert moved.max() > 0.5


def test_alerts_have_a_cause_from_a_fault_on_and_for_eight_days_after_the_repair() -> None:
    plan = Plan.draw(7)
    fault, (begin, end) = plan.faults[0], plan.repair
    stream, repaired = plan.streams[fault.motor], plan.streams[plan.repaired]
    moments = np.array([fault.onset_seconds - 1, fault.onset_seconds, END_SECONDS])
    assert has_cause(plan, stream, moments).tolist() == [False, True, True]
    moments = np.array([begin - 1, begin, end + 8 * DAY_SECONDS - 1, end + 8 * DAY_SECONDS])
    assert has_cause(plan, repaired, moments).tolist() == [False, True, True, False]
