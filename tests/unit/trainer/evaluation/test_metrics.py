"""AUCs equal their definitions, ties included; detection counts add up."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.evaluation.metrics import Detection, auc_pr, auc_roc

# few distinct scores, so that ties are the rule
LABELLED_SCORES = st.lists(
    st.tuples(st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0, 1e6]), st.integers(0, 1)), min_size=2, max_size=40
)


def split(pairs: list[tuple[float, int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([score for score, _ in pairs]), np.array([label for _, label in pairs], np.int8)


@given(LABELLED_SCORES)
def test_auc_roc_is_the_chance_that_an_anomaly_scores_above_a_normal_window(pairs: list[tuple[float, int]]) -> None:
    scores, labels = split(pairs)
    anomalous, normal = scores[labels == 1], scores[labels == 0]
    if not len(anomalous) or not len(normal):
        assert auc_roc(scores, labels) is None
        return
    wins = [1.0 if a > n else 0.5 if a == n else 0.0 for a in anomalous for n in normal]
    assert auc_roc(scores, labels) == pytest.approx(sum(wins) / len(wins))


@given(LABELLED_SCORES)
def test_auc_pr_is_precision_weighted_by_the_gain_in_recall_over_all_thresholds(pairs: list[tuple[float, int]]) -> None:
    scores, labels = split(pairs)
    if labels.sum() in (0, len(labels)):
        assert auc_pr(scores, labels) is None
        return
    area, recall_before = 0.0, 0.0
    for threshold in sorted(set(scores.tolist()), reverse=True):
        chosen = scores >= threshold
        recall = (chosen & (labels == 1)).sum() / labels.sum()
        area += (recall - recall_before) * (chosen & (labels == 1)).sum() / chosen.sum()
        recall_before = recall
    assert auc_pr(scores, labels) == pytest.approx(area)


@given(LABELLED_SCORES, st.permutations(range(40)))
def test_the_order_of_windows_does_not_matter(pairs: list[tuple[float, int]], order: list[int]) -> None:
    shuffled = [pairs[index] for index in order if index < len(pairs)]
    assert auc_roc(*split(shuffled)) == pytest.approx(auc_roc(*split(pairs)))
    assert auc_pr(*split(shuffled)) == pytest.approx(auc_pr(*split(pairs)))


def test_perfect_and_reversed_scores_reach_the_ends() -> None:
    labels = np.array([0, 0, 0, 1], np.int8)
    assert auc_roc(np.array([1.0, 2.0, 3.0, 4.0]), labels) == 1.0
    assert auc_pr(np.array([1.0, 2.0, 3.0, 4.0]), labels) == 1.0
    assert auc_roc(np.array([4.0, 3.0, 2.0, 1.0]), labels) == 0.0
    assert auc_pr(np.array([4.0, 3.0, 2.0, 1.0]), labels) == 0.25


def test_ratios_follow_from_the_counts() -> None:
    alarms = np.array([True, True, False, False, True, False])
    labels = np.array([1, 1, 1, 0, 0, 0], np.int8)
    detection = Detection.of(alarms, labels)
    assert detection == Detection(true_positives=2, false_positives=1, true_negatives=2, false_negatives=1)
    assert detection.precision == detection.recall == detection.f1 == pytest.approx(2 / 3)
    assert detection.false_alarm_rate == pytest.approx(1 / 3)


def test_ratios_without_a_denominator_are_undefined_rather_than_zero() -> None:
    silent = Detection.of(np.array([False, False]), np.array([0, 0], np.int8))
    assert (silent.precision, silent.recall, silent.f1) == (None, None, None)
    assert silent.false_alarm_rate == 0.0
    assert Detection.of(np.array([True]), np.array([1], np.int8)).false_alarm_rate is None
