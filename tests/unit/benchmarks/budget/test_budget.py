"""The budget benchmark counts what it says, and tells a kept budget from a broken one."""

import numpy as np
import pytest

from benchmarks.budget import simulated as budget_simulated
from benchmarks.budget.budget import picture, targets_of
from benchmarks.budget.recorded import Kept, Recordings, keep
from benchmarks.budget.simulated import Fleet, simulate
from tests.sines import data_file, sine_recording


def fleet(ratio: float, mislabelled: bool = False) -> Fleet:
    return Fleet("independent", 1.0, mislabelled, (ratio, ratio), (ratio, ratio, ratio), 1.0)


def kept(seen: tuple[int, ...], asked: float = 8.0) -> Kept:
    return Kept("pumps", "pca", 10.0, (asked,) * len(seen), (asked,) * len(seen), seen)


def test_a_fleet_within_its_data_keeps_its_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget_simulated, "PAST_WINDOWS", 400)
    found = simulate("autocorrelated", 0.1, mislabelled=False, streams=4, seeds=2)
    assert len(found.ratio) == 2
    assert 0.5 < np.mean(found.ratio) < 2
    assert found.spread[0] <= found.spread[1] <= found.spread[2]


@pytest.mark.parametrize(
    ("ratio", "mislabelled", "met"),
    [(1.0, False, [True, True]), (3.0, False, [False, True]), (0.2, False, [True, False]), (0.2, True, [True])],
)
def test_a_budget_is_kept_within_a_factor_of_two_and_mislabelled_windows_may_only_make_it_stricter(
    ratio: float, mislabelled: bool, met: list[bool]
) -> None:
    assert [target.met for target in targets_of([fleet(ratio, mislabelled)], [])] == met


def test_seeds_share_their_recordings_and_so_do_not_narrow_the_interval() -> None:
    one, three = kept((8,)), kept((8, 8, 8))
    assert one.ratio == three.ratio == 1.0
    assert one.interval == three.interval == pytest.approx((0.432, 1.970), abs=1e-3)
    assert kept((0,)).interval[0] == 0.0


def test_real_recordings_are_fitted_on_one_part_and_judged_on_the_other() -> None:
    first, rest = (data_file(sine_recording(12_000, seed=seed), f"sine-{seed}.npz") for seed in (1, 2))
    settings = {"window.length": 50, "window.stride": 10}
    found = keep(Recordings("sines", (((first,), (rest,)),), settings), "pca", (0,))
    assert found.hours == pytest.approx(240 / 3600, rel=0.01)
    assert found.asked[0] == pytest.approx(8.0, rel=0.01)
    assert 1 <= found.seen[0] <= 24


def test_the_picture_has_a_line_for_each_row() -> None:
    (axes,) = picture([fleet(1.0), fleet(0.0, mislabelled=True)], [kept((8, 9))]).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        *("independent, 1 x", "independent, mislabelled, 1 x", "pumps, pca")
    ]
