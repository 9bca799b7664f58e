"""What the converters make of public recordings, on small ones with the same keys."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmarks.datasets.converters import (
    ConversionError,
    Split,
    ecg5000,
    fan,
    hydraulic,
    mitdb,
    nab,
    skab,
    skab_normal,
    svdb,
)
from monitor.core.artifact.manifest import WindowSpec
from monitor.core.dataset.cutting import window_labels, windows_of
from monitor.core.dataset.recording import Recording, WindowSet, parse_recording
from monitor.core.dataset.recording_write import recording_to_npz_bytes, window_set_to_npz_bytes

RATE_HZ = 20  # of the ECGs below; what is tested is the same at 360
LEARNING = 300 * RATE_HZ

Arrays = dict[str, NDArray[Any]]


def ecg(beats: Sequence[tuple[int, str]], count: int = LEARNING + 1000) -> Arrays:
    """A record `7` of the MIT-BIH database: (sample, symbol) of each annotation."""
    return {
        "fs": np.array(RATE_HZ),
        "adc_gain": np.array(200.0),
        "adc_zero": np.array(1024),
        "sig_7": np.arange(count, dtype=np.int16),
        "ann_sample_7": np.array([at for at, _ in beats], np.int32),
        "ann_symbol_7": np.array([symbol for _, symbol in beats], dtype="<U1"),
    }


def fan_runs(speeds: Sequence[int] = (20, 40, 100), count: int = 300) -> Arrays:
    """Balanced runs shake by 1 g, unbalanced by 5 g."""
    kinds = [(config, speed) for config in (1, 3) for speed in speeds]
    return {
        "fs": np.array(50),
        "xyz": np.concatenate([np.full((count, 3), 5.0 if config == 1 else 1.0) for config, _ in kinds]),
        "config": np.repeat([config for config, _ in kinds], count),
        "speed_pct": np.repeat([speed for _, speed in kinds], count),
        "pos": np.tile(np.arange(count), len(kinds)),
    }


def pump(files: Sequence[str] = ("valve1/0", "valve2/0"), rows: int = 600) -> Arrays:
    arrays: Arrays = {"columns": np.array(["Current", "Volume Flow RateRMS"]), "files": np.array(files)}
    for number, file in enumerate(files):
        key = file.replace("/", "_")
        arrays[f"time_{key}"] = 1_583_000_000 + 10_000 * number + np.arange(rows)
        arrays[f"X_{key}"] = np.full((rows, 2), float(number))
        arrays[f"anomaly_{key}"] = (np.arange(rows) >= 500).astype(np.uint8)
    return arrays


def labels(recording: Recording) -> NDArray[np.int8]:
    assert recording.labels is not None
    return recording.labels


def both(split: Split) -> list[Recording]:
    return [*split.train, *split.stream]


@pytest.mark.parametrize(
    "content",
    [
        *both(mitdb(ecg([(5, "N"), (6500, "V")]), "7")),
        *both(fan(fan_runs())),
        *both(skab(pump(), "valve1")),
    ],
    ids=lambda content: content.name,
)
def test_what_comes_out_keeps_the_dataset_contract(content: Recording) -> None:
    parsed = parse_recording(f"{content.name}.npz", recording_to_npz_bytes(content))
    assert isinstance(parsed, Recording)
    assert parsed.name == content.name
    assert parsed.channels == content.channels
    np.testing.assert_array_equal(parsed.samples, content.samples)
    np.testing.assert_array_equal(parsed.time_seconds, content.time_seconds)


def test_an_ecg_is_in_millivolts_and_split_after_five_minutes() -> None:
    split = mitdb(ecg([]), "7")
    (train,), (stream,) = split.train, split.stream
    assert (len(train.samples), len(stream.samples)) == (LEARNING, 1000)
    assert train.samples[0, 0] == pytest.approx(-1024 / 200)
    assert stream.samples[0, 0] == pytest.approx((LEARNING - 1024) / 200)
    assert stream.time_seconds[0] - train.time_seconds[-1] == pytest.approx(1 / RATE_HZ, abs=1e-6)


def test_the_whole_extent_of_an_abnormal_beat_is_kept_from_learning_but_only_its_peak_counts_in_the_stream() -> None:
    split = mitdb(ecg([(100, "V"), (LEARNING + 100, "V")]), "7")
    assert np.flatnonzero(labels(split.train[0])).tolist() == list(range(95, 109))  # -0.25 s … +0.45 s at 20 Hz
    assert np.flatnonzero(labels(split.stream[0])).tolist() == [100]


def test_a_beat_just_after_the_split_is_kept_from_learning_as_far_as_it_reaches_back() -> None:
    split = mitdb(ecg([(LEARNING + 1, "A")]), "7")
    assert np.flatnonzero(labels(split.train[0])).tolist() == list(range(LEARNING - 4, LEARNING))


@pytest.mark.parametrize("symbol", list('NLRej+~|"x[]!'))
def test_normal_beats_and_annotations_that_are_no_beats_are_not_anomalous(symbol: str) -> None:
    split = mitdb(ecg([(100, symbol), (LEARNING + 100, symbol)]), "7")
    assert not any(labels(part).any() for part in both(split))


@given(
    st.lists(
        st.tuples(st.integers(0, LEARNING + 999), st.sampled_from("NVASFQ/~")), max_size=40, unique_by=lambda b: b[0]
    )
)
def test_a_streamed_window_is_anomalous_just_when_it_holds_the_peak_of_an_abnormal_beat(
    beats: list[tuple[int, str]],
) -> None:
    (stream,) = mitdb(ecg(sorted(beats)), "7").stream
    spec = WindowSpec(length=20, stride=7)
    batch = windows_of(stream, spec, stream.sample_period_seconds)
    peaks = {at - LEARNING for at, symbol in beats if symbol not in "N~"}
    held = [any(start <= peak < start + 20 for peak in peaks) for start in range(0, 1000 - 19, 7)]
    assert window_labels(stream, batch, spec.length).tolist() == held


def test_a_record_that_is_not_there_or_too_short_is_refused() -> None:
    with pytest.raises(ConversionError, match="no `sig_8`"):
        mitdb(ecg([]), "8")
    with pytest.raises(ConversionError, match="within the 300 s"):
        mitdb(ecg([], count=LEARNING), "7")


def test_the_fan_learns_from_balanced_runs_only_and_every_speed_is_learnt() -> None:
    split = fan(fan_runs())
    assert [train.name for train in split.train] == ["fan-040", "fan-100"]  # not 20 %
    assert all((train.samples == 1.0).all() and len(train.samples) == 200 for train in split.train)


def test_a_fan_stream_goes_on_where_learning_ended_and_is_anomalous_once_unbalanced() -> None:
    split = fan(fan_runs())
    for train, stream in zip(split.train, split.stream, strict=True):
        assert stream.time_seconds[0] - train.time_seconds[-1] == pytest.approx(1 / 50, abs=1e-6)
        assert len(stream.samples) == 100 + 300
        np.testing.assert_array_equal(labels(stream) == 1, stream.samples[:, 0] == 5.0)


def test_no_fan_window_spans_the_moving_of_the_weights() -> None:
    stream = fan(fan_runs()).stream[0]
    batch = windows_of(stream, WindowSpec(length=32, stride=4), stream.sample_period_seconds)
    assert (batch.values.min(axis=(1, 2)) == batch.values.max(axis=(1, 2))).all()


def test_a_fan_run_with_samples_missing_is_refused() -> None:
    arrays = fan_runs()
    arrays["pos"][450:600] += 1  # in the middle of the run at 40 %
    with pytest.raises(ConversionError, match="unbroken"):
        fan(arrays)


def test_the_pump_learns_from_the_first_400_rows_of_one_group() -> None:
    split = skab(pump(), "valve1")
    assert [part.name for part in both(split)] == ["skab-valve1-0", "skab-valve1-0"]
    assert split.train[0].channels == ("Current", "Volume_Flow_RateRMS")
    assert [len(part.samples) for part in both(split)] == [400, 200]
    assert [int(labels(part).sum()) for part in both(split)] == [0, 100]
    assert split.stream[0].time_seconds[0] == split.train[0].time_seconds[-1] + 1


def test_a_pump_group_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConversionError, match="valve1/0, valve2/0"):
        skab(pump(), "valve3")


def test_whole_recordings_come_with_their_labels() -> None:
    (normal,) = skab_normal({"columns": np.array(["Current"]), "time": np.arange(50), "X": np.zeros((50, 1))})
    assert normal.labels is None
    (beats,) = svdb(
        {"records": np.array(["805"]), "fs": np.array(128), "sig_805": np.zeros(9), "anomaly_805": np.arange(9) > 6}
    )
    assert labels(beats).tolist() == [0] * 7 + [1, 1]
    assert beats.sample_period_seconds == 1 / 128
    (series,) = nab(
        {
            "files": np.array(["heat"]),
            "time_heat": np.arange(5) * 300,
            "value_heat": np.zeros(5),
            "windows_heat": np.array([[300, 600], [1200, 1500]]),
        }
    )
    assert labels(series).tolist() == [0, 1, 1, 0, 1]


def test_ready_made_windows_keep_the_dataset_contract() -> None:
    train, test = ecg5000(
        {
            "X_train": np.zeros((3, 140)),
            "y_train": np.array([1, 2, 5]),
            "X_test": np.zeros((2, 140)),
            "y_test": np.array([1, 1]),
        }
    )
    (cycles,) = hydraulic(
        {
            "X": np.arange(2 * 60 * 2).reshape(2, 60, 2),
            "channels": np.array(["TS1", "VS1"]),
            "profile_columns": np.array(["valve_pct", "cooler_pct"]),
            "profile": np.array([[100, 20], [73, 100]]),
        }
    )
    for windows, expected in ((train, [0, 1, 1]), (test, [0, 0]), (cycles, [1, 0])):
        parsed = parse_recording("w.npz", window_set_to_npz_bytes(windows))
        assert isinstance(parsed, WindowSet)
        assert parsed.labels is not None
        assert parsed.labels.tolist() == expected
    assert cycles.windows.shape == (2, 2, 60)
    assert cycles.windows[0, 1, :3].tolist() == [1, 3, 5]
