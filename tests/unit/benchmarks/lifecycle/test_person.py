"""The scripted person keeps to the rules: finds faults late, calls false alarms so, and accepts what neither grows."""

import math

import pytest

from benchmarks.lifecycle.person import FOUND_FROM, Person
from benchmarks.lifecycle.plan import DAY_SECONDS, Plan, seconds_of
from benchmarks.lifecycle.walk import Seen

PLAN = Plan.draw(11)
FAULT = PLAN.faults[2]
BROKEN = PLAN.streams[FAULT.motor]
HEALTHY = next(
    name
    for number, name in enumerate(PLAN.streams)
    if number != PLAN.repaired and PLAN.fault_of(name) is None and not PLAN.ageing[number]
)
EARLY = seconds_of(30)


def steady(stream: str, begin: float, end: float) -> float:
    return 2.0


def of(stream: str, person: Person) -> list[tuple[str, float, float]]:
    return [
        (label.kind, label.from_seconds, label.to_seconds)
        for label in person.labels
        if label.stream == stream and label.who == "operator"
    ]


def test_a_fault_is_confirmed_once_it_has_grown_enough_and_not_before() -> None:
    found = FAULT.onset_seconds + FOUND_FROM * (FAULT.grown_seconds - FAULT.onset_seconds)
    alert = Seen("a", BROKEN, found - 3600, found - 1800)
    person = Person(PLAN)
    person.look(found - 60, [alert], steady)
    assert of(BROKEN, person) == []
    person.look(found + 60, [alert], steady)
    person.look(found + DAY_SECONDS, [alert, Seen("b", BROKEN, found, found)], steady)
    assert of(BROKEN, person) == [("confirmed", found - 3600, math.inf)]


def test_most_false_alarms_that_are_over_are_called_so_and_none_that_still_fires() -> None:
    alerts = [
        Seen(f"{number}", HEALTHY, EARLY + number, EARLY + number + 60, EARLY + number + 3600) for number in range(400)
    ]
    person = Person(PLAN)
    person.look(EARLY + DAY_SECONDS, [*alerts, Seen("open", HEALTHY, EARLY, EARLY)], steady)
    labels = of(HEALTHY, person)
    assert 0.68 < len(labels) / len(alerts) < 0.82
    assert {kind for kind, _, _ in labels} == {"false_alarm"}


def test_what_fires_for_three_days_without_growing_is_accepted_since_it_began_and_once() -> None:
    alert, person = Seen("a", HEALTHY, EARLY, EARLY + 600), Person(PLAN)
    person.look(EARLY + 2 * DAY_SECONDS, [alert], steady)
    assert person.accepts == []
    for day in (4, 5):
        person.look(EARLY + day * DAY_SECONDS, [alert], steady)
    assert [(label.stream, label.from_seconds, label.source) for label in person.accepts] == [
        (HEALTHY, EARLY, "accept")
    ]


def test_what_grows_is_not_accepted() -> None:
    alert, person = Seen("a", HEALTHY, EARLY, EARLY + 600), Person(PLAN)
    person.look(
        EARLY + 4 * DAY_SECONDS, [alert], lambda stream, begin, end: 1.0 if begin < EARLY + DAY_SECONDS else 1.4
    )
    assert person.accepts == []


def test_after_the_repair_its_time_is_maintenance_and_the_motor_is_accepted() -> None:
    begin, end = PLAN.repair
    person = Person(PLAN)
    motor = PLAN.streams[PLAN.repaired]
    person.look(end - 60, [], steady)
    assert of(motor, person) == []
    person.look(end + 60, [], steady)
    person.look(end + DAY_SECONDS, [], steady)
    assert of(motor, person) == [("maintenance", begin, end), ("new_normal", end, math.inf)]


def test_the_poisoned_label_is_written_whatever_the_person_finds() -> None:
    stream, begin, end = PLAN.poisoned
    person = Person(PLAN)
    person.look(end, [], steady)
    person.look(end + DAY_SECONDS, [], steady)
    poison = [label for label in person.labels if label.who != "operator"]
    assert [(label.stream, label.kind, label.from_seconds, label.to_seconds) for label in poison] == [
        (stream, "false_alarm", begin, end)
    ]


@pytest.mark.parametrize(("weeks", "accepted"), [(1, 0), (2, 1), (3, 1)])
def test_a_stream_that_two_refits_in_a_row_leave_out_is_accepted(weeks: int, accepted: int) -> None:
    person = Person(PLAN)
    for week in range(weeks):
        person.read_report(EARLY + 7 * week * DAY_SECONDS, {HEALTHY: EARLY - 5})
    assert [label.from_seconds for label in person.accepts] == [EARLY - 5] * accepted


def test_a_fault_that_two_refits_left_out_is_confirmed_and_one_too_small_to_find_is_accepted_and_counted() -> None:
    for now, accepted in ((FAULT.grown_seconds, 0), (FAULT.onset_seconds + 60, 1)):
        person = Person(PLAN)
        for _ in range(2):
            person.read_report(now, {BROKEN: FAULT.onset_seconds})
        assert person.faults_accepted == accepted
        assert [label.kind for label in person.labels] == (["new_normal"] if accepted else ["confirmed"])
