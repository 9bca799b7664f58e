"""The checks of the gate, as functions of what was counted: each gives one sentence, what was found and its bound.

A check that cannot be made does not hold: what cannot be told waits for a person.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import poisson

from monitor.core.artifact.calibration import DAY_SECONDS
from monitor.core.artifact.manifest import Manifest
from monitor.core.artifact.proposal import Check
from monitor.core.values.duration import in_words
from trainer.refit.beyond_anchor import CHANCE, chance_events
from trainer.refit.injection import Recall, RecallDifference
from trainer.refit.movement import ENOUGH_STREAMS, Movement
from trainer.selection.synthetic import FAULTS, RAMPS

Floats = NDArray[np.float64]

RECALL_LOSS = 0.05  # of injected faults a refit may find so much fewer than its anchor
MOST_FACTOR = 2.0  # so many times as high may a threshold be on the other's normal data, or a stream's typical score
LEAST_WINDOWS = 50  # held out: fewer tell nothing of a threshold
_LEVEL = 0.9  # of scores: near enough to the threshold, and some hundred windows tell it
_SMALLEST = 1e-6  # of scores
_ROUNDING = 1.01  # of rates that were fitted


@dataclass(frozen=True, slots=True)
class Counted:
    """The false alarms of two models on the normal windows of one stream that were held out, over the same time.

    An alert that goes on counts once for each six hours begun.
    """

    stream: str
    seconds: float
    candidate: int
    champion: int


@dataclass(frozen=True, slots=True)
class ConfirmedOutcome:
    """What became of an interval that a person confirmed as a fault, by the history of it.

    described: stream and time, in words. caught: whether the candidate raises an alert in it; None: the history holds
    nothing of it. champion: whether the model in use does.
    """

    described: str
    caught: bool | None
    champion: bool | None


def false_alarms(candidate: Manifest, champion: Manifest, counted: Sequence[Counted]) -> Check:
    """Expected false alarms are within the budget where the data carry it, and no worse than the champion's."""
    promised, before = candidate.calibration.false_alarms, champion.calibration.false_alarms
    seconds = sum(one.seconds for one in counted)
    if promised is None or before is None:  # thresholds by another rule promise no rate: it is counted
        found, bound = (sum(getattr(one, who) for one in counted) for who in ("candidate", "champion"))
        text = (
            f"{found} false alarms in {in_words(seconds)} of held-out normal data, the model in use raises {bound}"
            if seconds
            else "no normal data were held out, so false alarms cannot be told"
        )
        return Check(name="false_alarms", holds=seconds > 0 and found <= bound, found=found, bound=bound, text=text)
    carried = promised.normal_seconds >= promised.needed_seconds
    raised = sum(one.champion for one in counted)
    seen = raised / seconds * DAY_SECONDS if raised > chance_events(before.expected_per_day, seconds) else 0.0
    # the budget itself is no worse than asked, whatever better the champion promises
    bound = promised.asked_per_day if carried else max(promised.asked_per_day, before.expected_per_day, seen)
    found = promised.expected_per_day
    against = f"the budget is {promised.asked}"
    if bound > promised.asked_per_day:
        whose = "raised" if seen == bound else "promises"
        against = f"the model in use {whose} one in {in_words(DAY_SECONDS / bound)}"
    return Check(
        name="false_alarms",
        holds=found <= _ROUNDING * bound,
        found=found,
        bound=bound,
        text=f"one false alarm per stream in {in_words(DAY_SECONDS / found)} is expected, and {against}",
    )


def false_alarms_by_stream(candidate: Manifest, counted: Sequence[Counted]) -> Check:
    """No single stream raises more false alarms than chance allows, unless it already does.

    Of a stream that does, the count of the champion is a draw of chance, too: the refit of a fleet must not wait for
    one more alarm of a motor that is restless anyway.
    """
    promised = candidate.calibration.false_alarms
    per_day = 0.0 if promised is None else max(promised.asked_per_day, promised.expected_per_day)
    restless = [one for one in counted if one.candidate > _most_of(one, chance_events(per_day, one.seconds))]
    if not restless:
        text = f"of {len(counted)} streams none raises more false alarms than chance allows"
        return Check(name="restless_streams", holds=True, found=0, bound=0, text=text)
    worst = max(restless, key=lambda one: one.candidate)
    text = (
        f"{worst.stream} raises {worst.candidate} false alarms in {in_words(worst.seconds)} of held-out normal data, "
        f"where chance allows {chance_events(per_day, worst.seconds)} and the model in use raises {worst.champion}"
    )
    return Check(name="restless_streams", holds=False, found=len(restless), bound=0, text=text)


def _most_of(one: Counted, chance: int) -> int:
    """How many false alarms a stream may raise by chance, or by as much chance as the champion has them."""
    return chance if one.champion <= chance else int(poisson.ppf(CHANCE, one.champion))


def confirmed(outcomes: Sequence[ConfirmedOutcome]) -> Check:
    """Every interval that a person confirmed raises an alert."""
    missed = [one for one in outcomes if one.caught is False]
    judged = sum(one.caught is not None for one in outcomes)
    gone = f"; of {len(outcomes) - judged} more the history holds nothing" if judged < len(outcomes) else ""
    if missed:
        also = " (the model in use misses it, too)" if missed[0].champion is False else ""
        text = f"{missed[0].described} was confirmed as a fault and raises no alert{also}"
        text += f", and so do {len(missed) - 1} more" if len(missed) > 1 else ""
    else:
        text = f"all {judged} confirmed faults raise an alert" if judged else "no fault has been confirmed"
    return Check(name="confirmed", holds=not missed, found=len(missed), bound=0, text=text + gone)


def recall(candidate: Recall, anchor: Recall, *, ramps: bool) -> Check:
    """Injected faults (or the slow ramps among them) are found as often as the anchor finds them, less 0.05."""
    name, what, kinds = ("slow_ramps", "slow ramps", RAMPS) if ramps else ("injected_faults", "faults", FAULTS)
    both = RecallDifference.between(candidate, anchor, kinds)
    if not both.error <= RECALL_LOSS:
        text = f"how many injected {what} are found cannot be told from {both.windows} held-out normal windows"
        return Check(name=name, holds=False, text=text)
    text = (
        f"{both.candidate:.1%} of injected {what} are found, the anchor finds {both.anchor:.1%} "
        f"(the difference is known to {both.error:.1%})"
    )
    bound = both.anchor - RECALL_LOSS
    return Check(name=name, holds=both.candidate >= bound, found=both.candidate, bound=bound, text=text)


def moved(movement: Movement, anchored_streams: int, *, all_accepted: bool = False) -> Check:
    """What moved since the anchor, over all refits together, lies within the bounds.

    anchored_streams: how many streams the anchor has data of, in the refit or not. all_accepted: whether a person
    accepted each stream of the refit as it is now, so that there is nothing to hold.
    """
    furthest = movement.furthest
    if all_accepted:
        return Check(name="moved", holds=True, text="a person accepted all streams of the refit as they are now")
    if furthest is None:
        text = (
            f"how far data have moved cannot be told: the refit holds no stream of the {anchored_streams} of the anchor"
            if anchored_streams
            else "how far data have moved cannot be told: the anchor does not tell where its data lie"
        )
        return Check(name="moved", holds=False, text=text)
    return Check(name="moved", holds=furthest.extent <= 1, found=furthest.extent, bound=1.0, text=furthest.text)


def moved_together(movement: Movement) -> Check:
    """What most streams did together lies within its bound."""
    channel, shift = max(movement.shared.items(), key=lambda item: abs(item[1]), default=("", 0.0))
    text = f"most streams moved together by {shift:+.2g} scales in {channel}, {movement.shared_bound:g} may be learnt"
    return Check(
        name="moved_together",
        holds=abs(shift) <= movement.shared_bound,
        found=abs(shift),
        bound=movement.shared_bound,
        text=text if shift else "nothing moved in most streams alike",
    )


def threshold(at_home: Floats, on_anchor: Floats) -> Check:
    """The candidate's threshold is about as high over the anchor's held-out data as over its own.

    at_home, on_anchor: float64 [N] each, scores of normal windows, held out from the candidate and from the anchor.
    """
    name, few = "threshold_on_anchor", min(len(at_home), len(on_anchor))
    if few < LEAST_WINDOWS:
        text = f"how high the threshold is over the anchor's data cannot be told from {few} held-out windows"
        return Check(name=name, holds=False, text=text)
    ratio = float(np.quantile(at_home, _LEVEL) / max(float(np.quantile(on_anchor, _LEVEL)), _SMALLEST))
    return Check(
        name=name,
        holds=1 / MOST_FACTOR <= ratio <= MOST_FACTOR,
        found=ratio,
        bound=MOST_FACTOR,
        text=f"over the anchor's data the threshold is {ratio:.2f} times as high as over recent ones, {MOST_FACTOR:g} "
        "times as high or as low may be",
    )


def anchor_scores(medians: Mapping[str, tuple[float, float]]) -> Check:
    """The anchor's typical score of no stream has grown beyond its bound, beside what it grew in most.

    medians: by stream, the anchor's median score of the normal windows that it held out itself, and of recent ones.
    """
    name = "anchor_scores"
    if not medians:
        text = "how the anchor's scores have grown is not known: it kept no data of these streams"
        return Check(name=name, holds=True, text=text)
    grown = {stream: now / max(before, _SMALLEST) for stream, (before, now) in medians.items()}
    shared = float(np.median(list(grown.values()))) if len(grown) >= ENOUGH_STREAMS else 1.0
    stream, most = max(grown.items(), key=lambda item: item[1])
    factor = most / max(shared, 1.0)
    return Check(
        name=name,
        holds=factor <= MOST_FACTOR,
        found=factor,
        bound=MOST_FACTOR,
        text=f"the anchor's typical score of {stream} is {most:.2f} times what it was, in most streams {shared:.2f} "
        f"times; {MOST_FACTOR:g} times as much may be",
    )
