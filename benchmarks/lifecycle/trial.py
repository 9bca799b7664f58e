"""One seed: a quarter that all arms play, and what came of it."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.lifecycle.arms import commission, play_frozen, play_naive
from benchmarks.lifecycle.figures import FROZEN, MATCHED, NAIVE, OURS, Seed
from benchmarks.lifecycle.loop import Loop
from benchmarks.lifecycle.models import MODEL
from benchmarks.lifecycle.motors import simulate
from benchmarks.lifecycle.plan import COMMISSIONING_DAYS, QUARTER_DAYS, Plan, has_cause, seconds_of
from benchmarks.lifecycle.scoring import matched, outcome_of
from benchmarks.lifecycle.walk import Seen


def play(seed: int, folder: Path, naive_every_weeks: int, on_stage: Callable[[str], None]) -> Seed:
    """Play a quarter. folder: an empty one. naive_every_weeks: how often naive refits."""
    began = time.monotonic()
    plan = Plan.draw(seed)
    samples = simulate(plan)
    others = folder / "naive"
    others.mkdir()
    on_stage("commissioning")
    first = commission(plan, samples, folder / MODEL)
    on_stage(FROZEN)
    played = {FROZEN: play_frozen(plan, samples, first)}
    on_stage(NAIVE)
    played[NAIVE] = play_naive(plan, samples, first, others, naive_every_weeks)
    loop = Loop(plan, samples, folder)
    played[OURS] = loop.play(on_stage)
    outcomes = {arm: outcome_of(plan, one.series, one.alerts) for arm, one in played.items()}
    factors = {}
    on_stage("moving thresholds")
    for arm in (FROZEN, NAIVE):
        one = played[arm]
        factors[arm], outcomes[arm + MATCHED] = matched(plan, one.series, one.judge, outcomes[OURS].false_alarms)
    labels = loop.person.labels
    return Seed(
        seed=seed,
        seconds=round(time.monotonic() - began, 1),
        outcomes=outcomes,
        factors=factors,
        accepted=dict(Counter(label.stream for label in loop.person.accepts)),
        faults_accepted=loop.person.faults_accepted,
        labels=dict(Counter(label.kind for label in labels)),
        refits=tuple(loop.refits),
        cumulated={arm: _cumulated(plan, one.alerts) for arm, one in played.items()},
    )


def _cumulated(plan: Plan, alerts: Sequence[Seen]) -> tuple[int, ...]:
    """False alarms until the end of each day of the quarter."""
    false = [
        alert.fired_seconds
        for alert in alerts
        if not has_cause(plan, alert.stream, np.array([alert.fired_seconds])).any()
    ]
    ends = [seconds_of(COMMISSIONING_DAYS + day) for day in range(1, QUARTER_DAYS + 1)]
    return tuple(np.searchsorted(np.sort(false), ends).tolist())
