"""One alert per stream at a time, with one id from its first step to its last."""

import itertools
import uuid

from monitor.core.alerting.alerts import AlertBook, AlertStep, Evidence
from monitor.core.alerting.decision_rule import Phase
from monitor.core.alerting.end_reason import EndReason

CALM, PENDING, FIRING = Phase.CALM, Phase.PENDING, Phase.FIRING


def evidence(time: float, score: float = 1.5) -> Evidence:
    return Evidence(time, score, score * 2, {"x": score, "y": score / 2})


def live(book: AlertBook, *phases: Phase, stream: str = "s", start: float = 100.0) -> list[AlertStep]:
    """The steps that come of walking a stream through `phases`, one window per second."""
    transitions = enumerate(itertools.pairwise(phases))
    return [
        step
        for at, (before, after) in transitions
        for step in book.transition(stream, before, after, evidence(start + at))
    ]


def test_an_alert_keeps_its_id_and_its_beginning_through_its_whole_life() -> None:
    steps = live(AlertBook(), CALM, PENDING, FIRING, CALM)
    assert [step.phase for step in steps] == ["pending", "firing", "resolved"]
    assert len({step.id for step in steps}) == 1
    assert {step.since_seconds for step in steps} == {100.0}
    assert [step.evidence.time_seconds for step in steps] == [100.0, 101.0, 102.0]


def test_a_stream_that_fires_at_once_takes_both_steps() -> None:
    steps = AlertBook().transition("s", CALM, FIRING, evidence(5))
    assert [(step.phase, step.fired) for step in steps] == [("pending", False), ("firing", True)]
    assert steps[0].id == steps[1].id


def test_an_alert_that_never_fired_says_so_when_it_is_resolved() -> None:
    assert [step.fired for step in live(AlertBook(), CALM, PENDING, CALM)] == [False, False]


def test_an_alert_that_fired_says_so_when_it_is_resolved() -> None:
    assert [step.fired for step in live(AlertBook(), CALM, PENDING, FIRING, CALM)] == [False, True, True]


def test_the_same_recording_gives_the_same_ids() -> None:
    walk = (CALM, PENDING, FIRING, CALM, PENDING, CALM)
    assert live(AlertBook(), *walk) == live(AlertBook(), *walk)


def test_another_life_or_another_stream_has_another_id() -> None:
    book = AlertBook()
    ids = {step.id for step in live(book, CALM, PENDING, CALM, PENDING, CALM)}
    ids |= {step.id for step in live(book, CALM, PENDING, CALM, stream="t")}
    assert len(ids) == 3
    assert all(uuid.UUID(name).version == 5 for name in ids)


def test_the_open_alert_is_the_latest_step_until_it_is_resolved() -> None:
    book = AlertBook()
    assert book.open_alert("s") is None
    pending = live(book, CALM, PENDING)[-1]
    assert book.open_alert("s") == pending
    firing = live(book, PENDING, FIRING)[-1]
    assert book.open_alert("s") == firing
    live(book, FIRING, CALM)
    assert book.open_alert("s") is None


def test_windows_resolve_an_alert_for_the_reason_calm_and_no_step_before_has_a_reason() -> None:
    assert [step.reason for step in live(AlertBook(), CALM, PENDING, FIRING, CALM)] == [None, None, "calm"]
    assert [step.reason for step in live(AlertBook(), CALM, PENDING, CALM)] == [None, "calm"]


def test_giving_a_stream_up_resolves_its_alert_with_the_last_evidence() -> None:
    book = AlertBook()
    firing = live(book, CALM, PENDING, FIRING)[-1]
    resolved = book.close("s", EndReason.GONE)
    assert resolved is not None
    assert (resolved.id, resolved.phase, resolved.fired) == (firing.id, "resolved", True)
    assert resolved.reason == "gone"
    assert resolved.evidence == firing.evidence
    assert book.open_alert("s") is None


def test_giving_up_a_stream_without_an_alert_resolves_nothing() -> None:
    assert AlertBook().close("s", EndReason.GONE) is None


def test_the_channel_named_is_the_one_that_contributed_most() -> None:
    assert Evidence(0.0, 1.0, 1.0, {"a": 0.1, "b": 3.0, "c": 2.9}).channel == "b"
