"""Which alerts ask whether they are a fault or the new normal: those that fire for long on a steady level."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from monitor.core.alerting.questions import Questions
from monitor.core.values.snapshots import StateError, decode_state, encode_state

HOUR = 3600.0
START = 1e9
USUAL = 0.5
WINDOW = 60.0  # seconds from window to window

Floats = NDArray[np.float64]


def questions_of(streams: int = 1) -> Questions:
    questions = Questions(USUAL)
    for stream in range(streams):
        questions.open_stream(stream)
    return questions


def minutes(first_seconds: float, count: int) -> Floats:
    return np.asarray(first_seconds + WINDOW * np.arange(count), np.float64)


def fired(questions: Questions, scores: Floats, stream: int = 0, first_seconds: float = START) -> Floats:
    """Let an alert fire and a score come each minute; when the windows end."""
    questions.begin(stream, first_seconds)
    ends = minutes(first_seconds, len(scores))
    questions.observe(np.full(len(scores), stream), ends, scores.astype(np.float32))
    return ends


def firing(streams: int) -> NDArray[np.bool_]:
    return np.ones(streams, np.bool_)


def asks(questions: Questions, stream: int = 0) -> bool:
    questions.review(np.ones(questions.capacity, np.bool_))
    return bool(np.isfinite(questions.asks_since_seconds[stream]))


def scores(hours: float, level: float, spread: float = 0.0, seed: int = 1) -> Floats:
    noise = np.random.default_rng(seed).standard_normal(round(hours * HOUR / WINDOW) + 1)
    return np.asarray(np.maximum(level + spread * noise, 0.0), np.float64)


def test_an_alert_that_fires_for_six_hours_on_a_steady_level_asks() -> None:
    questions = questions_of()
    ends = fired(questions, scores(6.0, 3.0, 0.4))
    assert asks(questions)
    assert questions.asks_since_seconds[0] == ends[-1]


def test_an_alert_does_not_ask_before_its_time() -> None:
    questions = questions_of()
    fired(questions, scores(5.9, 3.0))
    assert not asks(questions)


@pytest.mark.parametrize("hours", [6.0, 12.0, 30.0, 100.0])
def test_a_fault_that_grows_does_not_ask_however_long_it_does(hours: float) -> None:
    questions = questions_of()
    count = round(hours * HOUR / WINDOW) + 1
    fired(questions, np.linspace(1.2, 5.0, count, dtype=np.float64))
    assert not asks(questions)


def test_a_level_that_swings_as_far_as_the_step_does_not_ask() -> None:
    questions = questions_of()
    fired(questions, np.resize([1.0, 5.0], 481))
    assert not asks(questions)
    fired(questions, np.resize([2.5, 3.5], 481))
    assert asks(questions)


def test_what_was_unsteady_at_first_asks_once_it_has_settled() -> None:
    questions = questions_of()
    fired(questions, np.concatenate([np.linspace(1.2, 9.0, 120), scores(10.0, 3.0, 0.2)]))
    assert asks(questions)


def test_a_question_is_taken_back_when_the_level_moves_again() -> None:
    questions = questions_of()
    ends = fired(questions, scores(7.0, 3.0, 0.2))
    assert asks(questions)
    later = minutes(ends[-1] + WINDOW, 599)
    questions.observe(np.zeros(599, np.int64), later, np.linspace(3.0, 12.0, 599).astype(np.float32))
    assert not asks(questions)


def test_of_hours_without_windows_nothing_is_asked() -> None:
    questions = questions_of()
    questions.begin(0, START)
    ends = START + HOUR * np.array([0.0, 4.0, 4.1, 6.4, 6.5])
    questions.observe(np.zeros(5, np.int64), ends, np.full(5, 3.0, np.float32))
    assert not asks(questions)


def test_withheld_windows_say_nothing() -> None:
    questions = questions_of()
    ends = fired(questions, scores(6.5, 3.0))
    questions.observe(np.zeros(len(ends), np.int64), ends, np.full(len(ends), np.nan, np.float32))
    assert asks(questions)


def test_an_alert_that_people_have_said_something_about_asks_no_more_and_again_when_that_is_withdrawn() -> None:
    questions = questions_of()
    fired(questions, scores(7.0, 3.0))
    assert asks(questions)
    questions.answered[0] = True
    assert not asks(questions)
    assert questions.asked().tolist() == [0]
    questions.answered[0] = False
    assert asks(questions)


def test_an_alert_that_is_over_asks_no_more_and_the_next_one_begins_anew() -> None:
    questions = questions_of()
    fired(questions, scores(7.0, 3.0))
    assert asks(questions)
    questions.answered[0] = True
    assert questions.review(np.zeros(questions.capacity, np.bool_)).tolist() == [0]
    assert questions.asked().tolist() == []
    fired(questions, scores(1.0, 3.0), first_seconds=START + 50 * HOUR)
    assert not asks(questions)
    assert not questions.answered[0]


def test_streams_are_told_apart() -> None:
    questions = questions_of(3)
    fired(questions, scores(7.0, 3.0), 0)
    fired(questions, np.linspace(1.5, 9.0, 421), 2)
    changed = questions.review(np.ones(questions.capacity, np.bool_))
    assert changed.tolist() == [0]
    assert questions.asked().tolist() == [0]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 200), min_size=1, max_size=8), st.floats(6.0, 200.0))
def test_it_does_not_matter_how_windows_are_grouped_into_batches(sizes: list[int], hours: float) -> None:
    all_scores = scores(hours, 3.0, 0.3)
    at_once, by_pieces = questions_of(), questions_of()
    ends = fired(at_once, all_scores)
    by_pieces.begin(0, START)
    start = 0
    while start < len(ends):
        stop = start + sizes[start % len(sizes)]
        by_pieces.observe(
            np.zeros(len(ends[start:stop]), np.int64), ends[start:stop], all_scores[start:stop].astype(np.float32)
        )
        start = stop
    assert asks(at_once)
    assert asks(by_pieces)


def test_questions_outlive_the_process() -> None:
    names = {"calm": 0, "asks": 1, "answered": 2, "young": 3}
    before = questions_of(4)
    for stream in (1, 2):
        fired(before, scores(6.5, 3.0), stream)
    fired(before, scores(3.0, 3.0), 3)
    before.answered[2] = True
    assert asks(before, 1)
    state = decode_state(encode_state(before.kept(names, firing(4))))
    after = questions_of(4)
    after.check_kept({"asks", "answered", "young"}, state)
    after.put_kept(names, state, np.array([1, 2, 3]), np.full(3, START))
    assert after.kept(names, firing(4))["streams"] == ["asks", "answered", "young"]
    assert after.asks_since_seconds[1] == before.asks_since_seconds[1]
    for questions in (before, after):
        ends = minutes(START + 3 * HOUR + WINDOW, 239)
        questions.observe(np.full(239, 3), ends, np.full(239, 3.0, np.float32))
    assert asks(before, 3)
    assert asks(after, 3)
    assert not asks(after, 2)


def test_an_alert_that_is_over_since_the_last_review_is_not_kept() -> None:
    questions = questions_of(2)
    for stream in (0, 1):
        fired(questions, scores(6.5, 3.0), stream)
    assert questions.kept({"over": 0, "fires": 1}, np.array([False, True]))["streams"] == ["fires"]


def test_calm_streams_take_no_room_in_what_is_kept() -> None:
    questions = questions_of(1000)
    assert questions.kept({str(stream): stream for stream in range(1000)}, firing(1000))["streams"] == []


def test_an_alert_that_an_older_version_kept_begins_when_the_new_one_does() -> None:
    questions = questions_of()
    questions.check_kept({"motor"}, {})
    questions.put_kept({"motor": 0}, {}, np.array([0]), np.array([START]))
    ends = minutes(START + WINDOW, 420)
    questions.observe(np.zeros(420, np.int64), ends, np.full(420, 3.0, np.float32))
    assert asks(questions)


@pytest.mark.parametrize(
    ("name", "value"), [("count", -1.0), ("sum", np.nan), ("bin_seconds", 0.0), ("last_seconds", 1e12)]
)
def test_a_damaged_state_is_refused(name: str, value: float) -> None:
    questions = questions_of()
    fired(questions, scores(6.5, 3.0))
    state = questions.kept({"motor": 0}, firing(1))
    questions.check_kept({"motor"}, state)
    state["columns"][name][0] = value
    with pytest.raises(StateError):
        questions.check_kept({"motor"}, state)


def test_a_question_about_a_stream_that_does_not_fire_is_refused() -> None:
    questions = questions_of()
    fired(questions, scores(6.5, 3.0))
    with pytest.raises(StateError, match="does not fire"):
        questions.check_kept(set(), questions.kept({"motor": 0}, firing(1)))


def test_what_was_noted_of_the_alert_before_is_none_of_the_next() -> None:
    questions = questions_of()
    fired(questions, scores(7.0, 9.0))
    fired(questions, scores(6.5, 3.0), first_seconds=START + 8 * HOUR)  # with no review in between
    assert asks(questions)
    assert questions.kept({"motor": 0}, firing(1))["columns"]["sum"].sum() == pytest.approx(3.0 * 391)


def test_what_is_noted_waits_in_bounds_for_a_review_that_does_not_come() -> None:
    questions = questions_of()
    questions.begin(0, START)
    most = 0
    for number in range(30):
        ends = minutes(START + 1000 * WINDOW * number, 1000)
        questions.observe(np.zeros(1000, np.int64), ends, np.full(1000, 3.0, np.float32))
        most = max(most, sum(len(stream) for stream, _, _ in questions._noted))
    assert most <= 10_000
    assert asks(questions)
