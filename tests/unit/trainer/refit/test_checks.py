"""Each check of the gate: when it holds, when it refuses, and that what cannot be told waits."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from monitor.core.alerting.decision_rule import DecisionSettings
from monitor.core.artifact.calibration import DAY_SECONDS, Calibration, FalseAlarms
from monitor.core.artifact.manifest import Manifest
from trainer.refit import checks
from trainer.refit.checks import ConfirmedOutcome, Counted
from trainer.refit.injection import Recall
from trainer.refit.movement import Movement
from trainer.selection.synthetic import FAULTS, RAMPS

MONTH = 30 * DAY_SECONDS


def model(expected_days: float | None = 30.0, *, carried: bool = True) -> Manifest:
    """A model that expects a false alarm in so many days and was asked for one in 30; None: asked for no rate."""
    promised = None
    if expected_days is not None:
        needed = 3 * DAY_SECONDS
        promised = FalseAlarms(
            asked="1 per 30d",
            asked_per_day=1 / 30,
            expected_per_day=1 / expected_days,
            low_per_day=0.0,
            high_per_day=1.0,
            method="rank",
            normal_seconds=needed * (2 if carried else 0.5),
            needed_seconds=needed,
            judge=DecisionSettings(),
        )
    rule = "quantile" if promised is None else "budget"
    calibration = Calibration(
        rule=cast(Any, rule), setting=0.99, windows=100, error_quantiles={}, false_alarms=promised
    )
    return cast(Manifest, SimpleNamespace(calibration=calibration))


def counted(candidate: int = 0, champion: int = 0, seconds: float = MONTH, stream: str = "motor-1") -> Counted:
    return Counted(stream, seconds, candidate, champion)


def test_a_refit_that_keeps_the_budget_holds_whatever_better_the_champion_promises() -> None:
    assert checks.false_alarms(model(), model(), [counted()]).holds
    assert checks.false_alarms(model(31), model(90), [counted()]).holds


def test_a_refit_that_expects_a_false_alarm_every_ten_minutes_is_refused() -> None:
    for carried in (True, False):
        check = checks.false_alarms(model(10 / 1440, carried=carried), model(), [counted()])
        assert not check.holds
        assert "one false alarm per stream in 10 min is expected, and the budget is 1 per 30d" in check.text


def test_data_that_cannot_carry_the_budget_are_enough_where_the_champion_does_no_better() -> None:
    assert checks.false_alarms(model(2, carried=False), model(2, carried=False), [counted()]).holds
    assert not checks.false_alarms(model(2, carried=False), model(4, carried=False), [counted()]).holds
    # data that carry the budget leave no excuse
    assert not checks.false_alarms(model(2), model(2, carried=False), [counted()]).holds


def test_a_champion_that_drowns_in_false_alarms_is_measured_by_what_it_raises() -> None:
    drowning = [counted(champion=60)]
    check = checks.false_alarms(model(2, carried=False), model(), drowning)
    assert check.holds
    assert "the model in use raised one in 12 h" in check.text
    # a few are chance: what it promises counts
    assert not checks.false_alarms(model(2, carried=False), model(), [counted(champion=3)]).holds


def test_thresholds_that_promise_no_rate_are_counted() -> None:
    by_quantile = model(None)
    assert checks.false_alarms(by_quantile, by_quantile, [counted(2, 2)]).holds
    assert not checks.false_alarms(by_quantile, by_quantile, [counted(3, 2)]).holds
    assert not checks.false_alarms(by_quantile, by_quantile, []).holds


def test_one_restless_stream_refuses_unless_it_already_is() -> None:
    calm = [counted(1, stream=f"motor-{number}") for number in range(9)]
    assert checks.false_alarms_by_stream(model(), calm).holds
    check = checks.false_alarms_by_stream(model(), [*calm, counted(8, 2, stream="motor-9")])
    assert not check.holds
    assert check.text.startswith("motor-9 raises 8 false alarms in 30 d")
    assert checks.false_alarms_by_stream(model(), [*calm, counted(8, 9)]).holds


def test_one_more_false_alarm_of_a_stream_that_is_restless_anyway_is_chance_and_three_times_as_many_are_not() -> None:
    assert checks.false_alarms_by_stream(model(), [counted(9, 8)]).holds
    assert not checks.false_alarms_by_stream(model(), [counted(24, 8)]).holds


def test_a_confirmed_fault_that_is_missed_refuses() -> None:
    caught = ConfirmedOutcome("motor-1 from 2026-02-01", caught=True, champion=True)
    missed = ConfirmedOutcome("motor-2 from 2026-02-02", caught=False, champion=True)
    gone = ConfirmedOutcome("motor-3 from 2026-02-03", caught=None, champion=None)
    assert checks.confirmed([]).holds
    assert checks.confirmed([caught, gone]).holds
    assert "of 1 more the history holds nothing" in checks.confirmed([caught, gone]).text
    check = checks.confirmed([caught, missed, gone])
    assert not check.holds
    assert check.text.startswith("motor-2 from 2026-02-02 was confirmed as a fault and raises no alert")
    also = checks.confirmed([ConfirmedOutcome("x", caught=False, champion=False)])
    assert not also.holds
    assert "the model in use misses it, too" in also.text


def found(share: float, streams: int = 6, windows: int = 200, seed: int = 0) -> Recall:
    rng = np.random.default_rng(seed)
    return Recall({f"motor-{number}": rng.uniform(size=(len(FAULTS), windows)) < share for number in range(streams)})


def test_recall_may_be_a_twentieth_below_the_anchors_and_no_more() -> None:
    assert checks.recall(found(0.60), found(0.60, seed=1), ramps=False).holds
    assert checks.recall(found(0.57), found(0.60, seed=1), ramps=False).holds
    check = checks.recall(found(0.50), found(0.60, seed=1), ramps=False)
    assert not check.holds
    assert check.found == pytest.approx(0.5, abs=0.02)
    assert check.bound == pytest.approx(0.55, abs=0.02)


def test_slow_ramps_are_looked_at_by_themselves() -> None:
    blind = found(0.6)
    for each in blind.of_streams.values():
        each[[FAULTS.index(kind) for kind in RAMPS]] = False
    assert not checks.recall(blind, found(0.6, seed=1), ramps=True).holds


@pytest.mark.parametrize("recall", [found(0.5, streams=1, windows=30), Recall({}), found(0.5, streams=2, windows=20)])
def test_recall_of_few_windows_cannot_be_told_and_waits(recall: Recall) -> None:
    check = checks.recall(recall, found(0.5), ramps=True)
    assert not check.holds
    assert check.found is None
    assert "cannot be told" in check.text


def test_streams_that_only_one_of_them_knows_do_not_count() -> None:
    more = found(0.6)
    more.of_streams["new"] = np.zeros((len(FAULTS), 1000), np.bool_)
    assert checks.recall(more, found(0.6, seed=1), ramps=False).holds


def test_how_far_data_moved_waits_where_nothing_can_be_compared() -> None:
    nothing = Movement((), {}, 3.0)
    assert not checks.moved(nothing, 0).holds
    assert "no stream of the 4 of the anchor" in checks.moved(nothing, 4).text
    assert checks.moved_together(nothing).holds


def test_what_most_streams_do_together_has_a_bound_too() -> None:
    assert checks.moved_together(Movement((), {"bearing": -2.9, "winding": 0.1}, 3.0)).holds
    check = checks.moved_together(Movement((), {"bearing": -3.1, "winding": 0.1}, 3.0))
    assert not check.holds
    assert "most streams moved together by -3.1 scales in bearing, 3 may be learnt" in check.text


def scores(level: float, count: int = 300) -> NDArray[np.float64]:
    return np.random.default_rng(5).gamma(4, level / 4, count)


def test_a_threshold_that_rose_over_the_anchors_own_data_refuses() -> None:
    assert checks.threshold(scores(0.4), scores(0.3)).holds
    check = checks.threshold(scores(0.4), scores(0.15))
    assert not check.holds
    assert check.found == pytest.approx(0.4 / 0.15)
    assert not checks.threshold(scores(0.2), scores(0.5)).holds
    few = checks.threshold(scores(0.4), scores(0.4, 20))
    assert not few.holds
    assert "cannot be told from 20" in few.text


def test_a_stream_whose_scores_by_the_anchor_grew_alone_refuses() -> None:
    season = {f"motor-{number}": (0.3, 0.6) for number in range(8)}
    assert checks.anchor_scores(season).holds
    check = checks.anchor_scores(season | {"motor-3": (0.2, 0.9)})
    assert not check.holds
    assert check.text.startswith("the anchor's typical score of motor-3 is 4.50 times what it was")
    assert not checks.anchor_scores({"motor-1": (0.2, 0.5)}).holds
    assert checks.anchor_scores({}).holds
