"""The arms that need no loop: the first model for ever, and a weekly `fit` of everything, promoted whatever it is."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.lifecycle.models import fit_settings, fit_to, recordings_of
from benchmarks.lifecycle.motors import Samples
from benchmarks.lifecycle.plan import COMMISSIONING_DAYS, END_SECONDS, QUARTER_DAYS, WEEK_DAYS, Plan, seconds_of
from benchmarks.lifecycle.walk import MAX_BATCH, ScoreSeries, Seen, Walk
from monitor.adapters.engines.loader import Artifact, load_artifact
from monitor.core.alerting.decision_rule import DecisionSettings
from trainer.artifact.folder import publish
from trainer.refit.anchor import anchor_first_fit


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
    """Fit the first model of all arms, as `residuald-trainer fit` does: it comes into use and is the anchor."""
    end = seconds_of(COMMISSIONING_DAYS)
    files = recordings_of(samples.between(seconds_of(0), end), plan.streams)
    settings = fit_settings(plan.seed)
    fitted = fit_to(files, settings, end)
    anchor_first_fit(folder, fitted.manifest, files, settings)
    publish(folder, fitted.manifest.version, fitted.artifact, "")
    return load_artifact(folder, max_batch=MAX_BATCH)


def play_frozen(plan: Plan, samples: Samples, first: Artifact) -> Played:
    """The first model, all the time."""
    walk = Walk.start(first, plan.streams)
    walk.feed(samples.between(seconds_of(COMMISSIONING_DAYS), END_SECONDS))
    return Played.of(walk)


def play_naive(plan: Plan, samples: Samples, first: Artifact, folder: Path, every_weeks: int) -> Played:
    """Fit to everything since the beginning, every so many weeks, and use what comes out.

    folder: an empty one, for its artifacts.
    """
    walk = Walk.start(first, plan.streams)
    end = COMMISSIONING_DAYS + QUARTER_DAYS
    for day in range(COMMISSIONING_DAYS, end, every_weeks * WEEK_DAYS):
        if day > COMMISSIONING_DAYS:
            everything = recordings_of(samples.between(seconds_of(0), seconds_of(day)), plan.streams)
            fitted = fit_to(everything, fit_settings(plan.seed), seconds_of(day))
            path = folder / f"{fitted.manifest.version}.pt"
            path.write_bytes(fitted.artifact)
            walk.adopt(load_artifact(path, max_batch=MAX_BATCH))
        walk.feed(samples.between(seconds_of(day), seconds_of(min(day + every_weeks * WEEK_DAYS, end))))
    return Played.of(walk)
