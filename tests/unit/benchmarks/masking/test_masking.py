"""The benchmark of masks counts what it says: false alarms by motor, seed and mask, and faults that were missed."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.masking.figures import interval, rows_of
from benchmarks.masking.fleet import Fleet, run_of, with_fault, without
from benchmarks.masking.masking import page, targets_of
from benchmarks.masking.trial import Cell, judge

CELL = Cell(
    seed=10,
    family="pca",
    rule="quantile",
    masked=None,
    motor=1,
    asked=10.0,
    seen=10,
    plain=10,
    faults=8,
    missed=(),
    windows=1.0,
    mild_windows=0.9,
)
MASKED = replace(CELL, masked="vib_x", seen=5, plain=20, windows=0.9, mild_windows=0.5)


def test_a_row_puts_motors_and_seeds_together_and_tells_their_spread() -> None:
    cells = [MASKED, replace(MASKED, motor=2, seen=1), replace(MASKED, seed=11, seen=30, missed=("temperature",))]
    (row,) = rows_of(cells)
    assert (row.asked, row.seen) == (30, 36)
    assert row.ratio == pytest.approx(1.2)
    assert row.low < 1.2 < row.high
    assert row.seeds == pytest.approx((0.3, 3.0))
    assert row.worst == pytest.approx(3.0)
    assert (row.beyond, row.plain_beyond, row.cells) == (1, 0, 3)
    assert row.plain == pytest.approx(2.0)
    assert row.missed == {"temperature": 1}
    assert row.found == pytest.approx(1 - 1 / 24)


def test_an_interval_is_that_of_a_poisson_count() -> None:
    assert interval(0) == pytest.approx((0.0, 3.689), abs=1e-3)
    assert interval(10) == pytest.approx((4.795, 18.39), abs=1e-2)


def test_targets_are_those_of_the_worst_mask_and_leave_out_what_is_not_masked() -> None:
    spoilt = replace(CELL, seen=100, missed=("vib_x",) * 8)
    good = list(rows_of([spoilt, MASKED, replace(MASKED, masked="vib_y", seen=14)]))
    assert [target.met for target in targets_of(good)] == [True, True, True]
    bad = list(rows_of([CELL, MASKED, replace(MASKED, masked="vib_y", seen=40, missed=("current",))]))
    assert [(target.reached, target.met) for target in targets_of(bad)] == [(4.0, False), (1, False), (0.875, False)]


def test_the_table_of_the_page_has_a_line_for_each_family_and_rule() -> None:
    text = page(list(rows_of([CELL, MASKED, replace(MASKED, masked="vib_y", seen=7)])))
    line = text.splitlines()[2]
    assert len(text.splitlines()) == 3
    assert line.startswith("| pca | quantile | 1.00 | 0.60 | 0.70 (0.28 to 1.44), vib_y | 0 of 2 | 2.00, 0 |")
    assert line.endswith("| 100%, 100% | 100%, 90% | 90%, 50% |")


def test_what_is_judged_is_later_than_what_was_fitted_and_breaks_in_one_channel() -> None:
    fleet = Fleet.simulate(3, motors=1, fitted_runs=1, later_runs=2)
    (fitted,), (later,) = fleet.fitted, fleet.later
    assert len(later.samples) == 2 * len(fitted.samples)
    assert not np.array_equal(later.samples[: len(fitted.samples)], fitted.samples)
    assert np.array_equal(Fleet.simulate(3, 1, 1, 2).later[0].samples, later.samples)
    run = run_of(later, 1)
    assert np.array_equal(run.samples, later.samples[len(fitted.samples) :])
    faulty = with_fault(run, 1, 4.0).samples.std(axis=0) / run.samples.std(axis=0)
    np.testing.assert_allclose(faulty, [1, 4, 1, 1, 1], rtol=1e-3)
    assert np.isnan(without(run, 2).samples).all(axis=0).tolist() == [False, False, True, False, False]


def test_a_trial_judges_each_motor_without_each_channel_by_each_rule() -> None:
    cells = list(judge(Fleet.simulate(1, motors=1, fitted_runs=14, later_runs=2), "pca"))
    assert {(cell.rule, cell.masked) for cell in cells} == {
        (rule, masked)
        for rule in ("quantile", "budget")
        for masked in (None, "vib_x", "vib_y", "vib_z", "current", "temperature")
    }
    by_quantile = [cell for cell in cells if cell.rule == "quantile"]
    assert all(0.5 < cell.asked < 1 for cell in by_quantile)  # 76 windows, of which one in a hundred
    assert all(cell.faults - len(cell.missed) == cell.faults for cell in by_quantile)
    assert all(cell.windows > 0.9 for cell in by_quantile)
    assert all(cell.seen <= cell.plain for cell in by_quantile)
