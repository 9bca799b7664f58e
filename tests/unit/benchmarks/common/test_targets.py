"""What benchmarks share: targets, their JSON, and the exit code."""

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.common.targets import Target, conclude, write_json

MISSED = Target.at_least("rate", 100.0, 99.5, "messages/s")
MET = Target.at_most("delay", 0.5, 0.5, "s")


def test_targets_are_met_up_to_their_very_value() -> None:
    assert (MISSED.met, MET.met) == (False, True)
    assert Target.at_least("rate", 100.0, 100.0, "messages/s").met
    assert not Target.at_most("delay", 0.5, 0.51, "s").met


def test_the_json_has_targets_at_its_top_level(tmp_path: Path) -> None:
    write_json(tmp_path / "deep" / "figures.json", [MISSED, MET], rounds=5)
    document = json.loads((tmp_path / "deep" / "figures.json").read_text())
    assert document["targets"][0] == {
        "name": "rate", "target": 100.0, "reached": 99.5, "unit": "messages/s", "met": False
    }  # fmt: skip
    assert document["rounds"] == 5


def test_what_is_not_a_number_cannot_slip_into_the_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "figures.json", [], rate=float("nan"))


def test_a_missed_target_is_a_result_but_a_void_run_is_a_failure() -> None:
    shown = StringIO()
    console = Console(file=shown)
    assert conclude(console, [MISSED, MET], []) == 0
    assert conclude(console, [MET], ["3 samples lost"]) == 1
    assert "3 samples lost" in shown.getvalue()
