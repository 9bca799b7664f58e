"""The table of the chaos runs: a column by seed, in the place of the one before."""

import pytest

from benchmarks.pages.chaos_report import PAGE, ROWS, placed, table


def result(seed: int, lost: int = 0) -> dict[str, object]:
    names = list(ROWS)
    return {"seed": seed, "figures": dict.fromkeys(names, 1000) | {"messages_lost": lost}}


def test_each_seed_is_a_column() -> None:
    lines = table([result(2), result(1, lost=3)]).splitlines()
    assert lines[0] == "| | seed 1 | seed 2 |"
    assert "| messages lost | 3 | 0 |" in lines
    assert "| windows scored | 1,000 | 1,000 |" in lines


def test_the_page_has_a_place_for_it_and_nothing_else_changes() -> None:
    page = PAGE.read_text("utf-8")
    once = placed(page, "a table\n")
    assert "\na table\n" in once
    assert placed(once, "a table\n") == once
    assert once.split("<!-- end -->")[1] == page.split("<!-- end -->")[1]


def test_a_page_without_a_place_is_told() -> None:
    with pytest.raises(ValueError, match="no place"):
        placed("a page", "a table\n")
