"""The quality benchmark counts what its protocols say, from scores made up here, and its page tells it."""

from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from numpy.typing import NDArray

from benchmarks.accuracy.detectors import DETECTORS
from benchmarks.accuracy.figures_by_item import Figures, alert_figures, alerts_of, item_figures, mean_figures
from benchmarks.accuracy.plots import plot_restored
from benchmarks.accuracy.report import page, targets_of
from benchmarks.accuracy.rows import ROWS
from benchmarks.accuracy.rows.beats import annotated_beats, beat_items
from benchmarks.accuracy.rows.points import causal_items, centred_items
from benchmarks.accuracy.rows.protocol import Aim, Beats, Items, Row, Task, window_items
from benchmarks.accuracy.run import Detector, Outcome, cached, keep, run, settings_of
from benchmarks.accuracy.seeds import seen_interval
from monitor.core.artifact.manifest import Manifest, WindowSpec
from monitor.core.dataset.recording import Recording
from tests.manifests import manifest_of
from tests.sines import data_file, sine_recording
from trainer.data.cutting import cut
from trainer.evaluation.evaluation import Scored
from trainer.selection.candidates import candidates_for
from trainer.settings import load_settings

PERIOD = 0.5


def stream(labels: list[int]) -> Recording:
    samples = np.random.default_rng(0).normal(size=(len(labels), 1)).astype(np.float32)
    time = np.arange(len(labels), dtype=np.float64) * PERIOD
    marks = np.array(labels, np.int8)
    return Recording("s", ("a",), samples, time, PERIOD, marks, np.zeros(len(labels), np.int64))


def scored(recording: Recording, spec: WindowSpec, score: list[float] | NDArray[np.float32]) -> Scored:
    piece = cut(data_file(recording), 0, ("a",), spec, PERIOD)
    values = np.array(score, np.float32)
    assert len(values) == len(piece)
    withheld = np.where(np.isnan(values), "low_coverage", "")
    return Scored(piece, values, values, values[:, None], withheld)


def of_windows(spec: WindowSpec) -> Manifest:
    return manifest_of().model_copy(update={"window": spec, "sample_period_seconds": PERIOD})


NO_TASK = Task("t", (), ())
EVERY = WindowSpec(length=4, stride=1)


def test_a_sample_has_the_score_of_the_window_around_it() -> None:
    recording = stream([0] * 9)
    items = centred_items(NO_TASK, scored(recording, EVERY, [1, 2, 3, 4, 5, 6]), of_windows(EVERY))
    # as TSB-UAD pads: windows of 4 have their middle between samples 1 and 2
    assert items.score.tolist() == [1, 1, 1, 2, 3, 4, 5, 6, 6]


def test_a_sample_has_the_score_of_the_window_that_ended_with_it() -> None:
    recording = stream([0] * 9)
    items = causal_items(NO_TASK, scored(recording, EVERY, [1, 2, np.nan, 4, 5, 6]), of_windows(EVERY))
    assert items.score.tolist() == [0, 0, 0, 1, 2, 2, 4, 5, 6]


def test_a_beat_has_the_score_of_the_nearest_window_and_none_if_that_is_far() -> None:
    spec = WindowSpec(length=4, stride=8)
    recording = stream([0] * 20)  # windows from 0, 8 and 16 samples on: their middles at 1, 5 and 9 seconds
    beats = Beats(np.array([1.1, 4.9, 7.0]), np.array([0, 1, 1], np.int8))
    task = replace(NO_TASK, beats={"s": beats})
    items = beat_items(task, scored(recording, spec, [1, 2, 3]), of_windows(spec))
    assert items.score.tolist() == [1, 2, 0]
    assert items.label.tolist() == [0, 1, 1]


def test_beats_are_counted_by_their_class_and_other_marks_are_not() -> None:
    arrays = {
        "fs": np.array(100), "ann_sample_1": np.arange(6) * 100, "ann_symbol_1": np.array(list("NV+/LA")),
    }  # fmt: skip
    beats = annotated_beats(arrays, "1", 1.0)
    assert beats.label.tolist() == [1, 0, 1]
    assert (beats.peak_seconds - beats.peak_seconds[0]).tolist() == [0, 3, 4]


def test_withheld_windows_are_not_counted() -> None:
    items = window_items(NO_TASK, scored(stream([0] * 9), EVERY, [1, np.nan, 3, 4, 5, 6]), of_windows(EVERY))
    assert items.score.tolist() == [1, 3, 4, 5, 6]


def test_alerts_are_those_of_the_judge() -> None:
    spec = WindowSpec(length=2, stride=2)
    recording = stream([0] * 20 + [1] * 4 + [0] * 16)
    score = [0.0] * 20
    score[2:4] = [2.0, 2.0]  # a false alert, after which it is calm
    score[10:12] = [2.0, 2.0]  # the anomaly
    alerts = alerts_of(scored(recording, spec, score), of_windows(spec))
    assert (alerts.false, alerts.events, alerts.hit) == (1, 1, 1)
    assert alerts.delays_seconds == (1.5,)  # from sample 20 to the end of window 11, sample 23
    assert alerts.normal_seconds == pytest.approx(17 * 2 * PERIOD)  # the first window follows none, two are anomalous
    figures = alert_figures([alerts])
    assert figures["hit_share"] == 1.0
    assert figures["false_alarms_per_day"] == pytest.approx(86_400 / alerts.normal_seconds)


def test_the_threshold_is_score_one() -> None:
    figures = item_figures(Items(np.array([0.5, 1.5, 0.9, 2.0]), np.array([0, 0, 1, 1], np.int8)))
    assert (figures["f1"], figures["recall"], figures["false_alarm_rate"]) == (0.5, 0.5, 0.5)
    assert figures["auc_roc"] == 0.75


def test_a_mean_leaves_out_what_is_not_defined() -> None:
    assert mean_figures([{"a": 1.0, "b": None}, {"a": 2.0, "b": None}]) == {"a": 1.5, "b": None}


def test_the_interval_of_a_rate_holds_what_was_seen() -> None:
    outcome = Outcome("r", "d", 0, {"false_alarms": 4.0, "normal_days": 2.0}, {}, {}, {}, 0.0)
    low, high = seen_interval([outcome])
    assert (low, high) == pytest.approx((1.09 / 2, 10.24 / 2), abs=0.01)  # Garwood's table for a count of 4
    assert seen_interval([replace(outcome, figures={"false_alarms": 0.0, "normal_days": 1.0})])[0] == 0


def row(aims: tuple[Aim, ...] = ()) -> Row:
    return Row(
        "sines", "Sines", "motor", "protocol", "-", aims, lambda *_: [], window_items, pooled=True, timed=True,
        settings={"model.family": "pca", "window.length": 32},
    )  # fmt: skip


def detector() -> Detector:
    return Detector("pca", "PCA", "about", lambda *_: {"window.length": 64, "window.stride": 8}, seeds=(0,))


def sine_task() -> Task:
    train, test = sine_recording(3000), replace(sine_recording(2000, seed=1, anomalies=4), name="test")
    return Task("sines", (replace(train, labels=None),), (test,))


def test_a_task_is_fitted_exported_and_scored() -> None:
    done: list[int] = []
    outcome = run(row(), detector(), 0, [sine_task()], lambda: done.append(1))
    assert done == [1]
    assert outcome.figures["auc_roc"] is not None
    assert outcome.figures["auc_roc"] > 0.9
    assert set(outcome.streams) == {"test"}
    assert outcome.settings["window.length"] == 32  # the protocol's word counts more than the detector's


def test_pictures_of_what_a_model_does_are_kept_and_drawn(tmp_path: Path) -> None:
    grey = np.arange(20, dtype=np.uint8).reshape(10, 2)
    outcome = run(replace(row(), picture=lambda *_: grey), detector(), 0, [sine_task()], lambda: None)
    assert outcome.pictures == {"sines": grey.tolist()}
    keep(tmp_path / "o.json", outcome)
    assert cached(tmp_path / "o.json", outcome.settings) == outcome
    shapes = []
    for count in (1, 4):
        plot_restored({f"model {number}": grey.tolist() for number in range(count)}, tmp_path / "p.png")
        shapes.append(imread(tmp_path / "p.png").shape)
    assert shapes[0][0] == shapes[1][0]
    assert shapes[0][1] < shapes[1][1]  # a column per model


def test_what_cannot_be_fitted_is_told_and_does_not_stop_the_rest() -> None:
    short = replace(sine_task(), name="short", train=(replace(sine_recording(40), labels=None),))
    outcome = run(row(), detector(), 0, [short, sine_task()], lambda: None)
    assert "too few windows" in outcome.unfit["short"]
    assert outcome.figures["auc_roc"] is not None


def test_an_outcome_is_taken_up_again_only_with_the_same_settings(tmp_path: Path) -> None:
    path, outcome = tmp_path / "o.json", Outcome("r", "d", 0, {"f1": None}, {}, {}, {"a": 1}, 2.0)
    assert cached(path, {"a": 1}) is None
    keep(path, outcome)
    assert cached(path, {"a": 1}) == outcome
    assert cached(path, {"a": 2}) is None


def test_the_page_tells_figures_spread_aims_and_misses() -> None:
    aims = (Aim("auc_roc", 0.9, "AUC-ROC"), Aim("false_alarm_rate", 0.1, "of normal samples", at_most=True))
    streams: dict[str, Figures] = {name: {"auc_roc": auc} for name, auc in (("good", 0.99), ("bad", 0.6))}
    outcomes = {
        ("sines", "pca"): [
            Outcome("sines", "pca", seed, {"auc_roc": auc, "false_alarm_rate": 0.2}, dict(streams), {}, {}, 3600.0)
            for seed, auc in enumerate((0.95, 0.97))
        ]
    }
    text = page([row(aims)], [detector()], outcomes, None, quick=False)
    assert "| Sines | auc_roc ≥ 0.9 | 0.960 ± 0.010 | yes |" in text
    assert "| Sines | false_alarm_rate ≤ 0.1 | 0.200 | **no** |" in text
    assert "Computing took 2 hours" in text
    assert text.index("| bad |") < text.index("| good |")
    assert [target.met for target in targets_of([row(aims)], detector(), outcomes)] == [True, False]


def test_rows_are_named_apart_and_aim_at_something() -> None:
    assert len({each.name for each in ROWS}) == len(ROWS)
    assert all(each.aims for each in ROWS)
    assert all(settings_of(each, detector(), 0, [sine_task()])["seed"] == 0 for each in ROWS)


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda each: each.name)
@pytest.mark.parametrize("row", ROWS, ids=lambda each: each.name)
def test_every_detector_can_be_fitted_to_every_row_it_is_for(row: Row, detector: Detector) -> None:
    if row.kind in detector.not_for:
        return
    settings = {**detector.settings(row, 1), **row.settings}
    loaded = load_settings(None, deepcopy(settings))
    if detector.select_seconds:
        for candidate in candidates_for(loaded.window.cut):
            load_settings(None, settings | deepcopy(candidate.settings))
