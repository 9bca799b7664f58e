"""How well errors tell anomalous windows from normal ones. Labels are 1 = anomaly; higher scores are more anomalous."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Scores = NDArray[np.floating]
Labels = NDArray[np.int8]


def auc_roc(scores: Scores, labels: Labels) -> float | None:
    """Area under the ROC curve: the probability that an anomaly scores above a normal window, ties counting half.

    scores: floating [N]. labels: int8 [N], 1 for an anomaly.

    Computed from mid-ranks (Mann-Whitney U; Hanley & McNeil 1982). None where one of the classes is absent.
    """
    positives = int(np.sum(labels == 1))
    negatives = len(labels) - positives
    if positives == 0 or negatives == 0:
        return None
    rank_sum = float(rankdata(scores)[labels == 1].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def auc_pr(scores: Scores, labels: Labels) -> float | None:
    """Area under the precision-recall curve, as average precision: precision weighted by the gain in recall.

    scores: floating [N]. labels: int8 [N], 1 for an anomaly.

    No interpolation, which would be too optimistic (Davis & Goadrich 2006); windows with the same score enter together.
    None where one of the classes is absent.
    """
    positives = int(np.sum(labels == 1))
    if positives in (0, len(labels)):
        return None
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(labels[order] == 1)
    last_of_tie = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    precision = hits[last_of_tie] / (last_of_tie + 1)
    recall = hits[last_of_tie] / positives
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


@dataclass(frozen=True, slots=True)
class Detection:
    """What one threshold does to labelled windows. Ratios are None where they would divide by zero."""

    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int

    @classmethod
    def of(cls, alarms: NDArray[np.bool_], labels: Labels) -> "Detection":
        """Count the alarms against the labels. alarms: bool [N]. labels: int8 [N], 1 for an anomaly."""
        anomalous = labels == 1
        return cls(
            true_positives=int(np.sum(alarms & anomalous)),
            false_positives=int(np.sum(alarms & ~anomalous)),
            true_negatives=int(np.sum(~alarms & ~anomalous)),
            false_negatives=int(np.sum(~alarms & anomalous)),
        )

    @property
    def precision(self) -> float | None:
        """Which fraction of the alarms was right."""
        return _ratio(self.true_positives, self.true_positives + self.false_positives)

    @property
    def recall(self) -> float | None:
        """Which fraction of the anomalous windows raised an alarm."""
        return _ratio(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall."""
        return _ratio(2 * self.true_positives, 2 * self.true_positives + self.false_positives + self.false_negatives)

    @property
    def false_alarm_rate(self) -> float | None:
        """Which fraction of the normal windows raised an alarm."""
        return _ratio(self.false_positives, self.false_positives + self.true_negatives)


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
