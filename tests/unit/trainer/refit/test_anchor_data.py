"""What the first model was fitted to is kept beside it: thinned to a bound, evenly over time, as it was."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.core.dataset.recording import Recording, WindowSet
from tests.sines import data_file, sine_recording
from trainer.data.cutting import cut, plan_windows
from trainer.data.gathering import gather
from trainer.data.published_alerts import Alerted
from trainer.errors import ArtifactError, OutputError
from trainer.refit.anchor_data import AnchorData, keep_anchor_data, read_anchor_data, stream_of
from trainer.settings import FitSettings, SplitSettings, WindowSettings, load_settings

LENGTH = 50
SETTINGS = FitSettings(window=WindowSettings(length=LENGTH, stride=10), split=SplitSettings(cross_fit=False))


def kept(folder: Path, *recordings: Recording, **keywords: Any) -> AnchorData:
    files = [data_file(recording) for recording in recordings]
    keep_anchor_data(folder, "v1", files, SETTINGS, LENGTH, **keywords)
    data = read_anchor_data(folder)
    assert data is not None
    return data


def recording_in(data: AnchorData, number: int = 0) -> Recording:
    content = data.files[number].content
    assert isinstance(content, Recording)
    return content


def test_recordings_that_fit_are_kept_whole_and_a_fit_to_them_is_the_same(tmp_path: Path) -> None:
    given = [sine_recording(3000, seed=1, anomalies=3), sine_recording(3000, seed=2)]
    data = kept(tmp_path, *given)
    assert (data.version, data.settings) == ("v1", SETTINGS)
    again, first = gather(list(data.files), data.settings), gather([data_file(one) for one in given], SETTINGS)
    for part, windows in first.parts.items():
        np.testing.assert_array_equal(again.parts[part].values, windows.values)
    assert [file.sha256 for file in data.files] == [data_file(one).sha256 for one in given]
    assert [file.name for file in data.files] == ["anchor/sine-1.npz", "anchor/sine-2.npz"]


def test_long_recordings_are_thinned_evenly_to_the_bound(tmp_path: Path) -> None:
    long, short = sine_recording(400_000, seed=1), sine_recording(20_000, seed=2)
    data = kept(tmp_path, long, short, most_bytes=2_000_000)
    written = sum(file.stat().st_size for file in (tmp_path / "anchor").iterdir())
    assert 1_200_000 < written < 2_100_000
    thinned = recording_in(data)
    shares, _ = np.histogram(thinned.time_seconds, bins=5, range=(0, long.time_seconds[-1]))
    np.testing.assert_allclose(shares, shares.mean(), rtol=0.2)
    assert len(recording_in(data, 1).samples) > 1000


@pytest.mark.parametrize(("count", "share"), [(100_000, 0.125), (61 * 32 * LENGTH + 60, 0.9995)])
def test_no_window_spans_two_stretches_however_near_they_are(tmp_path: Path, count: int, share: float) -> None:
    recording = sine_recording(count)
    nbytes = recording.samples.nbytes + recording.time_seconds.nbytes + recording.segment.nbytes
    data = kept(tmp_path, recording, most_bytes=int(share * nbytes))
    assert len(recording_in(data).samples) < count
    (file,) = data.files
    spec, period = plan_windows([file], SETTINGS.window)
    windows = cut(file, 0, recording.channels, spec, period).batch
    ends = np.round(windows.end_seconds / recording.sample_period_seconds).astype(int)
    assert len(ends) > 100
    for end, values in zip(ends, windows.values, strict=True):
        np.testing.assert_array_equal(values, recording.samples[end - LENGTH + 1 : end + 1].T)


def test_ready_made_windows_are_thinned_too(tmp_path: Path) -> None:
    values = np.arange(1000 * 2 * 50, dtype=np.float32).reshape(1000, 2, 50)
    keep_anchor_data(
        tmp_path, "v1", [data_file(WindowSet("w.npz", ("a", "b"), values, None))], SETTINGS, 50, most_bytes=100_000
    )
    data = read_anchor_data(tmp_path)
    assert data is not None
    content = data.files[0].content
    assert isinstance(content, WindowSet)
    assert 200 < len(content.windows) <= 250
    assert content.windows[-1, -1, -1] == values[-1, -1, -1]


def test_what_an_alert_was_open_for_is_kept_as_anomalous(tmp_path: Path) -> None:
    data = kept(tmp_path, sine_recording(3000, seed=1), alerts=[Alerted("sine-1", 10.0, 20.0)])
    recording = recording_in(data)
    assert recording.labels is not None
    inside = (recording.time_seconds >= 10) & (recording.time_seconds <= 20)
    np.testing.assert_array_equal(recording.labels == 1, inside)


def test_the_last_part_is_held_out_and_shares_no_sample_with_the_rest(tmp_path: Path) -> None:
    train, held_out = kept(tmp_path, sine_recording(4000)).parts()
    assert isinstance(train[0].content, Recording)
    assert isinstance(held_out[0].content, Recording)
    assert (len(train[0].content.samples), len(held_out[0].content.samples)) == (3000, 1000)
    assert train[0].content.time_seconds[-1] < held_out[0].content.time_seconds[0]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"model.family": "conv", "training.max_epochs": 3},
        {"calibration.rule": "quantile"},
        {"normalization.kind": "stream", "representation.kind": "spectrum"},
        {"window.cut": "beat", "normalization.kind": "template"},
    ],
)
def test_settings_are_read_back_as_they_were(tmp_path: Path, given: dict[str, Any]) -> None:
    settings = load_settings(None, given)
    keep_anchor_data(tmp_path, "v1", [data_file(sine_recording(500))], settings, LENGTH)
    data = read_anchor_data(tmp_path)
    assert data is not None
    assert data.settings == settings


def test_a_folder_without_data_has_none_and_one_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    assert read_anchor_data(tmp_path) is None
    kept(tmp_path, sine_recording(500))
    (tmp_path / "anchor" / "0000.npz").write_bytes(b"PK")
    with pytest.raises(ArtifactError, match="cannot be used"):
        read_anchor_data(tmp_path)
    (tmp_path / "anchor" / "recordings.json").unlink()
    with pytest.raises(ArtifactError, match="not whole"):
        read_anchor_data(tmp_path)


def test_a_folder_that_cannot_be_written_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        keep_anchor_data(tmp_path / "file", "v1", [data_file(sine_recording(500))], SETTINGS, LENGTH)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_fit_anew_takes_the_place_of_what_was_kept(tmp_path: Path) -> None:
    kept(tmp_path, sine_recording(500, seed=1), sine_recording(500, seed=2))
    assert len(kept(tmp_path, sine_recording(500, seed=3)).files) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["anchor"]


@pytest.mark.parametrize(
    ("name", "stream"),
    [
        ("plant1.motor-17.npz", "plant1.motor-17"),
        ("plant1.motor-17", "plant1.motor-17"),
        ("anchor/plant1.motor-17.csv", "plant1.motor-17"),
        ("100.hea", "100"),
    ],
)
def test_the_name_of_a_file_tells_its_stream(name: str, stream: str) -> None:
    assert stream_of(name) == stream
