"""Recordings: what the dataset contract admits, what comes of it, and in which words the rest is refused."""

import io
import zipfile
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from monitor.core.dataset.recording import BREAK_PERIODS, Recording, RecordingError, WindowSet, parse_recording
from monitor.core.dataset.recording_write import recording_to_csv_bytes, recording_to_npz_bytes, window_set_to_npz_bytes

CHANNELS = np.array(["vib_x", "current"])
SAMPLES = np.arange(8, dtype=np.float32).reshape(4, 2)


def npz(**members: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **{key: value for key, value in members.items() if value is not None})
    return file.getvalue()


def recording(file_name: str, data: bytes) -> Recording:
    parsed = parse_recording(file_name, data)
    assert isinstance(parsed, Recording)
    return parsed


def csv(text: str) -> Recording:
    return recording("run.csv", text.encode())


# CSV


def test_a_csv_has_a_time_column_channels_and_labels() -> None:
    run = csv("time,vib_x,label,current\n10,1.5,0,2\n10.5,-1e-3,1,3\n11,0,0,4\n")
    assert run.name == "run"
    assert run.channels == ("vib_x", "current")
    assert run.samples.dtype == np.float32
    assert run.samples.tolist() == [[1.5, 2], [pytest.approx(-1e-3), 3], [0, 4]]
    assert run.time_seconds.tolist() == [10, 10.5, 11]
    assert run.sample_period_seconds == 0.5
    assert run.labels is not None
    assert run.labels.tolist() == [0, 1, 0]
    assert run.segment.tolist() == [0, 0, 0]


def test_a_csv_without_labels_says_so() -> None:
    assert csv("time,a\n0,1\n1,2\n").labels is None


def test_iso_times_become_epoch_seconds_and_are_utc_unless_they_say_otherwise() -> None:
    run = csv("time,a\n2026-01-31T12:00:00,1\n2026-01-31T12:00:01Z,2\n2026-01-31 13:00:02+01:00,3\n")
    assert (run.time_seconds - run.time_seconds[0]).tolist() == [0, 1, 2]
    assert run.time_seconds[0] == 1_769_860_800


def test_an_empty_cell_is_a_missing_value() -> None:
    run = csv("time,a,b\n0,,1\n1, ,nan\n2,3,4\n")
    assert np.isnan(run.samples).tolist() == [[True, False], [True, True], [False, False]]


def test_spreadsheet_habits_do_not_matter() -> None:
    run = csv('\ufefftime, "a"\r\n\r\n0 ,"1"\r\n1, 2\r\n\r\n')
    assert run.channels == ("a",)
    assert run.samples.tolist() == [[1], [2]]


def test_the_sample_period_is_the_median_step_forward() -> None:
    run = csv("time,a\n" + "".join(f"{time},0\n" for time in (0, 1, 2, 3, 100, 101, 50, 51, 51, 52)))
    assert run.sample_period_seconds == 1
    assert run.time_seconds.tolist() == [0, 1, 2, 3, 100, 101, 50, 51, 51, 52]


def test_a_long_csv_is_the_same_in_every_part() -> None:
    count = 200_000
    run = csv("time,a,b\n" + "".join(f"{k},{k % 1000},{'' if k % 7 else k % 3}\n" for k in range(count)))
    number = np.arange(count)
    assert np.array_equal(run.time_seconds, number)
    assert np.array_equal(run.samples[:, 0], number % 1000)
    assert np.array_equal(run.samples[:, 1], np.where(number % 7, np.nan, number % 3), equal_nan=True)


def test_a_bad_cell_far_down_is_named_by_its_row() -> None:
    with pytest.raises(RecordingError, match="row 150001, column 'a': 'x'"):
        csv("time,a\n" + "1,2\n" * 150_000 + "1,x\n")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no `time` column"),
        ("datetime,a\n1,2\n", r"no `time` column \(columns: datetime, a\).*name the column"),
        ("time;a\n1;2\n", "separated by ';': write the file with commas"),
        ("time\ta\n1\t2\n", "write the file with commas"),
        ("time,a\n", "no rows"),
        ("time\n1\n2\n", "no channel"),
        ("time,label\n1,0\n2,0\n", "no channel"),
        ("time,a,a\n1,2,3\n", "two columns are named 'a'"),
        ("time,a,time\n1,2,3\n", "two columns are named 'time'"),
        ("time,flow rate\n1,2\n2,3\n", "'flow rate' cannot be a channel name: use e.g. 'flow_rate'"),
        ("time,a,\n1,2,3\n2,3,4\n", "'' cannot be a channel name"),
        ("time,a,anomaly\n1,2,0\n2,3,1\n", "column 'anomaly' would be read as a channel: name it `label`"),
        ("time,a,Label\n1,2,0\n2,3,1\n", "column 'Label' would be read as a channel"),
        ("time,a\n1,2\n2,3,4\n", "row 2 has 3 cells, the header has 2"),
        ("time,a\n1,2\n2,x\n", "row 2, column 'a': 'x' is not a number"),
        ("time,a\n1,2\n2,1_000\n", "row 2, column 'a': '1_000' is not a number"),
        ("time,a\nyesterday,2\n", "row 1, column 'time': 'yesterday' is neither an ISO 8601 time.*nor epoch seconds"),
        ("time,a\n,2\n1,3\n", "row 1, column 'time': '' is neither"),
        ("time,a\n1,2\n,3\n", "row 2: time nan"),
        ("time,a\n1,2\ninf,3\n", "row 2: time inf"),
        ("time,a\n1,2\n2026-01-31T12:00:00Z,3\n", "row 2, column 'time'"),
        ("time,a\n1700000000000,2\n1700000001000,3\n", "milliseconds"),
        ("time,a\n5,2\n5,3\n", "sample period cannot be told"),
        ("time,a\n5,2\n", "sample period cannot be told"),
        ("time,a,label\n1,2,0\n2,3,2\n", r"`label` must be 0 \(normal\) or 1 \(anomaly\), found 2.0 in row 2"),
        ("time,a,label\n1,2,0\n2,3,\n", "found nan in row 2"),
        ('time,a\n1,"2\n', "line 2: "),
    ],
)
def test_a_csv_that_breaks_the_contract_is_refused_with_what_would_be_right(text: str, complaint: str) -> None:
    with pytest.raises(RecordingError, match=complaint):
        csv(text)


def test_a_csv_in_another_encoding_is_refused() -> None:
    with pytest.raises(RecordingError, match="not UTF-8"):
        parse_recording("run.csv", "time,a\n1,2\n# Größe\n".encode("latin-1"))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_csv_or_a_recording_error(data: bytes) -> None:
    for content in (data, b"time,a\n" + data):
        with suppress(RecordingError):
            parse_recording("run.csv", content)


# NPZ


def test_an_npz_with_a_rate_starts_at_zero() -> None:
    run = recording("fan.npz", npz(samples=SAMPLES, channels=CHANNELS, sample_rate_hz=50))
    assert run.name == "fan"
    assert run.channels == ("vib_x", "current")
    assert np.array_equal(run.samples, SAMPLES)
    assert run.time_seconds.tolist() == pytest.approx([0, 0.02, 0.04, 0.06])
    assert run.sample_period_seconds == 0.02
    assert run.labels is None


def test_where_a_recording_with_a_rate_breaks_time_leaps_further_than_a_window_may_bridge() -> None:
    run = recording("a.npz", npz(samples=SAMPLES, channels=CHANNELS, sample_rate_hz=2.0, segment=[3, 3, 1, 3]))
    assert np.diff(run.time_seconds).tolist() == [0.5, 0.5 * (1 + BREAK_PERIODS), 0.5 * (1 + BREAK_PERIODS)]
    assert run.segment.tolist() == [3, 3, 1, 3]


def test_an_npz_with_times_keeps_them_even_where_they_step_back() -> None:
    time = np.array([100, 101, 99, 100])
    run = recording("a.npz", npz(samples=SAMPLES, channels=CHANNELS, time=time, labels=np.array([0, 1, 0, 1])))
    assert run.time_seconds.tolist() == time.tolist()
    assert run.sample_period_seconds == 1
    assert run.labels is not None
    assert run.labels.tolist() == [0, 1, 0, 1]


def test_steps_across_a_break_do_not_count_for_the_sample_period() -> None:
    run = recording("a.npz", npz(samples=SAMPLES, channels=CHANNELS, time=[0.0, 2.0, 12.0, 22.0], segment=[0, 0, 1, 2]))
    assert run.sample_period_seconds == 2


def test_with_both_time_and_rate_the_rate_is_the_grid() -> None:
    run = recording("a.npz", npz(samples=SAMPLES, channels=CHANNELS, time=[0.0, 1.0, 1.5, 2.5], sample_rate_hz=2))
    assert run.time_seconds.tolist() == [0, 1, 1.5, 2.5]
    assert run.sample_period_seconds == 0.5


def test_numbers_too_large_for_float32_become_infinite_without_a_warning() -> None:
    run = recording("a.npz", npz(samples=np.array([[1e300], [np.nan]]), channels=["a"], sample_rate_hz=1))
    assert np.isinf(run.samples[0, 0])
    assert np.isnan(run.samples[1, 0])


def test_an_npz_of_windows_has_no_time() -> None:
    windows = np.arange(12, dtype=np.int16).reshape(3, 2, 2)
    parsed = parse_recording("beats.NPZ", npz(windows=windows, channels=CHANNELS, labels=[True, False, True]))
    assert isinstance(parsed, WindowSet)
    assert parsed.windows.dtype == np.float32
    assert np.array_equal(parsed.windows, windows)
    assert parsed.labels is not None
    assert parsed.labels.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"samples": None}, "exactly one of `samples`.*keys: channels, sample_rate_hz"),
        ({"windows": np.zeros((1, 2, 3))}, "exactly one of"),
        ({"channels": None}, "`channels` must be a list of texts"),
        ({"channels": np.array([1, 2])}, "`channels` must be a list of texts"),
        ({"channels": np.array(["a"])}, r"`samples` has shape \[4, 2\], expected \[n, 1\]"),
        ({"channels": np.array(["a", "a"])}, "two channels are named 'a'"),
        ({"channels": np.array(["a", "b/c"])}, "'b/c' cannot be a channel name: use e.g. 'b_c'"),
        ({"samples": np.zeros(4)}, r"`samples` has shape \[4\]"),
        ({"samples": np.zeros((0, 2))}, "`samples` is empty"),
        ({"samples": np.array([["x", "y"]])}, "`samples` has type <U1, expected real numbers"),
        ({"samples": SAMPLES.astype(complex)}, "expected real numbers"),
        ({"sample_rate_hz": None}, "`sample_rate_hz` or `time`"),
        ({"sample_rate_hz": 0}, "`sample_rate_hz` must be one number above 0"),
        ({"sample_rate_hz": np.nan}, "`sample_rate_hz` must be one number above 0"),
        ({"sample_rate_hz": [1, 2]}, "`sample_rate_hz` must be one number above 0"),
        ({"time": np.arange(3)}, r"`time` has shape \[3\], expected \[4\]"),
        ({"time": np.array([0, 1, np.nan, 3])}, "row 3: time nan"),
        ({"time": np.arange(4) + 1.7e12}, "milliseconds"),
        ({"sample_rate_hz": None, "time": np.zeros(4)}, "sample period cannot be told"),
        ({"labels": np.zeros(3)}, r"`labels` has shape \[3\], expected \[4\]"),
        ({"labels": np.array([0, 1, 2, 0])}, "`labels` must be 0 .* found 2 in row 3"),
        ({"segment": np.zeros(4)}, "`segment` must hold 4 integers"),
        ({"segment": np.zeros(3, dtype=int)}, "`segment` must hold 4 integers"),
        ({"label": np.zeros(4)}, "key `label` is not in the contract: did you mean `labels`"),
        ({"anomaly": np.zeros(4)}, "did you mean `labels`"),
    ],
)
def test_an_npz_that_breaks_the_contract_is_refused_with_what_would_be_right(
    changed: dict[str, Any], complaint: str
) -> None:
    members = {"samples": SAMPLES, "channels": CHANNELS, "sample_rate_hz": 50} | changed
    with pytest.raises(RecordingError, match=complaint):
        parse_recording("a.npz", npz(**members))


def test_windows_of_the_wrong_shape_are_refused() -> None:
    with pytest.raises(RecordingError, match=r"`windows` has shape \[3, 4\], expected \[N, 2, L\]"):
        parse_recording("a.npz", npz(windows=np.zeros((3, 4)), channels=CHANNELS))


def test_pickled_objects_are_never_loaded() -> None:
    with pytest.raises(RecordingError, match="not a readable NPZ"):
        parse_recording("a.npz", npz(samples=np.array([object()], dtype=object), channels=CHANNELS))


def test_a_single_array_is_not_an_npz() -> None:
    file = io.BytesIO()
    np.save(file, SAMPLES)
    with pytest.raises(RecordingError, match="not a readable NPZ"):
        parse_recording("a.npz", file.getvalue())


def test_an_archive_of_something_else_is_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("samples.npy", b"not an array")
    with pytest.raises(RecordingError, match="exactly one of `samples`"):
        parse_recording("a.npz", file.getvalue())


WHOLE = npz(samples=SAMPLES, channels=CHANNELS, sample_rate_hz=50, labels=[0, 0, 0, 1])


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255), st.booleans())
def test_a_damaged_npz_is_refused_or_still_keeps_the_contract(position: int, change: int, cut: bool) -> None:
    damaged = bytearray(WHOLE)
    damaged[position] ^= change
    with suppress(RecordingError):
        parsed = recording("a.npz", WHOLE[:position] if cut else bytes(damaged))
        assert parsed.samples.shape == (len(parsed.time_seconds), len(parsed.channels))


@pytest.mark.parametrize("file_name", ["run.txt", "run", "run.csv.gz", ".csv"])
def test_other_suffixes_are_refused(file_name: str) -> None:
    with pytest.raises(RecordingError, match=r"neither \.csv nor \.npz"):
        parse_recording(file_name, b"time,a\n0,1\n1,2\n")


def test_a_recording_is_named_by_its_file_made_safe() -> None:
    assert recording("/data/my run (2).csv", b"time,a\n0,1\n1,2\n").name == "my_run__2_"


# Writing


@st.composite
def recordings(draw: st.DrawFn, segments: bool) -> Recording:
    channels = draw(
        st.lists(st.from_regex(r"[a-z][a-z0-9_.:\-]{0,9}", fullmatch=True), min_size=1, max_size=4, unique=True)
    )
    channels = [channel for channel in channels if channel not in {"time", "label", "labels", "anomaly"}] or ["a"]
    count = draw(st.integers(2, 12))
    start = draw(st.floats(0, 1.8e9))
    period = draw(st.sampled_from([0.25, 1.0, 300.0]))
    time = np.asarray(start + period * np.arange(count), dtype=np.float64)
    changes: NDArray[np.int64] = (
        draw(arrays(np.int64, count, elements=st.integers(-3, 3))) if segments else np.zeros(count, int)
    )
    return Recording(
        name="a",
        channels=tuple(channels),
        samples=draw(arrays(np.float32, (count, len(channels)), elements=st.floats(width=32))),
        time_seconds=time,
        sample_period_seconds=period if segments else float(np.median(np.diff(time))),
        labels=draw(st.none() | arrays(np.int8, count, elements=st.integers(0, 1))),
        segment=changes,
    )


def assert_same(one: Recording, other: Recording) -> None:
    assert one.channels == other.channels
    assert np.array_equal(one.samples, other.samples, equal_nan=True)
    assert np.array_equal(one.time_seconds, other.time_seconds)
    assert one.sample_period_seconds == pytest.approx(other.sample_period_seconds, rel=1e-12)
    assert (one.labels is None) == (other.labels is None)
    if one.labels is not None and other.labels is not None:
        assert np.array_equal(one.labels, other.labels)
    assert np.array_equal(one.segment, other.segment)


@settings(deadline=None)
@given(recordings(segments=True))
def test_a_recording_comes_back_from_an_npz(run: Recording) -> None:
    assert_same(recording("a.npz", recording_to_npz_bytes(run)), run)


@settings(deadline=None)
@given(recordings(segments=False))
def test_a_recording_comes_back_from_a_csv(run: Recording) -> None:
    assert_same(recording("a.csv", recording_to_csv_bytes(run)), run)


def test_a_csv_cannot_say_where_a_recording_breaks() -> None:
    run = recording("a.npz", npz(samples=SAMPLES, channels=CHANNELS, sample_rate_hz=2, segment=[0, 0, 1, 1]))
    with pytest.raises(RecordingError, match="write an NPZ"):
        recording_to_csv_bytes(run)


@pytest.mark.parametrize("labels", [None, np.array([0, 1, 0], dtype=np.int8)])
def test_windows_come_back_from_an_npz(labels: NDArray[np.int8] | None) -> None:
    windows = np.random.default_rng(1).normal(size=(3, 2, 5)).astype(np.float32)
    parsed = parse_recording("a.npz", window_set_to_npz_bytes(WindowSet("a", ("x", "y"), windows, labels)))
    assert isinstance(parsed, WindowSet)
    assert np.array_equal(parsed.windows, windows)
    assert parsed.channels == ("x", "y")
    assert (parsed.labels is None) == (labels is None)
