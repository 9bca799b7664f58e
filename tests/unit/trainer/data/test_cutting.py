"""Files agree with each other before they are cut, and are cut as the daemon cuts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from monitor.core.artifact.manifest import ChannelSpec, WindowSpec
from monitor.core.dataset.cutting import windows_of
from monitor.core.dataset.recording import WindowSet
from tests.sines import data_file, sine_recording, write_npz
from trainer.data.cutting import DataFile, agree_on_channels, cut, plan_windows, read_files, withheld_reasons
from trainer.errors import DataError
from trainer.settings import ChannelSettings, WindowSettings

PERIOD = 0.02


def window_file(length: int = 16, count: int = 40, name: str = "cut.npz") -> DataFile:
    values = np.random.default_rng(0).normal(size=(count, 1, length)).astype(np.float32)
    return DataFile(name, name.ljust(64, "0"), WindowSet(name, ("a",), values, None))


def test_reading_keeps_name_and_checksum(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "pump.npz", sine_recording(200))
    (file,) = read_files([path])
    assert (file.name, len(file.sha256), file.content.channels) == ("pump.npz", 64, ("a", "b"))


def test_the_same_bytes_twice_are_refused(tmp_path: Path) -> None:
    first = write_npz(tmp_path / "one.npz", sine_recording(200))
    second = tmp_path / "two.npz"
    second.write_bytes(first.read_bytes())
    with pytest.raises(DataError, match=r"two\.npz holds the same bytes as .*one\.npz"):
        read_files([first, second])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [("none.npz", None, "No such file"), ("bad.npz", b"junk", r"bad\.npz: "), ("bad.txt", b"a", r"bad\.txt: ")],
)
def test_files_that_cannot_be_used_are_data_errors(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_files([tmp_path / name])


@pytest.mark.parametrize(
    ("rate_hz", "length", "stride"),
    [
        (1 / 300, 32, 4), (1.0, 32, 4), (50.0, 64, 32), (100.0, 128, 64), (360.0, 256, 128), (1000.0, 512, 256),
        (48e3, 512, 256),
    ],
)  # fmt: skip
def test_a_window_spans_about_a_second_by_default(rate_hz: float, length: int, stride: int) -> None:
    file = data_file(sine_recording(11_000, period_seconds=1 / rate_hz))
    spec, period = plan_windows([file], WindowSettings())
    assert (spec.length, spec.stride) == (length, stride)
    assert period == pytest.approx(1 / rate_hz)


@pytest.mark.parametrize(("samples", "length"), [(20_000, 32), (640, 32), (639, 16), (400, 16), (30, 2)])
def test_short_recordings_get_shorter_windows(samples: int, length: int) -> None:
    spec, _ = plan_windows([data_file(sine_recording(samples, period_seconds=1.0))], WindowSettings())
    assert spec.length == length


def test_ready_made_windows_bring_their_length_and_need_no_rate() -> None:
    spec, period = plan_windows([window_file(140)], WindowSettings())
    assert (spec.length, period) == (140, 1.0)
    _, period = plan_windows([window_file(140)], WindowSettings(sample_rate_hz=125.0))
    assert period == 1 / 125


def test_windows_of_different_lengths_are_refused() -> None:
    with pytest.raises(DataError, match="windows of 20 samples, not 16"):
        plan_windows([window_file(16), window_file(20, name="other.npz")], WindowSettings())


def test_different_rates_are_refused_and_nearly_equal_ones_are_not() -> None:
    one, other = data_file(sine_recording(300)), data_file(sine_recording(300, period_seconds=0.01), "fast.npz")
    with pytest.raises(DataError, match="Hz, not at"):
        plan_windows([one, other], WindowSettings())
    plan_windows([one, data_file(sine_recording(300, period_seconds=0.02005), "near.npz")], WindowSettings())


def test_channels_are_those_of_the_first_file_unless_chosen() -> None:
    file = data_file(sine_recording(300))
    assert agree_on_channels([file], ()) == (ChannelSpec(name="a"), ChannelSpec(name="b"))
    assert agree_on_channels([file], (ChannelSettings(name="b", unit="g"),)) == (ChannelSpec(name="b", unit="g"),)


def test_a_file_with_other_channels_is_refused_and_so_is_a_missing_one() -> None:
    file = data_file(sine_recording(300))
    other = data_file(replace(sine_recording(300), channels=("a", "c")), "other.npz")
    with pytest.raises(DataError, match=r"other\.npz has the channels a, c"):
        agree_on_channels([file, other], ())
    with pytest.raises(DataError, match=r"other\.npz has no channel b; it has a, c"):
        agree_on_channels([file, other], (ChannelSettings(name="b"),))


def test_cutting_follows_the_daemons_windows_with_the_channels_in_the_models_order() -> None:
    recording = sine_recording(300, anomalies=2)
    spec = WindowSpec(length=32, stride=10)
    piece = cut(data_file(recording), 3, ("b", "a"), spec, PERIOD)
    expected = windows_of(recording, spec, PERIOD)
    np.testing.assert_array_equal(piece.batch.values, expected.values[:, ::-1])
    np.testing.assert_allclose(piece.start_seconds, expected.end_seconds - 31 * PERIOD)
    assert set(piece.batch.stream.tolist()) == {3}
    assert piece.labels is not None
    assert piece.labels.sum() > 0


def test_ready_made_windows_are_taken_to_follow_one_another() -> None:
    piece = cut(window_file(16, 3), 0, ("a",), WindowSpec(length=16, stride=8), 0.5)
    assert piece.start_seconds.tolist() == [0.0, 8.0, 16.0]
    assert piece.batch.end_seconds.tolist() == [7.5, 15.5, 23.5]


@pytest.mark.parametrize(
    ("names", "length", "period", "message"),
    [
        (("a", "z"), 32, PERIOD, "has no channel z"),
        (("a",), 32, 0.01, "sampled at 50 Hz, not at 100 Hz"),
    ],
)
def test_a_recording_that_does_not_fit_the_model_is_refused(
    names: tuple[str, ...], length: int, period: float, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        cut(data_file(sine_recording(300)), 0, names, WindowSpec(length=length, stride=8), period)


def test_windows_of_another_length_than_the_models_are_refused() -> None:
    with pytest.raises(DataError, match="windows of 16 samples; the model takes 32"):
        cut(window_file(16), 0, ("a",), WindowSpec(length=32, stride=8), 1.0)


def test_windows_that_the_daemon_would_withhold_are_named() -> None:
    recording = sine_recording(400)
    recording.samples[68:71, 0] = np.nan
    recording.samples[200:232, 1] = 0.125
    spec = WindowSpec(length=32, stride=32)
    channels = (ChannelSpec(name="a", low=-100), ChannelSpec(name="b", may_rest=False))
    piece = cut(data_file(recording), 0, ("a", "b"), replace_stride(spec, 8), PERIOD)
    reasons = withheld_reasons(piece.batch, spec, channels)
    assert set(reasons.tolist()) == {"", "non_finite", "stuck"}
    assert (reasons == "non_finite").sum() == 4


def replace_stride(spec: WindowSpec, stride: int) -> WindowSpec:
    return spec.model_copy(update={"stride": stride})
