"""Stretches with alerts are left out of a fit."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.sines import data_file, sine_recording
from trainer.data.gathering import gather
from trainer.data.published_alerts import Alerted, read_alerts, require_recordings
from trainer.data.split import Part
from trainer.errors import DataError
from trainer.settings import FitSettings, WindowSettings

SETTINGS = FitSettings(window=WindowSettings(length=50, stride=10))


def step(phase: str, time: float, **changed: Any) -> str:
    fields = {"schema": 1, "id": "a", "phase": phase, "fired": phase != "pending", "stream": "pump", "model": "m"}
    return json.dumps(fields | {"since": 20.0, "time": time, "score": 1.5, "channels": {"x": 2.0}} | changed)


def log(folder: Path, *lines: str) -> Path:
    path = folder / "alerts.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_an_alert_that_fired_is_a_stretch_from_its_first_window_to_its_end(tmp_path: Path) -> None:
    path = log(tmp_path, step("pending", 20.0), step("firing", 20.5), "", step("resolved", 31.0))
    assert read_alerts(path) == [Alerted("pump", 20.0, 31.0)]


def test_an_alert_that_is_still_open_goes_on_and_one_that_lapsed_is_none(tmp_path: Path) -> None:
    lapsed = (step("pending", 20.0, id="b"), step("resolved", 21.0, id="b", fired=False))
    assert read_alerts(log(tmp_path, *lapsed, step("firing", 20.5))) == [Alerted("pump", 20.0, float("inf"))]


@pytest.mark.parametrize("line", ["{", "[]", "{}", step("silent", 3.0), step("firing", 3.0, schema=2)])
def test_a_line_that_is_no_alert_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(DataError, match=r"alerts\.jsonl, line 2 is no alert"):
        read_alerts(log(tmp_path, step("pending", 20.0), line))


def test_a_missing_log_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read the alerts"):
        read_alerts(tmp_path / "none.jsonl")


def test_windows_that_share_time_with_an_alert_serve_no_part() -> None:
    file = data_file(sine_recording(6000), "pump.npz")
    corpus = gather([file], SETTINGS, [Alerted("pump", 20.0, 31.0), Alerted("fan", 0.0, 1e9)])
    assert corpus.ranges[0].excluded["alerted"] == pytest.approx((31 - 20 + 1) / 0.2, abs=2)
    ends = np.concatenate([corpus.origins[part].end_seconds for part in (Part.TRAIN, Part.VALIDATION)])
    assert not ((ends >= 20.0) & (ends - 0.98 <= 31.0)).any()


def test_alerts_of_other_streams_alone_are_refused() -> None:
    files = [data_file(sine_recording(100), "pump.npz")]
    require_recordings([Alerted("pump", 0.0, 1.0), Alerted("fan", 0.0, 1.0)], files)
    require_recordings([], files)
    with pytest.raises(DataError, match="the alerts are of fan, the recordings of pump: name each recording after"):
        require_recordings([Alerted("fan", 0.0, 1.0)], files)
