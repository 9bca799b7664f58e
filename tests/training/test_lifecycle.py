"""The lifecycle benchmark walks as the daemon does; its plant keeps, labels, refits and promotes by delivered code."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.lifecycle.arms import commission, play_frozen, watch_commissioning
from benchmarks.lifecycle.models import MODEL
from benchmarks.lifecycle.motors import Samples, simulate
from benchmarks.lifecycle.plan import COMMISSIONING_DAYS, DAY_SECONDS, Plan, seconds_of
from benchmarks.lifecycle.plant import Plant
from benchmarks.lifecycle.scoring import alerts_at
from monitor.adapters.engines.loader import Artifact
from monitor.core.history.label import Label
from monitor.readers.history import History

PLAN = Plan.draw(1, motors=12)


@pytest.fixture(scope="module")
def samples() -> Samples:
    return simulate(PLAN)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lifecycle")


@pytest.fixture(scope="module")
def first(samples: Samples, folder: Path) -> Artifact:
    return commission(PLAN, samples, folder / MODEL)


def test_alerts_computed_from_scores_are_those_that_the_walk_raised(samples: Samples, first: Artifact) -> None:
    played = play_frozen(PLAN, samples, first)
    walked = [(alert.stream, alert.fired_seconds, alert.until_seconds) for alert in played.alerts]
    computed = [
        (alert.stream, alert.fired_seconds, alert.until_seconds)
        for alert in alerts_at(played.series, 1.0, played.judge)
    ]
    assert len(walked) > len(PLAN.faults)
    # an alert that was open when commissioning ended fires in no window of the quarter
    assert set(walked) <= set(computed)
    assert len(computed) <= len(walked) + 2


def test_a_plant_remembers_what_it_scored_and_uses_a_refit_that_its_gate_lets_through(
    samples: Samples, folder: Path, first: Artifact
) -> None:
    plant = Plant(folder, PLAN.streams)
    try:
        watch_commissioning(plant.walk, samples)
        plant.remember()
        begin, end = (seconds_of(COMMISSIONING_DAYS + day) for day in (0, 14))
        plant.walk.feed(samples.between(begin, end))
        plant.label([Label("motor-01", begin, begin + DAY_SECONDS, "bad", "operator", end, "command")])
        made = plant.refit(end)
        with History.open(plant.history) as history:
            kept = {summary.name: summary.seconds for summary in history.streams(MODEL)}
            assert [label.kind for label in history.labels()] == ["bad"]
    finally:
        plant.close()
    assert sorted(kept) == sorted(PLAN.streams[:10])  # the others are new, and begin later
    assert min(kept.values()) == pytest.approx(14 * DAY_SECONDS, rel=0.02)
    judgement = made.outcome.judgement
    assert judgement is not None
    assert made.promoted == judgement.verdict.holds == (plant.in_use.manifest.version != first.manifest.version)
    assert any(piece.reason == "bad" for share in judgement.refitted.shares.shares for piece in share.excluded)
    assert np.isfinite(plant.mean_score("motor-02", begin, end))
