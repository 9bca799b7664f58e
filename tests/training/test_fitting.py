"""A fit tells anomalies from normal, proves itself by golden windows, and says where it came from."""

import io
import warnings
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
import torch

from monitor.core.values.names import is_name
from tests.sines import data_file, sine_recording
from trainer.artifact.export import Artifact, golden_deviation, load_artifact
from trainer.data.corpus import Corpus
from trainer.data.gathering import gather
from trainer.data.split import Part
from trainer.errors import ArtifactError
from trainer.evaluation.evaluation import Figures, figures, score_file
from trainer.fitting.fit import FitResult, fit, train_model
from trainer.report.page import render_report
from trainer.settings import FitSettings, load_settings

CREATED = datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)


def settings(family: str = "dense", more: dict[str, Any] | None = None) -> FitSettings:
    quick: dict[str, Any] = {
        "representation.kind": "raw",
        "window.length": 50,
        "window.stride": 10,
        "training.max_epochs": 60,
    }
    quick["split.cross_fit"] = False  # one fit instead of five
    return load_settings(None, {"model.family": family, **quick, **(more or {})})


def fitted(corpus: Corpus, chosen: FitSettings) -> FitResult:
    return fit(corpus, chosen, "sine", CREATED, lambda *_: None)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return gather([data_file(sine_recording(9000, seed=1, anomalies=6))], settings())


@pytest.fixture(scope="module")
def pca(corpus: Corpus) -> FitResult:
    return fitted(corpus, settings("pca"))


def evaluate(artifact: bytes, *recordings: Any) -> Figures:
    loaded = load_artifact("test", artifact)
    return figures(
        [score_file(loaded, data_file(recording)) for recording in recordings], loaded.manifest.channel_names
    )


@pytest.mark.parametrize("family", ["dense", "conv", "pca"])
@pytest.mark.parametrize("kind", ["fixed", "window", "stream"])
def test_every_family_finds_injected_anomalies_in_data_it_has_not_seen(family: str, kind: str) -> None:
    # several streams: how much their own numbers differ (kind `stream`) is part of what the threshold must know
    chosen = settings(family, {"normalization.kind": kind, "normalization.warmup_windows": 40})
    corpus = gather([data_file(sine_recording(3000, seed=seed)) for seed in (1, 3, 4, 5)], chosen)
    found = evaluate(fitted(corpus, chosen).artifact, sine_recording(9000, seed=2, anomalies=10)).labelled
    assert found is not None
    assert found.auc_pr is not None
    assert found.auc_pr > 0.9
    assert found.false_alarm_rate is not None
    assert found.false_alarm_rate < 0.06
    assert found.recall is not None
    assert found.recall > 0.6


def test_the_same_seed_and_data_give_the_same_weights(corpus: Corpus) -> None:
    chosen = settings(more={"training.max_epochs": 3, "seed": 4})
    versions = {fitted(corpus, chosen).manifest.version for _ in range(2)}
    assert len(versions) == 1  # the version ends in a hash of the weights
    other = fitted(corpus, settings(more={"training.max_epochs": 3, "seed": 5})).manifest.version
    assert other not in versions


def test_the_seed_does_not_disturb_anyone_elses_random_numbers(corpus: Corpus) -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    windows = torch.randn(40, 2, 50, generator=torch.Generator().manual_seed(1))
    train_model(windows, windows, settings(more={"training.max_epochs": 1}), lambda *_: None)
    assert torch.equal(torch.rand(3), expected)


def test_the_artifact_proves_itself_by_golden_windows(pca: FitResult) -> None:
    artifact = load_artifact("test", pca.artifact)
    assert artifact.manifest == pca.manifest
    assert artifact.manifest.golden.windows.shape[0] == 8
    assert golden_deviation(artifact) < 1e-6


def test_a_module_that_computes_something_else_fails_its_golden_windows(corpus: Corpus, pca: FitResult) -> None:
    other = fitted(corpus, settings("pca", {"model.components": 1}))
    swapped = Artifact(pca.manifest, other.scorer)
    assert golden_deviation(swapped) > pca.manifest.golden.tolerance


def test_the_manifest_says_what_was_made_of_what(corpus: Corpus, pca: FitResult) -> None:
    manifest = pca.manifest
    assert manifest.version.startswith("20250102T030405Z-")
    assert is_name(manifest.version)
    assert (manifest.model, manifest.family, manifest.channel_names) == ("sine", "pca", ("a", "b"))
    assert manifest.provenance.data == corpus.ranges
    assert manifest.provenance.train_windows == len(corpus.parts[Part.TRAIN])
    assert manifest.calibration.windows == len(corpus.parts[Part.CALIBRATION])
    assert manifest.parameters == 100 * (1 + manifest.settings["components"])  # the mean and the directions
    assert manifest.evaluation["auc_pr"] > 0.9


def test_the_manifest_says_how_the_model_learnt_where_not_by_default(corpus: Corpus) -> None:
    chosen = settings(more={"training.max_epochs": 2, "training.loss": "huber", "training.denoising": {"level": 0.2}})
    expected = {"max_epochs": 2, "loss": "huber", "denoising": {"level": 0.2}}
    assert fitted(corpus, chosen).manifest.training == expected


def test_the_threshold_comes_from_the_calibration_part(corpus: Corpus) -> None:
    by_quantile = fitted(corpus, settings("pca", {"calibration.rule": "quantile", "calibration.setting": 0.99}))
    errors = np.sort(by_quantile.errors["calibration"])
    rank = int(np.ceil((len(errors) + 1) * 0.99))
    assert by_quantile.manifest.threshold == pytest.approx(errors[rank - 1])


def test_the_manifest_tells_the_budget_and_what_came_of_it(pca: FitResult) -> None:
    promised = pca.manifest.calibration.false_alarms
    assert promised is not None
    assert promised.asked == "1 per 30d"
    assert promised.asked_per_day == pytest.approx(1 / 30)
    assert promised.normal_seconds == pytest.approx(pca.manifest.calibration.windows * 0.2)
    assert promised.low_per_day <= promised.expected_per_day <= promised.high_per_day


def test_a_way_of_operation_seen_only_once_counts_with_what_it_does_to_a_model_that_has_not_seen_it() -> None:
    recording = sine_recording(6000)
    recording.samples[:1500, 1] = recording.samples[:1500, 0] - recording.samples[:1500, 0].mean()
    folds = settings("pca", {"split.cross_fit": True})
    corpus = gather([data_file(recording)], folds)
    once = fitted(corpus, folds)
    (series,) = corpus.series(Part.CALIBRATION, once.errors["calibration"])
    early = series.end_seconds < series.end_seconds[0] + 20
    seen, _ = once.scorer.errors(corpus.parts[Part.CALIBRATION])
    assert np.median(once.errors["calibration"][early]) > 3 * np.median(seen[early])
    assert once.manifest.threshold > np.median(once.errors["calibration"][early])
    assert once.manifest.provenance.calibration_folds == 4


def test_without_labels_there_are_no_figures_to_boast_with() -> None:
    corpus = gather([data_file(sine_recording(6000))], settings("pca"))
    assert fitted(corpus, settings("pca")).manifest.evaluation == {}


def test_evaluation_without_labels_tells_the_alarm_rate_and_nothing_else(pca: FitResult) -> None:
    found = evaluate(pca.artifact, sine_recording(3000, seed=3))
    assert found.labelled is None
    assert found.alarm_rate is not None
    assert all(channel.auc_roc is None for channel in found.channels)


def test_evaluation_counts_what_it_withholds(pca: FitResult) -> None:
    recording = sine_recording(3000, seed=3, anomalies=4)
    recording.samples[1500:1510] = np.nan
    found = evaluate(pca.artifact, recording)
    assert found.withheld == {"non_finite": 5}
    assert found.labelled is not None
    assert found.labelled.normal + found.labelled.anomalous + 5 == found.windows


def test_evaluation_names_the_channel_that_leads_the_alarms(pca: FitResult) -> None:
    leads = {channel.name: channel.leads for channel in evaluate(pca.artifact, sine_recording(6000, 4, 8)).channels}
    assert leads["a"] is not None
    assert leads["a"] > 0.9  # only channel `a` ever misbehaves


def test_files_with_and_without_labels_count_where_they_can(pca: FitResult) -> None:
    labelled, plain = sine_recording(3000, 5, 4), sine_recording(3000, 6)
    alone, both = evaluate(pca.artifact, labelled), evaluate(pca.artifact, labelled, plain)
    assert both.labelled == alone.labelled
    assert both.windows > alone.windows


@pytest.mark.parametrize(
    "damage", [lambda data: b"", lambda data: data[: len(data) // 2], lambda data: b"PK" + b"junk" * 99]
)
def test_a_damaged_artifact_is_refused(pca: FitResult, damage: Any) -> None:
    with pytest.raises(ArtifactError, match=r"x\.pt is not a TorchScript archive"):
        load_artifact("x.pt", damage(pca.artifact))


def test_an_archive_without_a_manifest_is_refused() -> None:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), buffer)
    with pytest.raises(ArtifactError, match=r"x\.pt has no usable manifest\.json"):
        load_artifact("x.pt", buffer.getvalue())


def test_the_report_is_one_file_that_needs_nothing_else(corpus: Corpus, pca: FitResult) -> None:
    report = render_report(corpus, pca)
    assert report.count("data:image/png;base64,") == 4
    assert "http" not in report
    assert pca.manifest.version in report
    for data in corpus.ranges:
        assert data.sha256 in report


def test_the_report_repeats_the_note_about_too_few_windows(corpus: Corpus) -> None:
    short = fitted(corpus, settings("pca", {"calibration.rule": "quantile", "calibration.setting": 0.9999}))
    (note,) = short.calibrated.notes
    assert note in render_report(corpus, short)


def test_the_report_escapes_what_it_did_not_write(pca: FitResult) -> None:
    name = "<script>alert(1)</script>.npz"
    corpus = gather([data_file(sine_recording(6000), name)], settings("pca"))
    assert "<script>" not in render_report(corpus, fitted(corpus, settings("pca")))
