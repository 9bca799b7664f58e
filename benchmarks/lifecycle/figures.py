"""What seeds come to together: a row for each arm, with its spread, and the targets."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.common.targets import Target
from benchmarks.lifecycle.scoring import FLEET_FACTOR, Outcome

FROZEN, NAIVE, OURS = "frozen", "naive", "ours"
MATCHED = " at equal false alarms"


@dataclass(frozen=True, slots=True)
class RefitMade:
    """What one refit of ours came to: `promoted`, `waits` or `nothing`, why, and how many streams it left out."""

    day: float
    came_to: str
    why: str
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seed:
    """A quarter, played by all arms.

    outcomes: by arm, also of frozen and naive with their thresholds moved by the `factors` until as many false alarms
    come as of ours. accepted: how often the person accepted each stream; faults_accepted: how often while a fault grew
    in it. labels: by kind. cumulated: by arm, false alarms until the end of each day of the quarter.
    """

    seed: int
    seconds: float
    outcomes: dict[str, Outcome]
    factors: dict[str, float]
    accepted: dict[str, int]
    faults_accepted: int
    labels: dict[str, int]
    refits: tuple[RefitMade, ...]
    cumulated: dict[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Row:
    """One arm over all seeds. Pairs are the least and the largest of a seed.

    ratio: false alarms over those asked for. beyond: streams with more than chance allows, of `streams`. delays_days:
    of the faults that were caught, 10th, 50th and 90th percentile.
    """

    arm: str
    seeds: int
    false_alarms: int
    asked: float
    ratios: tuple[float, float]
    beyond: int
    streams: int
    firing: float
    firing_most: float
    caught: int
    learnt: int
    faults: int
    delays_days: tuple[float, float, float]
    missed: dict[str, int]
    learnt_kinds: dict[str, int]

    @property
    def ratio(self) -> float:
        """False alarms over those asked for, of all seeds together."""
        return self.false_alarms / self.asked


def rows_of(seeds: Sequence[Seed]) -> list[Row]:
    """A row for each arm, in the order of the first seed's."""
    return [_row(arm, [seed.outcomes[arm] for seed in seeds]) for arm in seeds[0].outcomes]


def _row(arm: str, outcomes: Sequence[Outcome]) -> Row:
    ratios = [one.false_alarms / one.budget for one in outcomes]
    faults = [fault for one in outcomes for fault in one.faults]
    delays = [fault.delay_days for fault in faults if fault.delay_days is not None]
    low, middle, high = np.quantile(delays, (0.1, 0.5, 0.9)).tolist() if delays else (0.0, 0.0, 0.0)
    return Row(
        arm=arm,
        seeds=len(outcomes),
        false_alarms=sum(one.false_alarms for one in outcomes),
        asked=sum(one.budget for one in outcomes),
        ratios=(min(ratios), max(ratios)),
        beyond=sum(len(one.beyond) for one in outcomes),
        streams=sum(len(one.streams) for one in outcomes),
        firing=float(np.mean([one.firing for one in outcomes])),
        firing_most=max(one.firing for one in outcomes),
        caught=sum(fault.caught for fault in faults),
        learnt=sum(fault.learnt for fault in faults),
        faults=len(faults),
        delays_days=(low, middle, high),
        missed=dict(Counter(fault.kind for fault in faults if not fault.caught)),
        learnt_kinds=dict(Counter(fault.kind for fault in faults if fault.learnt)),
    )


def targets_of(seeds: Sequence[Seed]) -> list[Target]:
    """What is aimed at, of ours; and that there is something to lose."""
    rows = {row.arm: row for row in rows_of(seeds)}
    ours = rows[OURS]
    accepts = max((count for seed in seeds for count in seed.accepted.values()), default=0)
    return [
        Target.at_most("ours: false alarms of the fleet, worst seed", FLEET_FACTOR, ours.ratios[1], "seen / asked"),
        Target.at_most("ours: streams with more than chance allows", 0, ours.beyond, f"of {ours.streams}"),
        Target.at_least("ours: faults caught", ours.faults, ours.caught, f"of {ours.faults}"),
        Target.at_most("ours: faults learnt", 0, ours.learnt, f"of {ours.faults}"),
        Target.at_most("person: faults accepted", 0, sum(seed.faults_accepted for seed in seeds), "faults"),
        Target.at_most("person: most accepts of a motor", 1, accepts, "in the quarter"),
        Target.at_least("naive: faults learnt", 1, rows[NAIVE].learnt, f"of {ours.faults}"),
    ]
