"""A model is chosen without labels, PCA is kept unless something beats it beyond the noise, and time is kept."""

from typing import Any

import numpy as np
import pytest

from tests.sines import data_file, sine_recording
from trainer.data.cutting import DataFile
from trainer.errors import DataError
from trainer.report.selection import choice_section
from trainer.selection.candidates import Candidate, candidates_for
from trainer.selection.selection import STRETCHES, Trial, choose, select
from trainer.selection.synthetic import KINDS
from trainer.settings import FitSettings, load_settings

QUICK: dict[str, Any] = {"window.length": 32, "window.stride": 8, "training.max_epochs": 3}


def candidate(family: str, name: str = "") -> Candidate:
    return Candidate(name or family, {"model": {"family": family}, "representation": {"kind": "raw"}})


def trial(
    family: str,
    auc: float,
    *,
    noise: float = 0.0,
    parameters: int = 100,
    inflation: float = 1.0,
    seed: int = 0,
    name: str = "",
) -> Trial:
    """A trial whose places have the mean `auc`; `noise` is the spread of its stretches around it."""
    wobble = np.random.default_rng(seed).normal(size=STRETCHES)
    wobble = noise * (wobble - wobble.mean()) / wobble.std(ddof=1)
    places = np.tile(auc + np.repeat(wobble, 10), (len(KINDS), 1))
    return Trial(candidate(family, name), places, inflation, parameters, 0.0)


def sine_files() -> list[DataFile]:
    return [data_file(sine_recording(3000))]


def settings_of(own: dict[str, Any]) -> FitSettings:
    return load_settings(None, {**QUICK, **own})


def test_a_clear_lead_replaces_pca() -> None:
    choice = choose([trial("pca", 0.8), trial("dense", 0.9, noise=0.01)])
    assert choice.chosen.candidate.name == "dense"
    assert "dense has an AUC of 0.900, +0.100 ± 0.003 against pca" in choice.reason


def test_pca_is_kept_where_the_lead_is_within_the_noise() -> None:
    choice = choose([trial("pca", 0.8), trial("dense", 0.82, noise=0.1)])
    assert choice.chosen.candidate.name == "pca"
    assert "within the noise" in choice.reason


def test_a_model_must_beat_the_best_pca_not_the_first() -> None:
    trials = [trial("pca", 0.5, name="few"), trial("pca", 0.9, name="many"), trial("dense", 0.88)]
    assert choose(trials).chosen.candidate.name == "many"


def test_of_models_within_one_error_the_smallest_is_taken() -> None:
    large = trial("conv", 0.9, noise=0.02, parameters=1000, name="large")
    small = trial("dense", 0.899, noise=0.02, parameters=10, name="small", seed=1)
    worse = trial("dense", 0.85, parameters=1, name="worse")
    choice = choose([trial("pca", 0.7), large, small, worse])
    assert choice.chosen.candidate.name == "small"
    assert "within its error and the smallest" in choice.reason


def test_a_model_that_drifts_is_out_unless_all_do() -> None:
    calm, wild = trial("pca", 0.8), trial("dense", 0.95, inflation=15.0)
    assert choose([calm, wild]).chosen is calm
    assert choose([wild]).chosen is wild


def test_what_could_not_be_fitted_is_no_choice() -> None:
    skipped = Trial(candidate("dense"), np.zeros((len(KINDS), 0)), np.inf, 0, 0.0, skipped="too few windows")
    assert choose([skipped, trial("pca", 0.6)]).chosen.candidate.name == "pca"
    with pytest.raises(DataError, match="no model could be fitted: dense: too few windows"):
        choose([skipped])


def test_candidates_are_told_apart_on_real_fits() -> None:
    files, some = sine_files(), [candidate("pca"), candidate("dense")]
    steps: list[str] = []
    choice = select(files, settings_of, some, 60.0, lambda which, _epochs, _loss: steps.append(which.name))
    assert [trial.skipped for trial in choice.trials] == ["", ""]
    assert choice.trials[0].auc > 0.7  # a drift or a changed frequency of a sine is easy to see
    assert set(steps) == {"pca", "dense"}


def test_the_same_seed_gives_the_same_choice() -> None:
    first, again = (select(sine_files(), settings_of, [candidate("pca")], 60.0, lambda *_: None) for _ in range(2))
    np.testing.assert_array_equal(first.trials[0].places, again.trials[0].places)


def test_the_end_that_calibrates_later_has_no_part_in_the_choice() -> None:
    recording = sine_recording(3000)
    tail = slice(round(0.76 * 3000), None)
    spoilt = sine_recording(3000)
    spoilt.samples[tail] = 1e6
    untouched, changed = (
        select([data_file(content)], settings_of, [candidate("pca")], 60.0, lambda *_: None)
        for content in (recording, spoilt)
    )
    np.testing.assert_array_equal(untouched.trials[0].places, changed.trials[0].places)


def test_when_the_time_is_up_the_first_candidate_stands() -> None:
    choice = select(sine_files(), settings_of, [candidate("pca"), candidate("dense")], 0.0, lambda *_: None)
    assert choice.chosen.candidate.name == "pca"
    assert choice.trials[1].skipped == "the time was up"


def test_what_suits_no_window_is_skipped_with_its_reason() -> None:
    misfit = Candidate(
        "misfit", {"model": {"family": "pca"}, "representation": {"kind": "spectrum", "segment_samples": 64}}
    )
    choice = select(sine_files(), settings_of, [candidate("pca"), misfit], 60.0, lambda *_: None)
    assert "longer than the window" in choice.trials[1].skipped


def test_every_candidate_is_a_valid_setting() -> None:
    assert all(settings_of(each.settings) for each in candidates_for("sliding"))
    assert candidates_for("sliding")[0].linear


def test_around_beats_only_models_that_see_the_samples_are_tried() -> None:
    some = candidates_for("beat")
    assert some[0].linear
    assert {each.settings["representation"]["kind"] for each in some} == {"raw"}
    assert {each.settings["model"]["family"] for each in some} >= {"pca", "dense", "conv"}


def test_the_report_shows_every_candidate_and_the_reason() -> None:
    skipped = Trial(candidate("lstm"), np.zeros((len(KINDS), 0)), np.inf, 0, 0.0, skipped="the <time> was up")
    choice = choose([trial("pca", 0.8), trial("dense", 0.9), skipped])
    html = choice_section(choice)
    assert all(word in html for word in ("✓", "pca", "dense", "the &lt;time&gt; was up", "data:image/png", *KINDS))
