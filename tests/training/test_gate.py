"""What the gate makes of refits of a small fleet: a season passes, a fault that was learnt does not."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from monitor.config.refit_bounds import RefitBounds
from monitor.core.artifact.array import Array
from monitor.core.artifact.stream_normals import StreamNormals
from monitor.core.history.label import Label
from tests.motor_fleet import PER_DAY, fleet_settings, motor
from trainer.artifact.export import Artifact, load_artifact
from trainer.artifact.folder import publish
from trainer.data.cutting import DataFile, FileWindows
from trainer.data.gathering import gather
from trainer.fitting.fit import fit
from trainer.refit.anchor import Anchor, anchor_first_fit, cut_for
from trainer.refit.beyond_anchor import beyond_anchor, budget_per_day
from trainer.refit.gate import ConfirmedFault, Verdict, judge
from trainer.refit.movement import newest_levels
from trainer.refit.stream_judge import warmed_up

MOTORS = 6
SETTINGS = fleet_settings()
HELD_OUT = 0.75  # from this part on of a recording


def fitted(files: list[DataFile], month: int) -> Artifact:
    result = fit(gather(files, SETTINGS), SETTINGS, "fleet", datetime(2026, month, 1, tzinfo=UTC), lambda *_: None)
    return load_artifact("fitted", result.artifact)


@pytest.fixture(scope="module")
def anchor(tmp_path_factory: pytest.TempPathFactory) -> Anchor:
    """Three weeks of six motors."""
    folder = tmp_path_factory.mktemp("gate") / "fleet"
    files = [motor(number, 0, 21) for number in range(MOTORS)]
    result = fit(gather(files, SETTINGS), SETTINGS, "fleet", datetime(2026, 1, 1, tzinfo=UTC), lambda *_: None)
    anchor_first_fit(folder, result.manifest, files, SETTINGS)
    publish(folder, result.manifest.version, result.artifact, "")
    return Anchor.load(folder)


def fleet(first_day: float = 60, days: float = 28, motors: int = MOTORS, **changes: dict[str, Any]) -> list[DataFile]:
    """Recordings of all motors, warmer by a season; changes: of single ones, as `motor_2 = {"wear": 1}`."""
    return [
        motor(number, first_day, days, season_kelvin=5.0, **changes.get(f"motor_{number}", {}))
        for number in range(motors)
    ]


def refit(files: Sequence[DataFile]) -> Artifact:
    """A model of these recordings that brings centre and scale of each stream, as refits do."""
    artifact = fitted(list(files), 3)
    manifest = artifact.manifest
    learnt = {}
    for file in files:
        piece = cut_for(manifest, file)
        changed = {"warmup_windows": len(piece), "trained": None}
        whole = manifest.normalization.model_copy(update=changed)
        learnt[file.name] = warmed_up(manifest.model_copy(update={"normalization": whole}), piece)
    each = [found for found in learnt.values() if found is not None]
    normals = StreamNormals(
        names=tuple(learnt),
        until_seconds=tuple(0.0 for _ in learnt),
        centre=Array.of(np.array([one.centre for one in each])),
        scale=Array.of(np.array([one.scale for one in each])),
    )
    normalization = manifest.normalization.model_copy(update={"of_streams": normals})
    return replace(artifact, manifest=manifest.model_copy(update={"normalization": normalization}))


def verdict(
    anchor: Anchor,
    files: Sequence[DataFile],
    candidate: Artifact,
    faults: Sequence[ConfirmedFault] = (),
    accepted: Collection[str] = (),
    **bounds: Any,
) -> Verdict:
    pieces = [cut_for(candidate.manifest, file) for file in files]
    held_out = [piece.rows(np.arange(len(piece)) >= HELD_OUT * len(piece)) for piece in pieces]
    anchors = anchor.judges(pieces)
    levels = {file.name: newest_levels(piece) for file, piece in zip(files, held_out, strict=True)}
    now = {stream: level for stream, level in levels.items() if level is not None}
    moved = anchor.moved(now, RefitBounds(**bounds))
    return judge(candidate, anchor.artifact, anchor, anchors, held_out, faults, moved, accepted)


def refused(found: Verdict) -> set[str]:
    return {check.name for check in found.checks if not check.holds}


@pytest.fixture(scope="module")
def season(anchor: Anchor) -> tuple[list[DataFile], Artifact]:
    files = fleet()
    return files, refit(files)


def test_a_refit_that_learnt_a_season_holds_and_tells_what_moved(
    anchor: Anchor, season: tuple[list[DataFile], Artifact]
) -> None:
    found = verdict(anchor, *season)
    assert found.holds, [check.text for check in found.checks]
    assert found.movement.shared["bearing"] > 1.5
    assert found.unseen == ()
    assert len({check.name for check in found.checks}) == len(found.checks) == 9


@pytest.mark.parametrize(("what", "channel"), [({"wear": 0.6}, "vibration"), ({"friction_kelvin": 6.0}, "bearing")])
def test_a_refit_that_learnt_a_growing_fault_is_refused(anchor: Anchor, what: dict[str, float], channel: str) -> None:
    files = fleet(motor_2=what)
    found = verdict(anchor, files, refit(files))
    assert "moved" in refused(found)
    assert found.movement.beyond == {"motor-2"}
    furthest = found.movement.furthest
    assert furthest is not None
    assert furthest.channel == channel


def test_what_a_person_accepted_is_not_held_to_the_anchor_of_before(anchor: Anchor) -> None:
    files = fleet(motor_2={"friction_kelvin": 6.0})
    candidate = refit(files)
    assert verdict(anchor, files, candidate, accepted=["motor-2"]).holds
    assert "moved" in refused(verdict(anchor, files, candidate, accepted=["motor-3"]))
    alone = verdict(anchor, files[2:3], candidate, accepted=["motor-2"])
    assert "moved" not in refused(alone)


def test_what_is_within_the_bounds_in_one_unit_may_be_beyond_them_in_another(
    anchor: Anchor, season: tuple[list[DataFile], Artifact]
) -> None:
    found = verdict(anchor, *season, channel=({"name": "bearing", "centre": 0.1},))
    assert refused(found) == {"moved"}


def test_a_confirmed_fault_that_the_refit_misses_refuses(
    anchor: Anchor, season: tuple[list[DataFile], Artifact]
) -> None:
    def fault(file: DataFile) -> ConfirmedFault:
        piece = cut_for(anchor.artifact.manifest, file)
        begin, end = piece.batch.end_seconds[[20, -1]].tolist()
        return ConfirmedFault(Label("motor-1", begin, end, "confirmed", "ann", end, "command"), piece)

    plain = fault(motor(1, 90, 5, season_kelvin=5.0, wear=3.0))
    assert verdict(anchor, *season, faults=[plain]).holds
    hidden = fault(motor(1, 90, 5, season_kelvin=5.0))
    assert refused(verdict(anchor, *season, faults=[plain, hidden])) == {"confirmed"}
    unknown = ConfirmedFault(plain.label, None)
    assert verdict(anchor, *season, faults=[unknown]).holds


def test_a_refit_whose_threshold_rose_is_refused_by_its_recall(
    anchor: Anchor, season: tuple[list[DataFile], Artifact]
) -> None:
    files, candidate = season
    blunt = replace(
        candidate, manifest=candidate.manifest.model_copy(update={"threshold": 3 * candidate.manifest.threshold})
    )
    assert "injected_faults" in refused(verdict(anchor, files, blunt))
    factors = {"stream_factors": {file.name: 3.0 for file in files}}
    calibration = candidate.manifest.calibration.model_copy(update=factors)
    by_stream = replace(candidate, manifest=candidate.manifest.model_copy(update={"calibration": calibration}))
    assert "injected_faults" in refused(verdict(anchor, files, by_stream))


def test_a_refit_of_little_data_cannot_be_told_and_waits(
    anchor: Anchor, season: tuple[list[DataFile], Artifact]
) -> None:
    _, candidate = season
    found = verdict(anchor, fleet(60, 1.0, motors=2), candidate)
    assert {"injected_faults", "slow_ramps", "moved", "threshold_on_anchor"} <= refused(found)
    assert all("cannot be told" in check.text for check in found.checks if check.name in {"injected_faults", "moved"})
    assert not verdict(anchor, [], candidate).holds


def test_a_stream_that_no_anchor_has_seen_is_named(anchor: Anchor) -> None:
    files = fleet(motors=MOTORS + 1)
    assert verdict(anchor, files, refit(files)).unseen == (f"motor-{MOTORS}",)


def test_a_motor_that_breaks_is_beyond_its_anchor_and_a_healthy_one_is_not(anchor: Anchor) -> None:
    def beyond(file: DataFile) -> FileWindows:
        piece = cut_for(anchor.artifact.manifest, file)
        judge = anchor.judges([piece])[file.name]
        per_day = budget_per_day(judge.manifest)
        assert per_day is not None
        found = beyond_anchor(judge.scores(piece), per_day, judge.rule)
        return piece.rows(found.holds(piece.batch.end_seconds))

    assert not len(beyond(motor(3, 30, 28)))
    broken = beyond(motor(3, 30, 28, wear=2.0))
    assert len(broken) > 5 * PER_DAY / 8
    # what came before it showed is kept
    assert broken.batch.end_seconds[0] > 1.7e9 + 33 * 86400
