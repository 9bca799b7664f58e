"""Windows become phases by k-of-n and hysteresis, the same way whatever batches they come in."""

from collections import deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.alerting.decision_rule import DecisionRule, DecisionSettings, Phase, Verdict, Verdicts

HIGH, NEAR, LOW = 1.5, 0.95, 0.5  # anomalous; normal yet not below the release score; calm

Turn = tuple[int, Phase, Phase]


def rule_of(streams: int = 1, **settings: float) -> DecisionRule:
    rule = DecisionRule(DecisionSettings.model_validate(settings))
    for stream in range(streams):
        rule.open_stream(stream)
    return rule


def feed(rule: DecisionRule, *scores: float, stream: int = 0) -> list[Phase]:
    """The phase after each score, given one at a time."""
    phases = []
    for score in scores:
        rule.decide(np.array([stream]), np.array([score], np.float32), np.array([True]))
        phases.append(Phase(int(rule.phase[stream])))
    return phases


def decide(rule: DecisionRule, windows: list[tuple[int, float, bool]]) -> Verdicts:
    streams, scores, trusted = zip(*windows, strict=True) if windows else ((), (), ())
    return rule.decide(np.array(streams, np.int64), np.array(scores, np.float32), np.array(trusted, np.bool_))


class Reference:
    """One stream, judged by the rules as the documentation words them."""

    def __init__(self, settings: DecisionSettings) -> None:
        self.settings = settings
        self.phase = Phase.CALM
        self.last_n: deque[bool] = deque(maxlen=settings.n)
        self.calm_in_a_row = 0

    def see(self, score: float) -> None:
        self.last_n.append(score > 1)
        self.calm_in_a_row = self.calm_in_a_row + 1 if score < np.float32(self.settings.release_score) else 0
        if self.phase is Phase.FIRING:
            if self.calm_in_a_row >= self.settings.release_windows:
                self.phase = Phase.CALM
                self.last_n.clear()
        elif sum(self.last_n) >= self.settings.k:
            self.phase = Phase.FIRING
        else:
            self.phase = Phase.PENDING if any(self.last_n) else Phase.CALM


SETTINGS = st.tuples(st.integers(1, 4), st.integers(0, 3), st.integers(1, 4)).map(
    lambda drawn: DecisionSettings(k=drawn[0], n=drawn[0] + drawn[1], release_windows=drawn[2])
)
WINDOWS = st.lists(
    st.tuples(
        st.integers(0, 3), st.sampled_from([HIGH, 1.0, NEAR, 0.9, LOW, float("nan"), float("inf")]), st.booleans()
    ),
    max_size=60,
)


@given(settings=SETTINGS, windows=WINDOWS, cuts=st.lists(st.integers(1, 20), max_size=8))
def test_windows_in_batches_turn_streams_as_the_rules_say_one_window_at_a_time(
    settings: DecisionSettings, windows: list[tuple[int, float, bool]], cuts: list[int]
) -> None:
    references = [Reference(settings) for _ in range(4)]
    expected: list[Turn] = []
    for at, (stream, score, trusted) in enumerate(windows):
        before = references[stream].phase
        if trusted and np.isfinite(score):
            references[stream].see(score)
        if references[stream].phase is not before:
            expected.append((at, before, references[stream].phase))

    rule, found, start = rule_of(4, **settings.model_dump()), [], 0
    for size in [*cuts, len(windows)]:
        verdicts = decide(rule, windows[start : start + size])
        found += [(start + at, before, after) for at, before, after in verdicts.transitions]
        start += len(verdicts.verdict)

    assert found == expected
    assert [Phase(int(phase)) for phase in rule.phase[:4]] == [reference.phase for reference in references]


@given(windows=WINDOWS)
def test_a_verdict_is_about_its_own_window_only(windows: list[tuple[int, float, bool]]) -> None:
    verdicts = decide(rule_of(4), windows)
    for verdict, (_, score, trusted) in zip(verdicts.verdict.tolist(), windows, strict=True):
        expected = (score > 1) if trusted and np.isfinite(score) else Verdict.WITHHELD
        assert verdict == expected


def test_the_first_anomalous_window_makes_a_stream_pending_and_k_of_n_make_it_fire() -> None:
    phases = feed(rule_of(k=2, n=3), LOW, HIGH, LOW, HIGH)
    assert phases == [Phase.CALM, Phase.PENDING, Phase.PENDING, Phase.FIRING]


def test_k_anomalous_windows_that_are_too_far_apart_do_not_fire() -> None:
    assert Phase.FIRING not in feed(rule_of(k=2, n=3), HIGH, LOW, LOW, HIGH, LOW, LOW, HIGH)


def test_a_pending_stream_lapses_when_none_of_the_last_n_windows_is_anomalous() -> None:
    assert feed(rule_of(k=2, n=3), HIGH, NEAR, NEAR, NEAR) == [Phase.PENDING] * 3 + [Phase.CALM]


def test_with_k_of_one_a_stream_fires_at_once() -> None:
    rule = rule_of(k=1, n=1)
    assert decide(rule, [(0, HIGH, True)]).transitions == ((0, Phase.CALM, Phase.FIRING),)


def test_a_score_around_the_threshold_neither_releases_nor_flaps() -> None:
    rule = rule_of(k=1, n=1, release_windows=2)
    assert set(feed(rule, HIGH, *[NEAR, LOW, NEAR, 1.0, LOW, NEAR] * 3)) == {Phase.FIRING}


def test_a_firing_stream_is_released_by_enough_calm_windows_in_a_row() -> None:
    rule = rule_of(k=1, n=3, release_windows=3)
    assert feed(rule, HIGH, LOW, LOW, LOW) == [Phase.FIRING] * 3 + [Phase.CALM]


def test_a_released_stream_needs_k_new_anomalous_windows_to_fire_again() -> None:
    rule = rule_of(k=2, n=4, release_windows=1)
    assert feed(rule, HIGH, HIGH, LOW, HIGH) == [Phase.PENDING, Phase.FIRING, Phase.CALM, Phase.PENDING]


def test_a_score_of_exactly_one_is_normal() -> None:
    assert decide(rule_of(), [(0, 1.0, True)]).verdict.tolist() == [Verdict.NORMAL]


def test_withheld_windows_change_nothing() -> None:
    rule = rule_of(k=2, n=2, release_windows=2)
    withheld = [(0, HIGH, False), (0, LOW, False), (0, float("nan"), True), (0, float("inf"), True)]
    for score, phase in [(HIGH, Phase.PENDING), (HIGH, Phase.FIRING), (LOW, Phase.FIRING), (LOW, Phase.CALM)]:
        verdicts = decide(rule, withheld)
        assert not verdicts.transitions
        assert set(verdicts.verdict.tolist()) == {Verdict.WITHHELD}
        assert feed(rule, score) == [phase]


def test_streams_are_judged_apart() -> None:
    rule = rule_of(2, k=2, n=2)
    decide(rule, [(0, HIGH, True), (1, LOW, True), (0, HIGH, True), (1, HIGH, True)])
    assert rule.phase[:2].tolist() == [Phase.FIRING, Phase.PENDING]


def test_a_number_given_to_a_new_stream_starts_calm() -> None:
    rule = rule_of(k=2, n=2)
    feed(rule, HIGH)
    rule.open_stream(0)
    assert feed(rule, HIGH) == [Phase.PENDING]


def test_an_empty_batch_is_judged() -> None:
    verdicts = decide(rule_of(), [])
    assert len(verdicts.verdict) == 0
    assert verdicts.transitions == ()


def test_k_beyond_n_is_refused() -> None:
    with pytest.raises(ValueError, match=r"k \(4\) must not exceed n \(3\)"):
        DecisionSettings(k=4, n=3)
