"""docs/performance.md: figures are renewed, what people wrote stays."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.pages.performance_page import CUDA, NAMES, PAGE, PageError, main, replaced, targets, throughput

TURN = {
    "workload": "W1", "mode": "broker", "contestant": "residuald", "messages": 1000, "windows": 10, "seconds": 0.5,
    "cpu_seconds": 0.004, "rss_bytes": 3e8,
}  # fmt: skip


def test_only_what_stands_between_the_marks_is_replaced() -> None:
    page = "by hand\n<!-- tables: scoring -->\nold\n<!-- end -->\nby hand, too\n<!-- tables: memory -->\n<!-- end -->\n"
    found = replaced(page, {"scoring": "new\n"})
    assert found == page.replace("old", "new")


def test_a_page_without_a_place_for_figures_is_an_error() -> None:
    with pytest.raises(PageError, match="scoring"):
        replaced("nothing here", {"scoring": "new"})


def test_the_page_has_a_place_for_everything() -> None:
    page = PAGE.read_text(encoding="utf-8")
    places = ("targets", *NAMES, CUDA)
    assert replaced(page, dict.fromkeys(places, "x\n")).count("x\n<!-- end -->") == len(places)


def test_missed_targets_stand_out() -> None:
    each = {"name": "rate", "target": 0.9, "reached": 0.91234, "unit": "x D", "met": True}
    figures: dict[str, Any] = {name: {"targets": [], "quick": False} for name in NAMES}
    figures["throughput"]["targets"] = [each, {**each, "met": False}]
    assert targets(figures).splitlines()[2:] == [
        "| rate | 0.9 | 0.912 | x D | yes |",
        "| rate | 0.9 | 0.912 | x D | **no** |",
    ]


def test_turns_become_medians_with_what_they_lie_between() -> None:
    turns = [TURN, {**TURN, "seconds": 0.25}, {**TURN, "seconds": 1.0}]
    row = throughput({"turns": turns}).splitlines()[2]
    assert row == "| W1 broker | residuald | 2,000 (1,000…4,000) | 20 (10…40) | 4 | 1% | 300 |"


def test_a_quick_look_is_called_one() -> None:
    figures: dict[str, Any] = {name: {"targets": [], "quick": name == "memory"} for name in NAMES}
    assert "quick look was taken (`--quick`) with: memory." in targets(figures)


def test_without_figures_it_says_how_to_get_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 1
    assert "make bench" in capsys.readouterr().err
