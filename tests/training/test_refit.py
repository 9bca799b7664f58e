"""A refit learns what was normal since the last fit, by the settings of its parent, and leaves out what it should."""

import hashlib
import math
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.config.refit import RefitConfig
from monitor.config.refit_bounds import RefitBounds
from monitor.core.dataset.recording import Recording
from monitor.core.history.alert_record import AlertRecord
from monitor.core.history.label import OPEN, Label, LabelKind
from monitor.readers.history import History
from tests.histories import DAY_SAMPLES, PERIOD_SECONDS, SETTINGS, START, machine, write_history
from trainer.artifact.export import Artifact, load_artifact
from trainer.data.cutting import DataFile
from trainer.data.gathering import gather
from trainer.data.split import Part
from trainer.errors import WaitsForPersonError
from trainer.fitting.fit import fit
from trainer.refit.anchor import Anchor
from trainer.refit.anchor_data import PREFIX, AnchorData
from trainer.refit.refit import NothingToDo, Refitted, Subject, refit, seen_until
from trainer.settings import FitSettings

DAY = 86_400.0
MADE = datetime.fromtimestamp(START + 10 * DAY, UTC)
NOW = datetime.fromtimestamp(START + 31 * DAY, UTC)
CONFIG = RefitConfig()


def files(streams: tuple[str, ...], days: float = 10) -> list[DataFile]:
    made = {name: machine(days, seed) for seed, name in enumerate(streams)}
    return [
        DataFile(f"{name}.npz", hashlib.sha256(each.samples.tobytes()).hexdigest(), each) for name, each in made.items()
    ]


def quiet(done: int, train: float, validation: float) -> None:
    pass


def subject(
    streams: tuple[str, ...] = ("m1", "m2"), settings: FitSettings = SETTINGS, anchored: bool = True, days: float = 10
) -> Subject:
    """A model that was fitted to the first days of its streams."""
    data = files(streams, days)
    fitted = fit(gather(data, settings), settings, "motor", MADE, quiet)
    artifact = load_artifact("motor", fitted.artifact)
    kept = AnchorData(
        artifact.manifest.version,
        settings,
        tuple(DataFile(PREFIX + each.name, each.sha256, each.content) for each in data),
    )
    anchor = Anchor(artifact, {}, kept if anchored else None)
    return Subject("motor", artifact, hashlib.sha256(fitted.artifact).hexdigest(), False, anchor)


def later(days: float = 20, **changed: Any) -> dict[str, Recording]:
    return {name: machine(days, 50 + at, first_day=10, **changed) for at, name in enumerate(("m1", "m2"))}


def alert(stream: str, first_day: float, last_day: float) -> AlertRecord:
    to = START + last_day * DAY if math.isfinite(last_day) else math.inf
    return AlertRecord(f"{stream}{first_day}", "motor", stream, START + first_day * DAY, to, True, 3.0, None, ("heat",))


def label(stream: str, kind: LabelKind, first_day: float, last_day: float = math.inf, **changed: Any) -> Label:
    fields: dict[str, Any] = {"who": "eve", "at_seconds": START + 30 * DAY, "source": "command"} | changed
    to = START + last_day * DAY if math.isfinite(last_day) else OPEN
    return Label(stream, START + first_day * DAY, to, kind, **fields)


@pytest.fixture(scope="module")
def motor() -> Subject:
    return subject()


@pytest.fixture
def run(tmp_path: Path, motor: Subject) -> Callable[..., Refitted | NothingToDo]:
    def refitted(
        recordings: dict[str, Recording] | None = None, whom: Subject = motor, config: RefitConfig = CONFIG, **said: Any
    ) -> Refitted | NothingToDo:
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        path = write_history(folder / "history.sqlite", "motor", recordings or later(), **said)
        with History.open(path) as history:
            return refit(whom, history, config, NOW)

    return refitted


def done(outcome: Refitted | NothingToDo) -> Refitted:
    assert isinstance(outcome, Refitted), outcome
    return outcome


def test_a_refit_learns_the_new_data_and_at_least_a_third_of_the_anchors(run: Any, motor: Subject) -> None:
    made = done(run())
    corpus = made.corpus
    names = [corpus.ranges[number].name for number in corpus.origins[Part.TRAIN].file.tolist()]
    of_anchor = sum(name.startswith(PREFIX) for name in names)
    assert of_anchor >= len(names) / 3
    assert {"m1", "m2"} <= set(names)
    assert made.fitted.manifest.provenance.parent is not None
    assert made.fitted.manifest.provenance.parent.version == motor.champion.manifest.version
    assert made.fitted.manifest.window == motor.champion.manifest.window
    assert made.fitted.manifest.settings == motor.champion.manifest.settings
    assert made.notes == ()


def test_the_newest_part_calibrates_and_shares_no_sample_with_what_trains(run: Any) -> None:
    corpus = done(run()).corpus
    span = (corpus.window.length - 1) * corpus.sample_period_seconds
    calibration = corpus.origins[Part.CALIBRATION]
    assert {corpus.ranges[number].name for number in calibration.file.tolist()} == {"m1", "m2"}
    for part in (Part.TRAIN, Part.VALIDATION):
        for number in np.unique(calibration.file).tolist():
            before = corpus.origins[part].end_seconds[corpus.origins[part].file == number]
            after = calibration.end_seconds[calibration.file == number]
            assert before.max() < after.min() - span


@pytest.mark.parametrize(("days", "calibrating"), [(40, 10), (20, 7), (10, 4.5)])
def test_a_whole_week_calibrates_where_there_are_two(run: Any, days: float, calibrating: float) -> None:
    ends = done(run(later(days=days))).corpus.origins[Part.CALIBRATION].end_seconds
    assert (ends.max() - ends.min()) / DAY == pytest.approx(calibrating, abs=0.1)


def test_an_alert_teaches_nothing_and_the_ranges_say_so(run: Any) -> None:
    made = done(run(alerts=[alert("m1", 20, 20.5)]))
    (share,) = [share for share in made.shares.shares if share.name == "m1"]
    assert share.left_out["alert"] > 300
    (data,) = [data for data in made.fitted.manifest.provenance.data if data.name == "m1"]
    assert data.excluded["alert"] == share.left_out["alert"]
    used = made.corpus.origins[Part.TRAIN]
    inside = (used.end_seconds > START + 19.1 * DAY) & (used.end_seconds < START + 20.7 * DAY)
    names = [made.corpus.ranges[number].name for number in used.file[inside].tolist()]
    assert set(names) == {"m2"}


def test_a_stream_that_drifts_from_its_anchor_gives_nothing_from_there_on_and_the_others_do(run: Any) -> None:
    moved = later() | {"m1": machine(20, 50, first_day=10, ramp_per_day=0.2)}
    made = done(run(moved))
    shares = {share.name: share for share in made.shares.shares}
    assert all(piece.to_seconds < START + 11 * DAY for piece in shares["m1"].taken)
    assert {"moved", "beyond_anchor"} & shares["m1"].left_out.keys()
    assert len(shares["m2"].part) > 0


def test_what_a_person_accepted_is_learnt_though_the_anchor_calls_it_anomalous(run: Any) -> None:
    step = later() | {"m1": machine(20, 50, first_day=10, level=14.0)}
    fired = [alert("m1", 10.1, math.inf)]
    refused = {share.name: share for share in done(run(step, alerts=fired)).shares.shares}
    assert refused["m1"].taken == ()
    accepted = label("m1", "new_normal", 10, source="accept")
    made = done(run(step, alerts=fired, labels=[accepted]))
    assert made.shares.pending == {"m1": accepted.from_seconds}
    (share,) = [share for share in made.shares.shares if share.name == "m1"]
    assert share.left_out.keys() <= {"split_gap", "thinned"}
    ranges = {data.name: data for data in made.corpus.ranges}
    assert ranges[f"{PREFIX}m1.npz"].excluded == {"before_accept": ranges[f"{PREFIX}m1.npz"].windows}
    (used,) = made.fitted.manifest.provenance.labels
    assert (used.kind, used.who, used.to_seconds) == ("new_normal", "eve", None)


def test_a_flood_of_labels_waits_for_a_person(run: Any) -> None:
    flood = [label("m1", "false_alarm", 11 + at / 100, 11.005 + at / 100) for at in range(CONFIG.max_labels + 1)]
    with pytest.raises(WaitsForPersonError, match=r"51 labels came since the last fit.*by eve.*refit.max_labels"):
        run(labels=flood)


def test_there_is_nothing_to_do_without_enough_new_data(run: Any) -> None:
    few = run(later(days=3))
    assert isinstance(few, NothingToDo)
    assert "3 days of new normal data, and it takes 5" in few.reason
    none = run({name: machine(5, 1) for name in ("m1", "m2")})
    assert isinstance(none, NothingToDo)
    assert "no new normal data since the last fit" in none.reason


def test_a_model_of_which_no_data_were_kept_is_refitted_to_recent_data_alone_and_says_so(run: Any) -> None:
    made = done(run(whom=subject(anchored=False)))
    assert not any(data.name.startswith(PREFIX) for data in made.corpus.ranges)
    assert "no data of the anchor were kept" in made.notes[0]


def test_data_called_bad_after_the_fit_are_unlearnt_for_that_reason_alone(run: Any, motor: Subject) -> None:
    bad = label("m1", "bad", 2, 6)
    made = done(run(later(days=3), labels=[bad]))
    assert [each.from_seconds for each in made.unlearnt] == [bad.from_seconds]
    assert made.anchor.artifact.manifest.version != motor.champion.manifest.version
    used = {data.name: data for data in made.corpus.ranges}[f"{PREFIX}m1.npz"]
    assert used.excluded["bad"] >= 4 * DAY_SAMPLES / 4
    assert "carry no threshold" in " ".join(made.notes)
    # what it knows of is no reason again
    again = Subject("motor", Artifact(made.fitted.manifest, made.fitted.scorer), "ab" * 32, False, motor.anchor)
    assert isinstance(run(later(days=3), whom=again, labels=[bad]), NothingToDo)


def test_streams_with_numbers_of_their_own_bring_them_into_the_artifact(run: Any) -> None:
    table = SETTINGS.model_dump(exclude_unset=True) | {"normalization": {"kind": "stream", "warmup_windows": 64}}
    made = done(run(whom=subject(settings=FitSettings.model_validate(table))))
    normals = made.fitted.manifest.normalization.of_streams
    assert normals is not None
    assert normals.names == ("m1", "m2")
    for _, until, centre, scale in normals.each():
        assert START + 15 * DAY < until < START + 30 * DAY
        assert centre[1, 0] == pytest.approx(12.5, abs=0.3)
        assert scale.min() > 0.1


def test_numbers_that_a_refit_brought_are_carried_on_where_a_stream_gives_nothing_since(run: Any) -> None:
    table = SETTINGS.model_dump(exclude_unset=True) | {"normalization": {"kind": "stream", "warmup_windows": 64}}
    whom = subject(settings=FitSettings.model_validate(table))
    first = done(run(whom=whom)).fitted
    again = Subject("motor", Artifact(first.manifest, first.scorer), "ab" * 32, False, whom.anchor)
    second = done(run({"m1": machine(40, 50, first_day=10)}, whom=again)).fitted
    before, after = first.manifest.normalization.of_streams, second.manifest.normalization.of_streams
    assert before is not None
    assert after is not None
    assert sorted(after.names) == ["m1", "m2"]
    m2 = [each.centre.numpy()[each.names.index("m2")] for each in (before, after)]
    np.testing.assert_array_equal(m2[0], m2[1])
    # but for numbers that rest on what a person accepted away since
    accept = label("m2", "new_normal", 49, source="accept")
    shown = {"m1": machine(40, 50, first_day=10), "m2": machine(0.1, 51, first_day=49.5)}
    third = done(run(shown, whom=again, labels=[accept])).fitted
    assert third.manifest.normalization.of_streams is not None
    assert third.manifest.normalization.of_streams.names == ("m1",)


def test_a_model_has_seen_its_streams_up_to_where_its_data_end(motor: Subject) -> None:
    manifest = motor.champion.manifest
    assert seen_until(manifest, ["m1", "m2"]) == START + 10 * DAY - PERIOD_SECONDS
    assert seen_until(manifest, ["other"]) == MADE.timestamp()


def test_streams_that_give_less_than_a_warm_up_are_judged_by_what_they_had_learnt(run: Any) -> None:
    table = SETTINGS.model_dump(exclude_unset=True) | {"normalization": {"kind": "stream", "warmup_windows": 900}}
    whom = subject(settings=FitSettings.model_validate(table))
    made = done(run(later(days=15), whom=whom, config=RefitConfig(max_windows=2000)))
    assert made.fitted.manifest.normalization.of_streams is None
    for data in made.corpus.ranges:
        if not data.name.startswith(PREFIX):
            assert "warming_up" not in data.excluded
    calibration = {made.corpus.ranges[number].name for number in made.corpus.origins[Part.CALIBRATION].file.tolist()}
    assert calibration == {"m1", "m2"}


def test_streams_that_all_warm_up_still_are_nothing_to_do_and_no_failure(run: Any) -> None:
    table = SETTINGS.model_dump(exclude_unset=True) | {"normalization": {"kind": "stream", "warmup_windows": 3000}}
    whom = subject(settings=FitSettings.model_validate(table), anchored=False, days=20)
    outcome = run({name: machine(8, 50, first_day=20) for name in ("m1", "m2")}, whom=whom)
    assert isinstance(outcome, NothingToDo)
    assert "warming_up" in outcome.reason


def test_a_stream_that_moved_beyond_its_bounds_gives_nothing_until_a_person_accepts_it(run: Any) -> None:
    shifted = later() | {"m1": machine(20, 50, first_day=10, level=10.06)}
    narrow = RefitConfig(bounds=RefitBounds(centre=0.1))
    shares = {share.name: share for share in done(run(shifted, config=narrow)).shares.shares}
    assert shares["m1"].taken == ()
    assert {piece.reason for piece in shares["m1"].excluded} >= {"moved"}
    assert shares["m2"].taken
    accepted = label("m1", "new_normal", 10, source="accept")
    shares = {share.name: share for share in done(run(shifted, config=narrow, labels=[accepted])).shares.shares}
    assert shares["m1"].taken
