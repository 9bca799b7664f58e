"""What alerts come to is counted by the rules: false alarms without cause, faults caught by name, faults learnt."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.lifecycle.figures import MATCHED, NAIVE, OURS, Seed, rows_of, targets_of
from benchmarks.lifecycle.plan import CHANNELS, COMMISSIONING_DAYS, DAY_SECONDS, END_SECONDS, Plan, seconds_of
from benchmarks.lifecycle.scoring import Outcome, alerts_at, matched, named, outcome_of
from benchmarks.lifecycle.walk import ScoreSeries, Seen
from monitor.core.alerting.decision_rule import DecisionSettings

PLAN = Plan.draw(11)
FAULT = PLAN.faults[2]
BROKEN = PLAN.streams[FAULT.motor]
OWN = CHANNELS.index(FAULT.kind.channel)
INTERVAL_SECONDS = 4800.0
JUDGE = DecisionSettings()
BEGIN = seconds_of(COMMISSIONING_DAYS)
HEALTHY = next(
    name
    for number, name in enumerate(PLAN.streams)
    if number != PLAN.repaired and PLAN.fault_of(name) is None and PLAN.first_day[number] == 0
)


def series(stream: str, score: float = 0.5, channel: int = 0) -> ScoreSeries:
    ends = np.arange(BEGIN, END_SECONDS, INTERVAL_SECONDS)
    return ScoreSeries(
        stream,
        CHANNELS,
        INTERVAL_SECONDS,
        ends,
        np.full(len(ends), score, np.float32),
        np.full(len(ends), channel, np.int8),
    )


def alert(stream: str, begin: float, days: float = 0.5) -> Seen:
    return Seen("", stream, begin, begin, begin + days * DAY_SECONDS)


def test_alerts_count_as_false_where_nothing_causes_them_and_time_is_judged_time() -> None:
    one = series(HEALTHY)
    one.score[: len(one.score) // 2] = np.nan  # half of the quarter was not judged
    outcome = outcome_of(PLAN, [one], [alert(HEALTHY, END_SECONDS - day * DAY_SECONDS, 1) for day in (5, 10, 15)])
    (stream,) = outcome.streams
    assert stream.days == pytest.approx(45.5, abs=0.1)
    assert (stream.false_alarms, outcome.false_alarms) == (3, 3)
    assert outcome.budget == pytest.approx(45.5 / 30, abs=0.01)
    assert outcome.firing == pytest.approx(3 / 45.5, rel=0.01)


def test_a_stream_is_beyond_chance_where_a_poisson_count_is_so_in_one_of_1000_cases() -> None:
    few = [alert(HEALTHY, BEGIN + day * DAY_SECONDS, 0.1) for day in range(10)]
    most = outcome_of(PLAN, [series(HEALTHY)], few).streams[0].most
    assert most == 10  # of 3.03 on average
    assert outcome_of(PLAN, [series(HEALTHY)], few).beyond == ()
    more = [*few, alert(HEALTHY, BEGIN + 20 * DAY_SECONDS, 0.1)]
    assert outcome_of(PLAN, [series(HEALTHY)], more).beyond == (HEALTHY,)


def test_on_a_motor_that_breaks_only_what_comes_before_the_onset_is_false() -> None:
    one = series(BROKEN)
    outcome = outcome_of(PLAN, [one], [alert(BROKEN, FAULT.onset_seconds + hours * 3600) for hours in (-24, 1, 24)])
    assert outcome.false_alarms == 1
    assert outcome.streams[0].days == pytest.approx((FAULT.onset_seconds - BEGIN) / DAY_SECONDS, abs=0.1)


@pytest.mark.parametrize(
    ("hours", "channel", "caught"), [(24, OWN, True), (24, (OWN + 1) % len(CHANNELS), False), (-24, OWN, False)]
)
def test_a_fault_is_caught_by_an_alert_that_begins_after_its_onset_and_names_its_channel(
    hours: float, channel: int, caught: bool
) -> None:
    one = series(BROKEN, 2.0, channel)
    (found,) = outcome_of(PLAN, [one], [alert(BROKEN, FAULT.onset_seconds + hours * 3600)]).faults
    assert found.caught is caught
    assert found.delay_days == (pytest.approx(1.0) if caught else None)


def test_an_alert_names_what_most_anomalous_windows_of_its_first_day_name() -> None:
    one, begin = series(HEALTHY, 0.5, 1), BEGIN + 10 * DAY_SECONDS
    first = int(np.searchsorted(one.end_seconds, begin))
    one.score[first : first + 9] = 2.0
    one.channel[first : first + 2], one.channel[first + 2 : first + 9] = 4, 3
    assert named(one, alert(HEALTHY, begin, 5), 1.0) == CHANNELS[3]
    assert named(one, alert(HEALTHY, begin, 0.1), 1.0) == CHANNELS[4]
    assert named(one, alert(HEALTHY, begin, 5), 3.0) is None


@pytest.mark.parametrize(("share", "learnt"), [(0.4, True), (0.6, False)])
def test_a_fault_is_learnt_where_most_of_the_last_week_counts_as_normal(share: float, learnt: bool) -> None:
    one = series(BROKEN, 2.0)
    late = np.flatnonzero(one.end_seconds >= END_SECONDS - 7 * DAY_SECONDS)
    one.score[late[: round((1 - share) * len(late))]] = 0.5
    (found,) = outcome_of(PLAN, [one], []).faults
    assert found.learnt is learnt


def noisy(seed: int) -> list[ScoreSeries]:
    rng = np.random.default_rng(seed)
    one = series(HEALTHY)
    score = rng.exponential(0.3, 300).astype(np.float32)
    return [replace(one, end_seconds=one.end_seconds[:300], score=score, channel=one.channel[:300])]


def test_alerts_at_another_threshold_are_those_of_the_daemons_rule() -> None:
    one = series(HEALTHY)
    one.score[[100, 101, 200]] = 3.0  # two of three windows make an alert, one makes none
    (found,) = alerts_at([one], 2.0, JUDGE)
    assert found.fired_seconds == one.end_seconds[101]
    assert found.until_seconds == one.end_seconds[104]
    assert alerts_at([one], 4.0, JUDGE) == []


@pytest.mark.parametrize("allowed", [0, 3, 10])
def test_a_moved_threshold_raises_at_most_as_many_false_alarms_and_one_a_little_lower_more(allowed: int) -> None:
    several = noisy(allowed)
    threshold, outcome = matched(PLAN, several, JUDGE, allowed)
    assert outcome.false_alarms <= allowed
    lower = outcome_of(PLAN, several, alerts_at(several, threshold * 0.999, JUDGE), threshold * 0.999)
    assert lower.false_alarms > allowed


def outcome(false_alarms: int, *, caught: bool = True) -> Outcome:
    one = series(BROKEN, 2.0, OWN)
    alerts = [alert(BROKEN, FAULT.onset_seconds + 86400)] if caught else []
    alerts += [alert(BROKEN, FAULT.onset_seconds - 86400 * (2 + number)) for number in range(false_alarms)]
    return outcome_of(PLAN, [one], alerts)


def seed(ours: Outcome, naive: Outcome, accepted: dict[str, int]) -> Seed:
    outcomes = {"frozen": ours, NAIVE: naive, OURS: ours, NAIVE + MATCHED: naive}
    return Seed(1000, 1.0, outcomes, {}, accepted, 0, {}, (), {})


def test_rows_put_seeds_together_and_tell_the_worst() -> None:
    seeds = [seed(outcome(count), outcome(0, caught=False), {}) for count in (0, 4)]
    ours = next(row for row in rows_of(seeds) if row.arm == OURS)
    naive = next(row for row in rows_of(seeds) if row.arm == NAIVE)
    assert (ours.false_alarms, ours.caught, ours.faults) == (4, 2, 2)
    assert ours.ratios == pytest.approx((0.0, 4 / outcome(0).budget))
    assert (naive.caught, naive.missed) == (0, {FAULT.kind.name: 2})
    assert ours.delays_days == pytest.approx((1, 1, 1))


@pytest.mark.parametrize(
    ("ours", "accepted", "missed"),
    [
        (outcome(1), {"motor-01": 1}, {"naive: faults learnt"}),
        (outcome(9), {}, {"ours: false alarms of the fleet, worst seed", "ours: streams with more than chance allows"}),
        (outcome(0, caught=False), {}, {"ours: faults caught"}),
        (outcome(0), {"motor-01": 2}, {"person: most accepts of a motor"}),
    ],
)
def test_each_target_can_be_missed(ours: Outcome, accepted: dict[str, int], missed: set[str]) -> None:
    learnt = replace(ours, faults=tuple(replace(fault, anomalous=0.0) for fault in ours.faults))
    naive = ours if "naive: faults learnt" in missed else learnt
    found = {target.name for target in targets_of([seed(ours, naive, accepted)]) if not target.met}
    assert found == missed
