"""What a refit takes and what it leaves out follows from alerts, labels and quality, each with its reason."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.history.alert_record import AlertRecord
from monitor.core.history.label import OPEN, Label, LabelKind
from trainer.refit.day_cap import DAY_SECONDS, cap_days
from trainer.refit.label_bounds import LabelUse, label_problem
from trainer.refit.selection import REASONS, Exclusion, Margins, Said, Selection, Spans, Taken

LENGTH, START = 10.0, 1e9
MARGINS = Margins(before_seconds=50.0, after_seconds=20.0)
NONE_SAID = Said((), ())


def selection(count: int = 100, breaks: tuple[int, ...] = ()) -> Selection:
    """Windows of ten seconds, one behind the other; a new stretch begins at each of `breaks`."""
    starts = START + LENGTH * np.arange(count, dtype=np.float64)
    stretch = np.isin(np.arange(count), breaks).cumsum()
    return Selection("m1", Spans(starts, starts + LENGTH - 1, stretch))


def alert(first: int, last: float, fired: bool = True) -> AlertRecord:
    to = START + last * LENGTH if math.isfinite(last) else last
    return AlertRecord(f"a{first}", "m", "m1", START + first * LENGTH, to, fired, 2.0, "calm", ("x",))


def label(kind: LabelKind, first: float, last: float = OPEN, at: float = 1000.0, source: str = "command") -> Label:
    to = START + last * LENGTH if math.isfinite(last) else last
    return Label("m1", START + first * LENGTH, to, kind, "eve", START + at * LENGTH, source)


def judged(said: Said, count: int = 100, withheld: Any = False, unlike: Any = False) -> Selection:
    made = selection(count)
    made.judge(said, np.broadcast_to(withheld, count), np.broadcast_to(unlike, count), MARGINS)
    return made


def left_out(made: Selection, reason: str) -> list[int]:
    return np.flatnonzero(made.reason == reason).tolist()


def test_all_is_taken_of_which_nothing_was_said_and_no_alert_fired() -> None:
    made = judged(Said((alert(40, 42, fired=False),), ()))
    assert made.taken.all()
    assert made.pieces() == ([Taken("m1", START, START + 999.0, 100)], [])


def test_an_alert_is_left_out_with_its_margins_and_what_is_around_stays() -> None:
    made = judged(Said((alert(40, 43),), ()))
    assert left_out(made, "alert") == list(range(35, 46))
    taken, excluded = made.pieces()
    assert [piece.windows for piece in taken] == [35, 54]
    assert excluded == [Exclusion("m1", START + 350, START + 459, "alert", 11)]


def test_an_open_alert_leaves_out_all_that_follows() -> None:
    assert left_out(judged(Said((alert(40, math.inf),), ())), "alert") == list(range(35, 100))


@pytest.mark.parametrize("kind", ["bad", "maintenance", "confirmed"])
def test_what_people_rule_out_is_left_out_under_its_own_name(kind: LabelKind) -> None:
    made = judged(Said((alert(40, 43),), (label(kind, 41, 42.9),)), withheld=True)
    assert left_out(made, kind) == [41, 42]
    assert left_out(made, "quality") == [*range(41), *range(43, 100)]


def test_a_false_alarm_brings_its_alert_back_with_the_margins() -> None:
    made = judged(Said((alert(40, 43),), (label("false_alarm", 39, 44),)))
    assert made.taken.all()
    assert np.flatnonzero(made.brought_back).tolist() == list(range(35, 46))


def test_a_false_alarm_of_a_part_brings_back_that_part_only() -> None:
    made = judged(Said((alert(40, 60),), (label("false_alarm", 50, 52.9),)))
    assert left_out(made, "alert") == [*range(35, 50), *range(53, 63)]
    assert np.flatnonzero(made.brought_back).tolist() == [50, 51, 52]


def test_nobody_can_say_of_what_is_to_come_that_it_is_normal() -> None:
    words = (label("false_alarm", 0, at=50), label("new_normal", 0, at=50))
    made = judged(Said((alert(30, 35), alert(70, 75)), words))
    assert left_out(made, "alert") == list(range(65, 78))


def test_a_false_alarm_does_not_bring_back_what_a_fault_or_bad_data_are_said_to_be() -> None:
    words = (label("false_alarm", 0, 99), label("confirmed", 40, 40.5), label("bad", 50, 50.5))
    made = judged(Said((alert(38, 52),), words))
    assert np.flatnonzero(~made.taken).tolist() == [40, 50]


def test_what_was_before_a_person_accepted_a_change_is_left_out_and_alerts_about_it_are_not() -> None:
    made = judged(Said((alert(55, math.inf),), (label("new_normal", 60, at=70, source="accept"),)))
    assert left_out(made, "before_accept") == list(range(60))
    assert made.taken[60:].all()
    assert not made.brought_back.any()


def test_once_an_anchor_holds_what_was_accepted_alerts_count_again() -> None:
    accept = label("new_normal", 60, at=70, source="accept")
    said = Said((alert(55, 65), alert(80, 85)), (accept,), anchored_since_seconds=accept.from_seconds)
    assert said.pending_since_seconds is None
    assert left_out(judged(said), "alert") == list(range(75, 88))
    assert Said((), (accept,), accept.from_seconds - 1).pending_since_seconds == accept.from_seconds


def test_windows_unlike_the_training_data_are_taken_only_where_a_person_accepted_them() -> None:
    assert left_out(judged(NONE_SAID, unlike=True), "quality") == list(range(100))
    accepted = Said((), (label("new_normal", 60, source="accept"),))
    assert left_out(judged(accepted, unlike=True), "quality") == []


def test_pieces_break_where_stretches_do() -> None:
    assert [piece.windows for piece in selection(20, breaks=(5, 12)).pieces()[0]] == [5, 7, 8]


@given(
    st.lists(st.tuples(st.integers(0, 99), st.integers(1, 30), st.booleans()), max_size=6),
    st.lists(
        st.tuples(st.sampled_from(["bad", "confirmed", "false_alarm", "new_normal"]), st.integers(0, 99)), max_size=5
    ),
    st.lists(st.booleans(), min_size=100, max_size=100),
)
def test_each_window_is_taken_or_left_out_once_and_nothing_distrusted_is_ever_taken(
    alerts: list[tuple[int, int, bool]], labels: list[tuple[LabelKind, int]], withheld: list[bool]
) -> None:
    said = Said(
        [alert(first, first + length, fired) for first, length, fired in alerts],
        [label(kind, first, first + 5) for kind, first in labels],
    )
    made = judged(said, withheld=np.array(withheld))
    taken, excluded = made.pieces()
    assert sum(piece.windows for piece in taken) == int(made.taken.sum())
    assert sum(piece.windows for piece in taken) + sum(piece.windows for piece in excluded) == 100
    assert not made.taken[np.array(withheld)].any()
    assert set(made.reason.tolist()) <= {"", *REASONS}
    assert not (made.brought_back & ~made.taken).any()


def days(counts: list[int]) -> Selection:
    starts = np.concatenate(
        [START // DAY_SECONDS * DAY_SECONDS + day * DAY_SECONDS + np.arange(n) * 60.0 for day, n in enumerate(counts)]
    )
    return Selection("m1", Spans(starts, starts + 59.0, np.repeat(np.arange(len(counts)), counts)))


def test_a_day_of_which_much_was_kept_weighs_at_most_twice_the_median_day_and_is_thinned_all_over() -> None:
    made = days([100, 100, 1200, 100])
    cap_days(made)
    of_day = np.flatnonzero(made.taken[200:1400])
    assert 160 <= len(of_day) <= 200 + 32
    assert of_day.min() < 100
    assert of_day.max() > 1100
    assert (np.diff(of_day) == 1).sum() >= 0.9 * len(of_day)
    assert made.taken[:200].all()
    assert made.taken[1400:].all()


def test_days_alike_are_taken_whole_and_no_windows_are_no_trouble() -> None:
    made = days([100, 110, 90])
    cap_days(made)
    assert made.taken.all()
    nothing = days([0])
    cap_days(nothing)
    assert nothing.pieces() == ([], [])


USE = LabelUse(looked_at=1000, taken=800, brought_back=40, left_out=100)


@pytest.mark.parametrize(
    ("labels", "use", "what"),
    [
        (4, USE, "4 labels came since the last fit, and a refit follows at most 3 .by eve.*withdraw.*refit.max_labels"),
        (1, LabelUse(1000, 800, 81, 100), "bring back 14 min that alerts leave out, 10% .*refit.max_label_share"),
        (1, LabelUse(1000, 400, 0, 501), "leave out 50% of the history"),
    ],
)
def test_more_labels_than_a_refit_follows_wait_for_a_person(labels: int, use: LabelUse, what: str) -> None:
    words = [label("false_alarm", 1, 2)] * labels
    with pytest.raises(AssertionError, match=what):
        assert label_problem(words, START, use, 3, 0.1, 10.0) is None
    assert label_problem(words[:3], START, USE, 3, 0.1, 10.0) is None


def test_labels_from_before_the_last_fit_are_not_counted_again() -> None:
    words = [label("false_alarm", 1, 2, at=5)] * 9
    assert label_problem(words, START + 6 * LENGTH, USE, 3, 0.1, 10.0) is None
