"""Fitting around heartbeats: what is cut, what is learnt from, and what an odd beat or interval comes to."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
import torch

from monitor.core.artifact.manifest import parse_manifest
from monitor.core.dataset.recording import WindowSet
from monitor.simulators.fault import Fault
from tests.hearts import RATE_HZ, heart_recording
from tests.sines import data_file, sine_recording
from trainer.artifact.export import load_artifact
from trainer.data.corpus import Corpus
from trainer.data.cutting import DataFile, cut, plan_windows
from trainer.data.gathering import gather
from trainer.data.split import Part
from trainer.error.rhythm_error import RhythmError
from trainer.errors import DataError, SettingsError
from trainer.evaluation.evaluation import score_file
from trainer.evaluation.metrics import auc_roc
from trainer.fitting.fit import FitResult, fit
from trainer.representations.measured import Measured
from trainer.representations.raw import Raw
from trainer.settings import WindowSettings, load_settings
from trainer.settings.presets import WARMUP_BEATS, preset

BEATS = WindowSettings(cut="beat")
NAMES = ("lead_ii", "rr", "rr_change")


def fitted_on(files: Sequence[DataFile], **options: Any) -> tuple[Corpus, FitResult]:
    chosen = {path.replace("__", "."): value for path, value in options.items()}
    settings = load_settings(None, {"model.family": "pca", **chosen}, preset("ecg", len(files)))
    corpus = gather(list(files), settings)
    return corpus, fit(corpus, settings, "heart", datetime(2026, 1, 31, tzinfo=UTC), lambda *_: None)


def test_a_window_holds_a_beat_from_before_p_to_after_t() -> None:
    spec, period = plan_windows([data_file(heart_recording(20))], BEATS)
    assert (spec.length, spec.stride, spec.cut, period) == (225, 250, "beat", 1 / RATE_HZ)
    assert spec.beat is not None
    assert (spec.beat.before_samples, spec.beat.max_rr_seconds) == (100, 3.0)


def test_a_length_set_by_hand_keeps_the_proportions() -> None:
    spec, _ = plan_windows([data_file(heart_recording(20))], WindowSettings(cut="beat", length=90, stride=50))
    assert spec.beat is not None
    assert (spec.length, spec.stride, spec.beat.before_samples) == (90, 50, 40)


def test_a_rate_too_low_for_beats_and_a_window_longer_than_a_pause_are_refused() -> None:
    slow = sine_recording(1000, period_seconds=0.02)
    with pytest.raises(DataError, match="beats cannot be found at 50 Hz: it takes 60 Hz or more"):
        plan_windows([data_file(slow)], BEATS)
    with pytest.raises(DataError, match="a window around a beat has at most 750 samples here, not 751"):
        plan_windows([data_file(heart_recording(20))], WindowSettings(cut="beat", length=751))


def test_windows_that_are_cut_already_stay_as_they_are_but_do_not_mix_with_recordings() -> None:
    ready = DataFile("w", "w" * 64, WindowSet("w", ("lead_ii",), np.zeros((40, 1, 90), np.float32), None))
    assert plan_windows([ready], BEATS)[0].cut == "sliding"
    with pytest.raises(DataError, match="w holds windows that are cut already"):
        plan_windows([ready, data_file(heart_recording(20))], BEATS)


def test_normalizing_each_window_by_itself_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"`window` takes the rhythm away"):
        load_settings(None, {"window.cut": "beat", "normalization.kind": "window"})


def test_a_beat_has_the_label_of_its_own_r_peak_and_not_of_its_neighbours() -> None:
    recording = heart_recording(40)
    spec, period = plan_windows([data_file(recording)], BEATS)
    assert spec.beat is not None
    piece = cut(data_file(recording), 0, NAMES, spec, period)
    peaks = np.rint(piece.start_seconds / period).astype(int) + spec.beat.before_samples
    labels = np.zeros(len(recording.samples), np.int8)
    labels[peaks[10] + 5] = 1
    labels[(peaks[20] + peaks[21]) // 2] = 1  # between two beats
    labelled = cut(data_file(replace(recording, labels=labels)), 0, NAMES, spec, period)
    assert labelled.labels is not None
    assert np.flatnonzero(labelled.labels).tolist() == [10]


def test_the_model_knows_what_is_measured_and_what_is_derived() -> None:
    corpus, fitted = fitted_on([data_file(heart_recording(100))])
    manifest = parse_manifest(fitted.manifest.model_dump_json())
    assert manifest.channel_names == NAMES
    assert manifest.measured_names == ("lead_ii",)
    assert corpus.parts[Part.TRAIN].values.shape[1:] == (3, 225)
    assert fitted.scorer.represent(corpus.parts[Part.TRAIN]).shape[1:] == (1, 225)
    assert fitted.scorer.reconstruct(corpus.parts[Part.TRAIN]).shape[1:] == (3, 225)


def test_a_heart_that_stands_still_is_no_example_of_what_is_normal() -> None:
    recording = heart_recording()
    samples = recording.samples.copy()
    samples[60 * 250 : 70 * 250] = samples[60 * 250]
    corpus, _ = fitted_on([data_file(replace(recording, samples=samples))])
    assert corpus.ranges[0].excluded["no_beat"] >= 6
    rr = corpus.parts[Part.TRAIN].values[:, 1, 0]
    assert rr.max() < 3


def test_premature_beats_are_found_and_the_channel_that_shows_them_is_named() -> None:
    _, fitted = fitted_on([data_file(heart_recording(100))])
    sick = heart_recording(run=3, faults=(Fault(name="pvc", severity=0.4),))
    scored = score_file(load_artifact("heart", fitted.artifact), data_file(sick))
    labels = scored.cut.labels
    assert labels is not None
    assert 10 < labels.sum() < len(labels) / 2
    usable = scored.withheld == ""
    auc = auc_roc(scored.error[usable], labels[usable])
    assert auc is not None
    assert auc > 0.97
    np.testing.assert_allclose(scored.channel_error.mean(axis=1), scored.error, rtol=1e-5)
    early = scored.channel_error[labels == 1][:, 1:].max(axis=1)
    assert np.median(early) > 10 * np.median(scored.channel_error[labels == 0][:, 1:].max(axis=1))


def test_fitted_on_several_patients_a_model_learns_each_new_ones_usual_beat() -> None:
    files = [data_file(heart_recording(70, device=device)) for device in (1, 2, 3)]
    corpus, fitted = fitted_on(files, normalization__warmup_windows=30)
    assert corpus.normalization.kind == "template"
    assert all(data.excluded["warming_up"] == 30 for data in corpus.ranges)
    centre = fitted.manifest.golden.centre.numpy()
    assert centre.shape[1:] == (3, 225)
    stranger = score_file(load_artifact("heart", fitted.artifact), data_file(heart_recording(70, device=9)))
    assert (stranger.withheld == "warming_up").sum() == 30
    assert np.nanmedian(stranger.score) < 1


def test_a_preset_is_only_what_is_not_said_by_hand() -> None:
    by_hand = load_settings(None, {"normalization.kind": "stream"}, preset("ecg", 3))
    assert (by_hand.window.cut, by_hand.normalization.kind) == ("beat", "stream")
    assert by_hand.normalization.warmup_windows == WARMUP_BEATS
    assert load_settings(None, {}, preset("ecg", 1)).normalization.kind == "fixed"
    assert load_settings(None, {}, preset("motor", 3)) == load_settings(None, {})


def test_intervals_are_judged_beside_the_model_in_units_of_a_normal_beats_error() -> None:
    x = torch.zeros(2, 3, 5)
    x[1, 1] = 2.0
    x[1, 2] = -3.0
    found = RhythmError(1, 0.5)(x, torch.tensor([[0.1], [0.2]]))
    np.testing.assert_allclose(found, [[0.1, 0.0, 0.0], [0.2, 2.0, 4.5]], rtol=1e-6)


def test_the_model_never_sees_derived_channels_and_reconstructs_them_as_usual() -> None:
    representation = Measured(Raw(1, 4), 1)
    x, scale = torch.randn(3, 3, 4), torch.full((3, 3), 2.0)
    for centre in torch.randn(3, 3), torch.randn(3, 3, 4):
        features = representation(x, centre, scale)
        np.testing.assert_allclose(features, x[:, :1], rtol=1e-4, atol=1e-6)
        restored = representation.restore(features, centre, scale)
        usual = centre[:, :, None].expand(3, 3, 4) if centre.dim() == 2 else centre
        np.testing.assert_allclose(restored[:, 1:], usual[:, 1:], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(restored[:, :1], x[:, :1] * 2 + usual[:, :1], rtol=1e-4, atol=1e-6)


def test_a_channel_of_the_data_may_not_pose_as_a_derived_one() -> None:
    recording = replace(heart_recording(20), channels=("rr",))
    with pytest.raises(DataError, match="a channel is named 'rr', as one that beats bring"):
        gather([data_file(recording)], load_settings(None, {}, preset("ecg", 1)))


def test_wanted_channels_are_the_measured_ones() -> None:
    wanted = [{"name": "lead_ii", "unit": "mV", "low": -5.0, "high": 5.0}]
    corpus, _ = fitted_on([data_file(heart_recording(100))], channel=wanted)
    assert [channel.unit for channel in corpus.channels] == ["mV", "s", ""]


def test_recordings_that_end_before_they_are_warm_are_refused_with_the_setting_to_change() -> None:
    files = [data_file(heart_recording(40, device=device)) for device in (1, 2)]
    with pytest.raises(DataError, match=r"begins with normalization\.warmup_windows to learn from"):
        fitted_on(files)
