"""`residuald replay` of captures: whole ones, ones that were cut off, and damaged ones."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from monitor import cli
from monitor.adapters.engines.loader import load_artifact
from monitor.adapters.storage.history_store import HistoryStore
from monitor.core.dataset.capture import encode_header, encode_message
from monitor.core.history.layout import Layout
from monitor.core.history.stretch import Stretch
from monitor.core.values.messages import Message
from monitor.core.values.names import safe_name
from monitor.setup.config_file import load_config
from tests.repository import ROOT
from tests.traps import TRAPS, within

CONFIG = ROOT / "configs" / "monitor.toml"
MESSAGES = [Message("plant/a/motor-1/motor", b"no JSON", 1e9 + number) for number in range(3)]


@pytest.fixture
def parts() -> list[bytes]:
    """The header of a capture and its records, one for each message, of which each is refused by name."""
    return [
        encode_header(load_config(CONFIG).source),
        *(encode_message(message._replace(qos=1)) for message in MESSAGES),
    ]


def replay(path: Path, data: bytes) -> int:
    path.write_bytes(data)
    return cli.main(["replay", "--config", str(CONFIG), str(path)])


def test_of_a_capture_that_was_cut_off_whole_messages_are_replayed_and_the_rest_is_told(
    tmp_path: Path, parts: list[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "night.capture"
    assert replay(path, b"".join(parts)[:-5]) == 0
    shown = capsys.readouterr()
    assert [json.loads(line)["kind"] for line in shown.out.splitlines()] == ["discard"] * 2
    assert shown.err == (
        f"residuald: {path}: cut off: its last {len(parts[-1]) - 5} bytes are no whole message "
        "(whole messages replayed: 2)\n"
    )


def test_of_a_whole_capture_nothing_is_told(
    tmp_path: Path, parts: list[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    assert replay(tmp_path / "night.capture", b"".join(parts)) == 0
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == len(MESSAGES)
    assert shown.err == ""


def test_a_damaged_message_is_a_data_error_that_names_file_and_message(
    tmp_path: Path, parts: list[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "night.capture"
    parts[2] = parts[2][:4] + b"\xc1" * len(parts[2][4:])  # a byte that no msgpack begins with
    assert replay(path, b"".join(parts)) == 65
    assert capsys.readouterr().err.startswith(f"residuald: {path}: message 2 of 3 is damaged: ")


@pytest.mark.parametrize("trap", TRAPS)
@pytest.mark.parametrize("name", ["night.capture", "lines.csv"])
def test_what_is_no_file_to_replay_is_a_data_error_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, trap: Callable[[Path], None]
) -> None:
    trap(tmp_path / name)
    how = ["--config", str(CONFIG)] if name == "night.capture" else ["--model", str(ROOT / "configs/models/motor")]
    with within(60):
        assert cli.main(["replay", *how, str(tmp_path / name)]) == 65
    told = capsys.readouterr().err
    assert any(word in told for word in ("is a FIFO", "is too large", "is a device", "not a capture")), told


def test_what_is_refused_of_streams_is_told_at_the_end_with_a_hint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ahead = [
        Message("ward/bed1/ecg", json.dumps({"ts": 1e9 + at + 3600, "values": [0.0] * 50}).encode(), 1e9 + at, qos=1)
        for at in range(5)
    ]
    path = tmp_path / "night.capture"
    assert replay(path, b"".join([encode_header(load_config(CONFIG).source), *map(encode_message, ahead)])) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {
        "kind": "discard",
        "source": "hearts",
        "stream": "bed1",
        "reason": "future",
        "samples": 250,
        "detail": "3600.2 s ahead: local time?",
    }
    assert shown.err == f"residuald: {path}: stream bed1: 250 samples refused as future: 3600.2 s ahead: local time?\n"


@pytest.mark.parametrize(("ratio", "judged"), [(1.5, False), (0.7, False), (1.05, False), (1.015, True)])
def test_a_recording_of_another_rate_is_withheld_as_the_daemon_would(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ratio: float, judged: bool
) -> None:
    model = ROOT / "configs/models/motor"
    manifest = load_artifact(model, max_batch=16).manifest
    samples = np.random.default_rng(0).normal(0, 0.1, (40 * manifest.window.length, len(manifest.measured_names)))
    samples[:, -1] += 50
    path = tmp_path / "other.npz"
    rate_hz = 1 / (manifest.sample_period_seconds * ratio)
    np.savez(path, samples=samples.astype("f4"), channels=np.array(manifest.measured_names), sample_rate_hz=rate_hz)
    assert cli.main(["replay", "--model", str(model), str(path)]) == 0
    shown = capsys.readouterr()
    windows = [each for each in map(json.loads, shown.out.splitlines()) if each["kind"] == "window"]
    assert windows
    assert ("wrong_rate" in {window["quality"] for window in windows}) is not judged
    assert ("timing.rate_tolerance" in shown.err) is not judged
    if abs(ratio - 1) > 0.2:
        assert {window["verdict"] for window in windows} == {"withheld"}


@pytest.mark.parametrize("speed", ["0", "-1", "nan", "inf", "fast"])
def test_a_speed_that_is_none_is_refused_before_anything_is_read(speed: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(["replay", "--config", str(CONFIG), "--speed", speed, str(tmp_path / "night.capture")])


def test_a_recording_names_its_stream_as_a_stream_may_be_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ROOT / "configs/models/motor"
    manifest = load_artifact(model, max_batch=16).manifest
    windows = np.zeros((2, len(manifest.channel_names), manifest.window.length), np.float32)
    path = tmp_path / "Küche # 1.npz"
    np.savez(path, windows=windows, channels=np.array(manifest.channel_names))
    assert cli.main(["replay", "--model", str(model), str(path)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["stream"] for line in lines} == {safe_name("Küche # 1")}


def test_a_history_is_replayed_stream_by_stream_with_the_share_of_time_that_it_covers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ROOT / "configs" / "models" / "motor"
    manifest = load_artifact(model, max_batch=1).manifest
    period, length = manifest.sample_period_seconds, manifest.window.length
    store = HistoryStore(tmp_path / "history.sqlite", 2**30)
    store.open()
    store.put_layout(Layout("motor", "1", manifest.measured_names, period, length, ""))
    rng = np.random.default_rng(0)
    for stream, starts in (("plant.m1", (1e9, 1e9 + 30 * length * period)), ("plant.m2", (1e9,))):
        for start in starts:
            values = rng.normal(size=(len(manifest.measured_names), 10 * length)).astype(np.float32)
            none = np.zeros(0)
            store.put_stretch(
                Stretch(
                    *("motor", stream, "1", manifest.measured_names, period, start, values),
                    *(none, none.astype(np.float32), none.astype(np.int8), none.astype(np.int8), "sample"),
                )
            )
    store.flush()
    store.close()
    assert cli.main(["replay", "--model", str(model), str(store.file)]) == 0
    told = capsys.readouterr()
    lines = [json.loads(line) for line in told.out.splitlines()]
    covered = {line["stream"]: line["share"] for line in lines if line["kind"] == "covered"}
    assert covered == {"plant.m1": pytest.approx(0.5, abs=0.01), "plant.m2": 1.0}
    windows = [line["stream"] for line in lines if line["kind"] == "window"]
    each = (10 * length - length) // manifest.window.stride + 1
    assert (windows.count("plant.m1"), windows.count("plant.m2")) == (2 * each, each)
    assert "what happened in between is not judged" in told.err
    assert cli.main(["replay", "--model", str(model), "--stream", "plant.m3", str(store.file)]) == 65
    assert cli.main(["replay", "--model", str(model), "--as-model", "pump", str(store.file)]) == 65
    assert "it has motor" in capsys.readouterr().err
