"""The arms that need no loop: the first model for ever, and a weekly `fit` of everything, promoted whatever it is."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.lifecycle.models import fit_settings, fit_to, recordings_of
from benchmarks.lifecycle.motors import Samples
from benchmarks.lifecycle.plan import COMMISSIONING_DAYS, END_SECONDS, QUARTER_DAYS, WEEK_DAYS, Plan, seconds_of
from benchmarks.lifecycle.walk import MAX_BATCH, ScoreSeries, Seen, Walk
from monitor.adapters.artifacts.champion import put_into_use
from monitor.adapters.engines.loader import Artifact, load_artifact
from monitor.core.alerting.decision_rule import DecisionSettings
from trainer.artifact.folder import publish
from trainer.data.cutting import DataFile
from trainer.refit.anchor import anchor_first_fit
from trainer.settings import FitSettings


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
    """Fit the first model of all arms into a model's folder. Returns it as a daemon loads it."""
    end = seconds_of(COMMISSIONING_DAYS)
    files = recordings_of(samples.between(seconds_of(0), end), plan.streams)
    publish_first(folder, files, fit_settings(plan.seed), end)
    return load_artifact(folder, max_batch=MAX_BATCH)


def publish_first(folder: Path, files: list[DataFile], settings: FitSettings, now_seconds: float) -> None:
    """What `residuald-trainer fit` does with a new folder: its model comes into use and is the anchor."""
    fitted = fit_to(files, settings, now_seconds)
    version = fitted.manifest.version
    anchor_first_fit(folder, fitted.manifest, files, settings)
    publish(folder, version, fitted.artifact, "")
    # `publish` reads this machine's clock, and nothing is promoted that was made before what is in use came into use
    put_into_use(folder, version, datetime.fromtimestamp(now_seconds, UTC), "fit", "first")


def watch_commissioning(walk: Walk, samples: Samples) -> None:
    """Let streams learn what is usual for them by what the first model was fitted to; what is said of it is left."""
    walk.feed(samples.between(seconds_of(0), seconds_of(COMMISSIONING_DAYS)))
    walk.forget()


def play_frozen(plan: Plan, samples: Samples, first: Artifact) -> Played:
    """The first model, all the time."""
    walk = Walk.start(first, plan.streams)
    watch_commissioning(walk, samples)
    walk.feed(samples.between(seconds_of(COMMISSIONING_DAYS), END_SECONDS))
    return Played.of(walk)


def play_naive(plan: Plan, samples: Samples, first: Artifact, folder: Path, every_weeks: int) -> Played:
    """Fit to everything since the beginning, every so many weeks, and use what comes out.

    folder: an empty one, for its artifacts.
    """
    walk = Walk.start(first, plan.streams)
    watch_commissioning(walk, samples)
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
