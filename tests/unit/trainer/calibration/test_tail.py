"""The tail says how likely a new peak beyond a level is, and how sure that is."""

import numpy as np
import pytest
from scipy.stats import expon, genpareto

from trainer.calibration.tail import Tail


def excesses(shape: float, count: int, seed: int = 0) -> np.ndarray:
    return np.asarray(genpareto.rvs(shape, size=count, random_state=np.random.default_rng(seed)))


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.3])
def test_with_many_peaks_the_tail_is_the_law_they_came_from(shape: float) -> None:
    tail = Tail.fit(excesses(shape, 4000))
    mean, low, high = tail.shape()
    assert low < shape < high
    assert mean == pytest.approx(shape, abs=0.08)
    assert tail.scale() == pytest.approx(1.0, abs=0.08)
    assert tail.level(0.01) == pytest.approx(genpareto.isf(0.01, shape), rel=0.06)


def test_survival_and_level_are_each_others_inverse() -> None:
    tail = Tail.fit(excesses(0.1, 40))
    for probability in (0.9, 0.1, 1e-3, 1e-6):
        assert tail.survival(tail.level(probability)) == pytest.approx(probability)
    assert tail.survival(0.0) == pytest.approx(1.0)
    assert tail.level(1.0) == 0.0


def test_the_scale_of_the_errors_does_not_matter() -> None:
    small, large = Tail.fit(excesses(0.1, 40)), Tail.fit(excesses(0.1, 40) * 1e6)
    assert large.level(1e-3) == pytest.approx(small.level(1e-3) * 1e6)
    assert large.shape() == pytest.approx(small.shape())


def test_a_new_peak_exceeds_the_level_as_often_as_promised_though_the_peaks_are_few() -> None:
    # over many tails, of shapes such as tails have: plugging in the best estimates would exceed it twice as often
    shapes = np.random.default_rng(0).normal(0, 0.2, 200)
    levels = [Tail.fit(excesses(shape, 15, seed)).level(0.01) for seed, shape in enumerate(shapes)]
    assert np.mean(genpareto.sf(levels, shapes)) == pytest.approx(0.01, rel=0.3)


def test_the_interval_of_the_rate_holds_the_true_one() -> None:
    held = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        count = rng.poisson(40)  # in 10 days
        tail = Tail.fit(rng.exponential(size=count))
        low, high = tail.rate_interval(4.0, exposure=10.0)
        held += low <= 4.0 * expon.sf(4.0) <= high
    assert 0.9 <= held / 60 <= 1.0


def test_fewer_peaks_leave_more_open() -> None:
    few, many = (Tail.fit(excesses(0.0, count)).rate_interval(6.0, 1.0) for count in (15, 400))
    assert few[0] < many[0] / 15
    assert few[1] / 15 > many[1] / 400


def test_what_is_censored_counts_as_large() -> None:
    peaks = np.sort(excesses(0.0, 50))
    cut, whole = Tail.fit(peaks[:-5]), Tail.fit(peaks)
    censored = Tail.fit(peaks[:-5], beyond=5)
    assert cut.level(1e-3) < censored.level(1e-3)
    assert censored.level(1e-3) == pytest.approx(whole.level(1e-3), rel=0.3)


def test_joint_survival_is_the_chance_of_several_at_once() -> None:
    tail = Tail.fit(excesses(0.0, 5000))
    assert tail.joint_survival(3.0, 1.0, 1) == pytest.approx(np.exp(-2.0), rel=0.1)
    assert tail.joint_survival(3.0, 1.0, 4) == pytest.approx(np.exp(-8.0), rel=0.4)


def test_misfit_tells_a_tail_from_a_lump() -> None:
    tail, lump = excesses(0.1, 80), np.random.default_rng(0).normal(10, 0.3, 80)
    assert Tail.fit(tail).misfit(tail) < 0.9
    assert Tail.fit(lump).misfit(lump) > 5
