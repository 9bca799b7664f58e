"""The page of refits is written from what the benchmark measured, and from nothing else."""

import json
from pathlib import Path

import pytest

from benchmarks.pages.lifecycle_page import main, tables

ROW = {
    "arm": "ours",
    "false_alarms": 80,
    "asked": 81.0,
    "ratio": 0.99,
    "ratios": [0.9, 1.1],
    "beyond": 0,
    "streams": 30,
    "firing": 0.01,
    "caught": 3,
    "learnt": 0,
    "faults": 4,
    "delays_days": [1.0, 2.0, 3.0],
    "missed": {"wear": 1},
    "learnt_kinds": {},
}
FIGURES = {
    "rows": [ROW],
    "targets": [{"name": "ours: faults caught", "target": 4, "reached": 3, "unit": "of 4", "met": False}],
    "seeds": [
        {
            "labels": {"false_alarm": 5},
            "refits": [{"came_to": "promoted"}, {"came_to": "waits"}],
            "accepted": {"motor-01": 1, "motor-02": 1},
            "faults_accepted": 0,
        }
    ],
    "nab": [
        {"name": "nab-cpu", "days": 48.0, "hit": 1, "windows": 1, "events": 3, "interval": [0.6, 8.8], "firing": 0.01}
    ],
}


def test_tables_tell_what_was_missed_by_name_and_what_was_done() -> None:
    text = tables(FIGURES)
    assert "| ours | 80 / 81 = 0.99 |" in text
    assert "3 of 4 (1 wear)" in text
    assert "| ours: faults caught | 4 | 3 of 4 | **no** |" in text
    assert "| motors accepted | 2 |" in text
    assert "1 promoted, 1 waits" in text
    assert "| cpu | 48 | 1 of 1 | 3 (0.6 to 8.8) | 1.00% |" in text


def test_the_page_keeps_what_people_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page, figures = tmp_path / "refit.md", tmp_path / "lifecycle.json"
    page.write_text("Before.\n<!-- tables: lifecycle -->\nold\n<!-- end -->\nAfter.\n", encoding="utf-8")
    figures.write_text(json.dumps(FIGURES), encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["lifecycle_page", str(figures), "--page", str(page)])
    assert main() == 0
    text = page.read_text(encoding="utf-8")
    assert text.startswith("Before.\n")
    assert text.endswith("After.\n")
    assert "old" not in text
