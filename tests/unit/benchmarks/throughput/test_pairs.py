"""The comparison of two installations says what the pairs say."""

import pytest

from benchmarks.throughput.pairs import Pair, compared


def test_the_median_of_the_pairs_ratios_stands_within_its_interval() -> None:
    ratios = [0.9, 1.0, 1.1, 1.2, 5.0]  # one pair met a busy machine
    found = compared([Pair("W1", ours=each * 2e-6, theirs=2e-6) for each in ratios])
    assert found.ratio == pytest.approx(1.1)
    assert 0.9 <= found.low < found.ratio < found.high <= 5.0
    assert found.theirs_us == pytest.approx(2.0)
    assert (found.workload, found.pairs) == ("W1", 5)


def test_pairs_that_agree_leave_no_doubt() -> None:
    found = compared([Pair("W4", ours=3e-6, theirs=2e-6)] * 7)
    assert (found.low, found.ratio, found.high) == pytest.approx((1.5, 1.5, 1.5))
