"""What goes into a fit: normal, trusted windows, normalized by numbers from the training part alone."""

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from monitor.core.dataset.recording import WindowSet
from tests.sines import data_file, sine_recording
from trainer.data.corpus import Corpus
from trainer.data.gathering import FEW_WINDOWS, gather
from trainer.data.normalization import CONSTANT_FRACTION, FLOOR_FRACTION, normalization_spec
from trainer.data.split import Part
from trainer.data.windows import Windows
from trainer.errors import DataError
from trainer.settings import ChannelSettings, FitSettings, NormalizationSettings, SplitSettings, WindowSettings

WINDOW = WindowSettings(length=50, stride=10)
SETTINGS = FitSettings(window=WINDOW, split=SplitSettings(cross_fit=False))
CROSS_FITTED = FitSettings(window=WINDOW)


def total(excluded: dict[str, int], parts: dict[Part, Windows]) -> int:
    return sum(excluded.values()) + sum(map(len, parts.values()))


def test_labelled_windows_serve_no_part_and_every_window_is_accounted_for() -> None:
    corpus = gather([data_file(sine_recording(6000, anomalies=5))], SETTINGS)
    (data,) = corpus.ranges
    assert data.excluded["labelled_anomalous"] == len(corpus.anomalous) > 20
    assert data.excluded["split_gap"] > 0
    assert total(data.excluded, corpus.parts) == data.windows
    # the anomalies run four times as fast: no normal window has so many crossings of the mean
    crossings = [(np.diff(np.sign(windows.values[:, 0] - 10)) != 0).sum(axis=1) for windows in corpus.parts.values()]
    assert np.concatenate(crossings).mean() < 0.5 * (
        (np.diff(np.sign(corpus.anomalous.values[:, 0] - 10)) != 0).sum(axis=1).max()
    )


def test_normalization_comes_from_the_training_part_alone() -> None:
    recording = sine_recording(6000)
    late = recording.samples.copy()
    late[4000:] += 1000  # validation and calibration see another level
    plain, shifted = (
        gather([data_file(replace(recording, samples=samples))], SETTINGS) for samples in (recording.samples, late)
    )
    assert plain.normalization == shifted.normalization
    train = plain.parts[Part.TRAIN].values.astype(np.float64)
    np.testing.assert_allclose(plain.normalization.centre or (), train.mean(axis=(0, 2)))
    np.testing.assert_allclose(plain.normalization.scale or (), train.std(axis=(0, 2)))


def test_each_recording_is_split_on_its_own() -> None:
    files = [data_file(sine_recording(3000, seed=seed)) for seed in (1, 2)]
    both = gather(files, SETTINGS)
    alone = [gather([file], SETTINGS) for file in files]
    for part in both.parts:
        joined = np.concatenate([corpus.parts[part].values for corpus in alone])
        np.testing.assert_array_equal(both.parts[part].values, joined)


def test_windows_with_values_missing_are_left_out_with_the_reason() -> None:
    recording = sine_recording(6000)
    recording.samples[1000:1003, 1] = np.nan
    (data,) = gather([data_file(recording)], SETTINGS).ranges
    assert data.excluded["non_finite"] == 5


def test_stream_normalization_leaves_its_warm_up_out() -> None:
    settings = FitSettings(
        window=SETTINGS.window, normalization=NormalizationSettings(kind="stream", warmup_windows=40)
    )
    corpus = gather([data_file(sine_recording(6000, seed=seed)) for seed in (1, 2)], settings)
    assert [data.excluded["warming_up"] for data in corpus.ranges] == [40, 40]
    assert corpus.normalization.centre is None
    train = corpus.parts[Part.TRAIN]
    assert len(np.unique(train.centre[:, 0])) == 2  # one centre per stream
    np.testing.assert_allclose(train.centre[:, 0], 10, atol=1.0)


def test_window_normalization_centres_every_window_on_itself() -> None:
    settings = FitSettings(window=SETTINGS.window, normalization=NormalizationSettings(kind="window"))
    windows = gather([data_file(sine_recording(6000))], settings).parts[Part.TRAIN]
    np.testing.assert_allclose(windows.centre, windows.values.mean(axis=2), rtol=1e-4)


def test_channels_that_never_rested_may_not_rest_unless_told_otherwise() -> None:
    recording = sine_recording(6000)
    recording.samples[300:450, 1] = 0.25
    channels = gather([data_file(recording)], SETTINGS).channels
    assert [channel.may_rest for channel in channels] == [False, True]
    told = (ChannelSettings(name="a", may_rest=True), ChannelSettings(name="b", may_rest=False))
    corpus = gather([data_file(recording)], SETTINGS.model_copy(update={"channel": told}))
    assert corpus.channels == tuple(channel.spec for channel in told)
    assert corpus.ranges[0].excluded["stuck"] == 11


@pytest.mark.parametrize("count", [10, 60, 500])
def test_too_little_data_says_how_much_is_needed(count: int) -> None:
    with pytest.raises(DataError, match=r"too few windows: \d+ of 30 for train, \d+ of 5 for validation, \d+ of 20"):
        gather([data_file(sine_recording(count))], SETTINGS)


def test_data_without_a_single_finite_value_is_too_little_and_says_why() -> None:
    recording = sine_recording(3000)
    recording.samples[:] = np.nan
    with pytest.raises(DataError, match=r"usable 0; left out: 296 non_finite"):
        gather([data_file(recording)], SETTINGS)


def test_nothing_but_anomalies_is_too_little_and_says_why() -> None:
    recording = replace(sine_recording(3000), labels=np.ones(3000, np.int8))
    with pytest.raises(DataError, match=r"296 labelled_anomalous"):
        gather([data_file(recording)], SETTINGS)


@pytest.mark.parametrize(
    ("level", "floor"), [(40.0, 40 * CONSTANT_FRACTION), (0.0, 1.0), (-7.0, 7 * CONSTANT_FRACTION)]
)
def test_a_constant_channel_gets_a_finite_scale(level: float, floor: float) -> None:
    windows = np.full((50, 1, 8), level, np.float32)
    spec = normalization_spec(windows, NormalizationSettings())
    assert spec.scale == spec.scale_floor == pytest.approx((floor,))


def test_channels_of_one_unit_can_share_their_numbers() -> None:
    windows = np.stack([np.zeros((40, 8)), np.random.default_rng(0).normal(5, 2, (40, 8))], axis=1).astype(np.float32)
    spec = normalization_spec(windows, NormalizationSettings(shared=True))
    assert spec.centre == pytest.approx([windows.mean()] * 2, rel=1e-5)
    assert spec.scale == pytest.approx([windows.std()] * 2, rel=1e-5)
    with pytest.raises(ValidationError, match=r'`shared` belongs to kind = "fixed"'):
        NormalizationSettings(kind="stream", shared=True)


def test_the_floor_is_a_fraction_of_how_much_a_channel_moves() -> None:
    windows = np.random.default_rng(0).normal(101_325, 3, (50, 1, 80)).astype(np.float32)
    spec = normalization_spec(windows, NormalizationSettings(kind="window"))
    assert spec.scale is None
    assert spec.scale_floor[0] == pytest.approx(FLOOR_FRACTION * 3, rel=0.05)


def identities(corpus: Corpus, part: Part) -> set[tuple[int, float]]:
    origin = corpus.origins[part]
    return set(zip(origin.file.tolist(), origin.end_seconds.tolist(), strict=True))


def test_where_windows_are_few_each_calibrates_once_and_none_in_a_fold_that_learns_from_it() -> None:
    corpus = gather([data_file(sine_recording(3000, seed=seed, anomalies=2)) for seed in (1, 2)], CROSS_FITTED)
    assert len(corpus.folds) == 4
    held_out = [identities(fold, Part.CALIBRATION) for fold in corpus.folds]
    usable = sum(data.windows - data.excluded["labelled_anomalous"] for data in corpus.ranges)
    assert len(set.union(*held_out)) == sum(map(len, held_out)) == usable
    span_seconds = (corpus.window.length - 1) * corpus.sample_period_seconds
    for fold in corpus.folds:
        held = fold.origins[Part.CALIBRATION]
        for part in (Part.TRAIN, Part.VALIDATION):
            seen = fold.origins[part]
            distance = np.abs(seen.end_seconds[:, None] - held.end_seconds)[seen.file[:, None] == held.file]
            assert distance.min() > span_seconds


def test_the_calibration_part_is_what_the_folds_hold_out_in_their_order_and_in_the_same_units() -> None:
    corpus = gather([data_file(sine_recording(3000, seed=seed)) for seed in (1, 2)], CROSS_FITTED)
    joined = Windows.join([fold.parts[Part.CALIBRATION] for fold in corpus.folds])
    for one, other in zip(
        (joined.values, joined.centre, joined.scale),
        (getattr(corpus.parts[Part.CALIBRATION], name) for name in ("values", "centre", "scale")),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)
    series = corpus.series(Part.CALIBRATION, np.zeros(len(joined), np.float32))
    assert all((np.diff(one.end_seconds) > 0).all() for one in series)


def test_the_model_that_is_used_is_stopped_by_the_latest_windows_and_learns_from_all_before() -> None:
    corpus = gather([data_file(sine_recording(3000))], CROSS_FITTED)
    trained, stopping, calibrated = (
        corpus.origins[part].end_seconds for part in (Part.TRAIN, Part.VALIDATION, Part.CALIBRATION)
    )
    assert trained.min() == calibrated.min()
    assert stopping.max() == calibrated.max()
    assert trained.max() < stopping.min()


def test_whole_recordings_are_held_out_where_others_are_to_be_watched() -> None:
    settings = FitSettings(window=WINDOW, split=SplitSettings(by="recording", cross_fit=True))
    corpus = gather([data_file(sine_recording(3000, seed=seed)) for seed in range(6)], settings)
    assert len(corpus.folds) == 4
    for fold in corpus.folds:
        held = set(fold.origins[Part.CALIBRATION].file.tolist())
        assert held
        assert not held & set(fold.origins[Part.TRAIN].file.tolist())
        assert not held & set(fold.origins[Part.VALIDATION].file.tolist())


def test_many_windows_are_split_once_unless_told_otherwise() -> None:
    recording = sine_recording(10 * (FEW_WINDOWS + 10))
    assert not gather([data_file(recording)], CROSS_FITTED).folds
    told = FitSettings(window=WINDOW, split=SplitSettings(cross_fit=True))
    assert len(gather([data_file(recording)], told).folds) == 4


def test_ready_made_windows_are_split_once_unless_told_otherwise() -> None:
    windows = np.random.default_rng(0).normal(size=(300, 1, 20)).astype(np.float32)
    files = [data_file(WindowSet("ready", ("x",), windows, None))]
    assert not gather(files, FitSettings()).folds
    assert len(gather(files, FitSettings(split=SplitSettings(cross_fit=True))).folds) == 4


def test_folds_make_a_fit_of_what_is_too_short_to_keep_a_part_of_its_own_for_calibration() -> None:
    files = [data_file(sine_recording(900))]
    with pytest.raises(DataError, match="too few windows"):
        gather(files, SETTINGS)
    assert len(gather(files, CROSS_FITTED).parts[Part.CALIBRATION]) == 86


def test_a_single_recording_is_split_once_where_whole_ones_are_to_be_held_out_or_refused_if_folds_are_asked_for() -> (
    None
):
    files = [data_file(sine_recording(3000))]
    by_recording = SplitSettings(by="recording")
    assert not gather(files, FitSettings(window=WINDOW, split=by_recording)).folds
    asked_for = by_recording.model_copy(update={"cross_fit": True})
    with pytest.raises(DataError, match="too few windows"):
        gather(files, FitSettings(window=WINDOW, split=asked_for))
