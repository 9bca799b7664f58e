"""The report shows what a budget rests on and which windows were left out."""

from datetime import UTC, datetime

import numpy as np
import pytest

from benchmarks.budget.error_laws import LAWS
from tests.sines import data_file, sine_recording
from trainer.calibration.alerts_at_threshold import ErrorSeries
from trainer.calibration.calibrate import Calibrated, calibrate
from trainer.data.corpus import Corpus
from trainer.data.gathering import gather
from trainer.fitting.fit import FitResult, fit
from trainer.report.calibration import false_alarm_section, tail_figure
from trainer.report.trimming import trimmed_windows, trimming_figure, trimming_section
from trainer.settings import CalibrationSettings, FitSettings, load_settings


def calibrated(settings: CalibrationSettings, burst: bool = False) -> Calibrated:
    error = LAWS["autocorrelated"](np.random.default_rng(0), 3000, 1)[:, 0]
    if burst:
        error[2000:2030] *= 8
    return calibrate([ErrorSeries("pump.csv", np.arange(3000, dtype=np.float64) * 60.0, error, 60.0)], settings)


def test_the_budget_is_shown_with_its_interval_its_data_and_its_tail() -> None:
    shown = false_alarm_section(calibrated(CalibrationSettings(false_alarms="1 per 10d")))
    for words in ("1 per 10d (0.1 per day)", "one false alarm per stream in 10 d expected", "2.1 d of calibration"):
        assert words in shown
    assert "exponential" in shown
    assert "data:image/png;base64," in shown
    assert "Set aside" not in shown


def test_what_was_set_aside_is_listed() -> None:
    shown = false_alarm_section(calibrated(CalibrationSettings(), burst=True))
    assert "Set aside" in shown
    assert "<td>pump.csv</td>" in shown


def test_the_tail_is_drawn_beside_what_was_counted_and_asked() -> None:
    axes = tail_figure(calibrated(CalibrationSettings())).axes[0]
    labels = [line.get_label() for line in axes.get_lines()]
    assert labels[:3] == ["counted", "expected, with 95 % interval", "asked: 1 per 30d"]
    rates = axes.get_lines()[1].get_ydata()
    assert np.all(np.diff(rates) < 0)


def test_other_rules_have_no_section() -> None:
    assert false_alarm_section(calibrated(CalibrationSettings(rule="quantile"))) == ""


@pytest.fixture(scope="module")
def settings() -> FitSettings:
    return load_settings(None, {"model.family": "pca", "window.length": 50, "window.stride": 25})


def fit_to_sines(settings: FitSettings, knock: bool) -> tuple[Corpus, FitResult]:
    recording = sine_recording(9000)
    if knock:
        recording.samples[2000:2010] += 60
    corpus = gather([data_file(recording, "pump.csv")], settings)
    return corpus, fit(corpus, settings, "pump", datetime(2026, 1, 2, tzinfo=UTC), lambda *_: None)


def test_each_window_left_out_is_listed_with_file_time_part_and_reason(settings: FitSettings) -> None:
    corpus, fitted = fit_to_sines(settings, knock=True)
    lines = trimmed_windows(corpus, fitted.robust)
    # 2000 samples are 40 s; windows of 1 s end every half second
    assert [float(line[1]) for line in lines] == pytest.approx([40.48, 40.98])
    assert {(line[0], line[2], line[4]) for line in lines} == {("pump.csv", "train", "far from the median window")}
    assert fitted.manifest.provenance.data[0].excluded["does_not_belong"] == 2
    assert fitted.manifest.provenance.train_windows == len(fitted.errors["train"])
    assert "2 of " in fitted.notes[0]
    shown = trimming_section(corpus, fitted.robust)
    assert shown.count("<td>pump.csv</td>") == 2
    assert len(trimming_figure(corpus, fitted.robust).axes) == len(fitted.robust.rounds)


def test_nothing_left_out_makes_no_section(settings: FitSettings) -> None:
    corpus, fitted = fit_to_sines(settings, knock=False)
    assert trimming_section(corpus, fitted.robust) == ""
    assert "does_not_belong" not in fitted.manifest.provenance.data[0].excluded
