"""Covariances from few observations are usable, and whitening makes of normal data what it promises."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.training.covariance import PRIOR_WINDOWS, moments_of, shrunk_covariance, whitening_of


def correlated(count: int, dimensions: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    found: np.ndarray = rng.normal(size=(count, dimensions)) @ rng.normal(size=(dimensions, dimensions)) + 3.0
    return found


def test_the_shrinkage_is_that_of_the_paper_written_out() -> None:
    observations = correlated(12, 4)
    centred = observations - observations.mean(axis=0)
    count, dimensions = centred.shape
    sample = centred.T @ centred / count
    mean = np.trace(sample) / dimensions

    def norm(matrix: np.ndarray) -> float:  # the paper's: divided by the dimension
        return float(np.square(matrix).sum() / dimensions)

    distance = norm(sample - mean * np.eye(dimensions))
    noise = sum(norm(np.outer(row, row) - sample) for row in centred) / count**2
    expected = min(noise, distance) / distance
    found, shrinkage = shrunk_covariance(centred)
    assert shrinkage == pytest.approx(expected)
    np.testing.assert_allclose(found, expected * mean * np.eye(dimensions) + (1 - expected) * sample)


def test_many_observations_need_no_shrinkage_and_few_much() -> None:
    amounts = [shrunk_covariance(correlated(count, 20) - 3.0)[1] for count in (100_000, 200, 10)]
    assert amounts == sorted(amounts)
    assert amounts[0] < 0.01
    assert amounts[2] > 0.2


def test_a_variance_seen_in_few_windows_leans_on_the_others() -> None:
    observations = np.random.default_rng(0).normal(size=(PRIOR_WINDOWS, 500))
    own, shrunk = observations.var(axis=0), moments_of(observations).variance
    np.testing.assert_allclose(np.log(shrunk), (np.log(own) + np.log(own).mean()) / 2)
    assert shrunk.min() > 2 * own.min()


def test_whitened_unseen_observations_are_uncorrelated_and_of_unit_variance() -> None:
    everything = correlated(40_000, 6)
    mean, matrix = whitening_of(everything[:20_000])
    whitened = (everything[20_000:] - mean) @ matrix.T
    np.testing.assert_allclose(np.cov(whitened.T), np.eye(6), atol=0.05)


def test_each_whitened_feature_stays_close_to_its_own() -> None:
    observations = correlated(5000, 5, seed=3)
    mean, matrix = whitening_of(observations)
    whitened = (observations - mean) @ matrix.T
    both = np.corrcoef(observations.T, whitened.T)[:5, 5:]
    assert (both.argmax(axis=1) == np.arange(5)).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 30), st.integers(1, 12), st.integers(0, 5), st.floats(1e-6, 1e6))
def test_any_observations_give_a_finite_whitening(count: int, dimensions: int, still: int, scale: float) -> None:
    observations = np.random.default_rng(count).normal(size=(count, dimensions)) * scale
    observations[:, :still] = 1.0
    mean, matrix = whitening_of(observations)
    assert np.isfinite((observations - mean) @ matrix.T).all()
