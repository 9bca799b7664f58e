"""Bounds of what labels may do to one refit, so that a flood of them, by mistake or on purpose, does not take over."""

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.core.history.label import Label
from monitor.core.values.duration import in_words

# Of the time looked at, labels that leave out may take at most so much: beyond it what is left is no fair sample.
MOST_LEFT_OUT = 0.5


@dataclass(frozen=True, slots=True)
class LabelUse:
    """What labels did to a selection, over all streams of a model, in windows.

    looked_at: all there were. taken: what is taken in the end. brought_back: of these, what only labels take in.
    left_out: what labels leave out.
    """

    looked_at: int
    taken: int
    brought_back: int
    left_out: int


def label_problem(
    labels: Sequence[Label],
    since_seconds: float,
    use: LabelUse,
    most_labels: int,
    most_share: float,
    seconds_per_window: float,
) -> str | None:
    """Say why a person must look at the labels before a refit follows them; None: it may.

    since_seconds: when the model in use was made; labels from before had their say then.
    """
    new = [label for label in labels if label.at_seconds > since_seconds]
    if len(new) > most_labels:
        who = ", ".join(sorted({label.who for label in new})[:5])
        return (
            f"{len(new)} labels came since the last fit, and a refit follows at most {most_labels} (by {who}): "
            "look at `residuald label list`, withdraw what is wrong, or raise refit.max_labels"
        )
    if use.brought_back > most_share * use.taken:
        return (
            f"labels bring back {in_words(use.brought_back * seconds_per_window)} that alerts leave out, "
            f"{use.brought_back / max(1, use.taken):.0%} of what would be taken, and a refit follows at most "
            f"{most_share:.0%}: look at `residuald label list`, withdraw what is wrong, or raise refit.max_label_share"
        )
    if use.left_out > MOST_LEFT_OUT * use.looked_at:
        return (
            f"labels leave out {use.left_out / max(1, use.looked_at):.0%} of the history, and a refit follows at most "
            f"{MOST_LEFT_OUT:.0%}: look at `residuald label list`, and withdraw what is wrong"
        )
    return None
