"""The arms that need no loop: the first model for ever, and a weekly `fit` of everything, promoted whatever it is."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.lifecycle.models import fit_settings, fit_to, load, recordings_of
from benchmarks.lifecycle.motors import Samples
from benchmarks.lifecycle.plan import COMMISSIONING_DAYS, QUARTER_DAYS, WEEK_DAYS, Plan, seconds_of
from benchmarks.lifecycle.walk import ScoreSeries, Seen, Walk
from monitor.adapters.engines.loader import Artifact
from monitor.core.alerting.decision_rule import DecisionSettings


@dataclass(frozen=True, slots=True)
class Played:
    """What an arm said of a quarter. judge: by which windows become alerts."""

    series: list[ScoreSeries]
    alerts: list[Seen]
    judge: DecisionSettings

    @classmethod
    def of(cls, walk: Walk) -> "Played":
        """What was said in a walk."""
        return cls(walk.series(), walk.alerts, walk.model_group.decision.settings)


def commission(plan: Plan, samples: Samples, folder: Path) -> Artifact:
    """Fit the first model of all arms."""
    end = seconds_of(COMMISSIONING_DAYS)
    files = recordings_of(samples.between(seconds_of(0), end), plan.streams)
    return load(fit_to(files, fit_settings(plan.seed), end), folder)


def play_frozen(plan: Plan, samples: Samples, first: Artifact) -> Played:
    """The first model, all the time."""
    walk = Walk.start(first, plan.streams)
    walk.feed(samples.between(seconds_of(COMMISSIONING_DAYS), seconds_of(COMMISSIONING_DAYS + QUARTER_DAYS)))
    return Played.of(walk)


def play_naive(plan: Plan, samples: Samples, first: Artifact, folder: Path, every_weeks: int) -> Played:
    """Fit to everything since the beginning, every so many weeks, and use what comes out."""
    walk = Walk.start(first, plan.streams)
    end = COMMISSIONING_DAYS + QUARTER_DAYS
    for day in range(COMMISSIONING_DAYS, end, every_weeks * WEEK_DAYS):
        if day > COMMISSIONING_DAYS:
            everything = recordings_of(samples.between(seconds_of(0), seconds_of(day)), plan.streams)
            walk.adopt(load(fit_to(everything, fit_settings(plan.seed), seconds_of(day)), folder))
        walk.feed(samples.between(seconds_of(day), seconds_of(min(day + every_weeks * WEEK_DAYS, end))))
    return Played.of(walk)
