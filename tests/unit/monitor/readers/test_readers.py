"""WFDB, MATLAB and Parquet files, written here by the libraries themselves, become the recordings they hold."""

import datetime as dt
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.io
import wfdb

from monitor.core.dataset.recording import Recording, RecordingError
from monitor.readers import read_file
from monitor.readers.reading_settings import MatlabSettings, ReadingSettings, WfdbSettings
from trainer.data.cutting import read_files

SAMPLES = np.random.default_rng(0).normal(size=(500, 2))


def read(path: Path, reading: ReadingSettings | None = None, sample_rate_hz: float | None = None) -> Recording:
    content, _ = read_file(path, reading or ReadingSettings(), sample_rate_hz)
    assert isinstance(content, Recording)
    return content


def record(folder: Path, beats: str = "", start: dt.datetime | None = None) -> Path:
    """Write a WFDB record of 500 samples at 100 Hz; `beats` are annotated at samples 50, 150, 250 …"""
    wfdb.wrsamp(
        "r1", fs=100, units=["mV", "mV"], sig_name=["MLII", "V 5"], p_signal=SAMPLES, fmt=["16", "16"],
        write_dir=str(folder), base_datetime=start,
    )  # fmt: skip
    if beats:
        at = 50 + 100 * np.arange(len(beats))
        wfdb.wrann("r1", "atr", at, symbol=list(beats), fs=100, write_dir=str(folder))
    return folder / "r1.hea"


def test_a_wfdb_record_is_read_in_physical_units(tmp_path: Path) -> None:
    recording = read(record(tmp_path))
    assert (recording.name, recording.channels) == ("r1", ("MLII", "V_5"))
    assert recording.sample_period_seconds == 0.01
    assert recording.labels is None
    np.testing.assert_allclose(recording.samples, SAMPLES, atol=2e-4)


def test_a_wfdb_record_with_a_date_has_its_time(tmp_path: Path) -> None:
    recording = read(record(tmp_path, start=dt.datetime(2020, 9, 13, 12, 26, 40)))  # noqa: DTZ001 - wfdb wants it bare
    assert recording.time_seconds[[0, 100]].tolist() == [1_600_000_000.0, 1_600_000_001.0]


def test_abnormal_beats_are_labelled_from_p_to_t_wave_and_other_marks_are_not(tmp_path: Path) -> None:
    labels = read(record(tmp_path, beats="N+VL~")).labels
    assert labels is not None
    assert np.flatnonzero(labels).tolist() == list(range(225, 296))  # the V at 250, 0.25 s before to 0.45 s behind


def test_which_beats_are_abnormal_is_a_setting(tmp_path: Path) -> None:
    settings = ReadingSettings(wfdb=WfdbSettings(abnormal_beats="L", before_seconds=0, after_seconds=0))
    labels = read(record(tmp_path, beats="NVL"), settings).labels
    assert labels is not None
    assert np.flatnonzero(labels).tolist() == [250]


def test_the_checksum_of_a_record_covers_signals_and_annotations(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    bare, annotated = record(tmp_path / "a"), record(tmp_path / "b", beats="NNV")
    first, second = (read_files([path])[0].sha256 for path in (bare, annotated))
    signal = bare.with_suffix(".dat")
    signal.write_bytes(signal.read_bytes()[::-1])
    assert len({first, second, read_files([bare])[0].sha256}) == 3


def test_a_matlab_matrix_is_read_by_the_usual_names(tmp_path: Path) -> None:
    path = tmp_path / "rig.mat"
    scipy.io.savemat(path, {"data": SAMPLES, "fs": 200.0, "label": np.arange(500) >= 400, "note": "bearing 3"})
    recording = read(path)
    assert (recording.channels, recording.sample_period_seconds) == (("data_1", "data_2"), 0.005)
    np.testing.assert_array_equal(recording.samples, SAMPLES.astype(np.float32))
    assert recording.labels is not None
    assert recording.labels.sum() == 100


def test_a_matlab_matrix_may_have_a_channel_per_row(tmp_path: Path) -> None:
    path = tmp_path / "rig.mat"
    scipy.io.savemat(path, {"x": SAMPLES.T, "t": np.arange(500) / 50})
    recording = read(path)
    assert recording.samples.shape == (500, 2)
    assert recording.sample_period_seconds == pytest.approx(0.02)


def test_matlab_vectors_become_channels_when_named(tmp_path: Path) -> None:
    path = tmp_path / "97.mat"
    scipy.io.savemat(path, {"X097_DE_time": SAMPLES[:, :1], "X097_FE_time": SAMPLES[:, 1:], "X097RPM": 1796})
    settings = ReadingSettings(matlab=MatlabSettings(samples=("X097_FE_time", "X097_DE_time")))
    recording = read(path, settings, sample_rate_hz=12_000)
    assert recording.channels == ("X097_FE_time", "X097_DE_time")
    assert recording.sample_period_seconds == pytest.approx(1 / 12_000)
    np.testing.assert_array_equal(recording.samples[:, 1], SAMPLES[:, 0].astype(np.float32))


@pytest.mark.parametrize(
    ("variables", "settings", "message"),
    [
        ({"x": SAMPLES, "y": SAMPLES, "fs": 9}, {}, r"which variable holds the samples\? .*x \[500, 2\], y \[500, 2\]"),
        ({"x": SAMPLES}, {}, r"does not say its sample rate: give --sample-rate.*variables: x \[500, 2\]"),
        ({"x": SAMPLES, "fs": 9, "Rate": 8}, {}, "`rate_hz` may be fs or Rate: say which"),
        ({"x": SAMPLES, "fs": 9}, {"samples": ("z",)}, r"no variable 'z' of numbers \(variables: x"),
        ({"x": SAMPLES, "fs": 9}, {"rate_hz": "hz"}, "no variable 'hz' of numbers"),
        ({"x": SAMPLES, "y": SAMPLES[:9, 0], "fs": 9}, {"samples": ("x", "y")}, "must be vectors of one length"),
        ({"x": SAMPLES, "fs": 0.0}, {}, "`sample_rate_hz` must be one number above 0"),
    ],
)
def test_a_matlab_file_that_leaves_it_open_lists_its_variables(
    tmp_path: Path, variables: dict[str, object], settings: dict[str, object], message: str
) -> None:
    path = tmp_path / "rig.mat"
    scipy.io.savemat(path, variables)
    with pytest.raises(RecordingError, match=message):
        read(path, ReadingSettings(matlab=MatlabSettings.model_validate(settings)))


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_a_parquet_table_is_read_as_a_csv_would_be(tmp_path: Path, unit: str, zone: str | None) -> None:
    path = tmp_path / "pump.parquet"
    time = (
        pa.array(np.arange(1_600_000_000, 1_600_000_003)).cast(pa.timestamp("s", zone)).cast(pa.timestamp(unit, zone))
    )
    table = pa.table({"time": time, "flow": pa.array([1.5, None, 3]), "rpm": pa.array([1, 2, 3]), "label": [0, 0, 1]})
    pq.write_table(table, path)
    recording = read(path)
    assert recording.channels == ("flow", "rpm")
    assert recording.time_seconds.tolist() == [1_600_000_000.0, 1_600_000_001.0, 1_600_000_002.0]
    np.testing.assert_array_equal(recording.samples, np.array([[1.5, 1], [np.nan, 2], [3, 3]], np.float32))
    assert recording.labels is not None
    assert recording.labels.tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"flow": [1.0, 2.0]}, r"no column `time` \(columns: flow\)"),
        ({"time": [1.0, 2.0], "state": ["on", "off"]}, r"column 'state' has type (large_)?string, expected numbers"),
        ({"time": pa.array([], pa.float64()), "x": pa.array([], pa.float64())}, "no rows"),
        ({"time": [1e12, 2e12], "x": [1.0, 2.0]}, "are these milliseconds"),
    ],
)
def test_a_parquet_table_that_breaks_the_contract_is_refused(
    tmp_path: Path, columns: dict[str, object], message: str
) -> None:
    path = tmp_path / "pump.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(RecordingError, match=message):
        read(path)


@pytest.mark.parametrize("suffix", [".hea", ".mat", ".parquet"])
def test_damaged_and_missing_files_are_data_errors(tmp_path: Path, suffix: str) -> None:
    damaged = tmp_path / f"junk{suffix}"
    damaged.write_bytes(b"\x00junk" * 50)
    with pytest.raises(RecordingError, match=rf"junk\{suffix}: not a readable"):
        read(damaged)
    with pytest.raises(RecordingError, match="No such file"):
        read(tmp_path / f"none{suffix}")


def test_a_record_whose_signal_file_is_missing_names_it(tmp_path: Path) -> None:
    header = record(tmp_path)
    header.with_suffix(".dat").unlink()
    with pytest.raises(RecordingError, match=r"r1\.dat: No such file"):
        read(header)


@pytest.mark.parametrize(("suffix", "package", "extra"), [(".hea", "wfdb", "wfdb"), (".parquet", "pyarrow", "parquet")])
def test_a_missing_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, package: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    for module in [name for name in sys.modules if name.startswith("monitor.readers.")]:
        monkeypatch.delitem(sys.modules, module)
    (tmp_path / f"a{suffix}").write_bytes(b"")
    with pytest.raises(RecordingError, match=rf"needs {package}: pip install 'residuald\[{extra}\]'"):
        read(tmp_path / f"a{suffix}")
