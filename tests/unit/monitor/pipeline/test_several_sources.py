"""Devices whose channels come by several sources or topics: what was stored while nobody listened comes all at once."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.core.scoring.quality import QUALITIES, Quality
from monitor.core.streams.notices import Notice
from monitor.core.values.discards import Reason
from monitor.core.values.messages import Message
from monitor.pipeline.pipeline import Moment
from tests.walk import (
    BOTH,
    CHANNELS,
    GATEWAY,
    ONE_TOPIC,
    PERIOD,
    START,
    WITHOUT_TIME,
    Table,
    Walk,
    channel,
    controller,
    logger,
)


def all_windows(samples: int) -> int:
    return (samples - 8) // 4 + 1


@pytest.mark.parametrize("per_step", [1, 7, 1000])
def test_what_two_sources_had_stored_gives_the_windows_that_it_would_have_given_live(per_step: int) -> None:
    live, late = Walk(*BOTH), Walk(*BOTH)
    for at in range(400):
        live.step([controller(at, START + at * PERIOD), logger(at, START + at * PERIOD)])
    stored = [message(at, START + 60 + at / 1000) for at in range(400) for message in (controller, logger)]
    for start in range(0, len(stored), per_step):
        late.step(stored[start : start + per_step])
    assert len(live.windows) == len(late.windows) == all_windows(400)
    assert [(end, score) for _, end, _, score in live.windows] == [(end, score) for _, end, _, score in late.windows]
    assert not late.group.samples_discarded


@pytest.mark.parametrize("rate", [1.3, 10.0, 1000.0])
def test_what_a_gateway_passes_on_topic_by_topic_gives_every_window(rate: float) -> None:
    walk, samples = Walk(GATEWAY), 2400
    order = [(name, at) for name in CHANNELS for at in range(samples)]
    messages = [channel(name, at, START + 300 + nth * PERIOD / rate) for nth, (name, at) in enumerate(order)]
    for start in range(0, len(messages), 100):
        walk.step(messages[start : start + 100])
    assert len(walk.windows) == all_windows(samples)
    assert not walk.group.samples_discarded


def test_a_gap_within_what_is_passed_on_topic_by_topic_costs_its_own_windows_and_no_others() -> None:
    walk = Walk(GATEWAY)
    order = [(name, at) for name in CHANNELS for at in (*range(100), *range(150, 250))]
    walk.step([channel(name, at, START + 60 + nth / 1000) for nth, (name, at) in enumerate(order)])
    assert len(walk.windows) == 2 * all_windows(100)
    assert not walk.group.samples_discarded


def test_a_channel_that_stays_away_keeps_no_memory_for_ever_and_is_late_when_it_comes() -> None:
    walk, before = Walk(GATEWAY), 0
    for at in range(4000):
        walk.step([channel(name, at, START + at * PERIOD) for name in CHANNELS[:2]])
        before = before or walk.group.windows.rings.nbytes
        assert walk.group.windows.rings.nbytes == before
    walk.step([channel("z", at, START + 4000 * PERIOD) for at in range(100)])
    assert walk.group.samples_discarded == {Reason.LATE: 100}


def state_of(walk: Walk, now: float) -> dict[str, Any]:
    """The last state that is published by then, if there is any."""
    states = [report.payload for report in walk.pipeline.housekeep(Moment(now, now)).reports]
    found: dict[str, Any] = json.loads(states[-1]) if states else {}
    return found


def seldom(at: int) -> list[Message]:
    """What comes at a time of a device of which one channel comes with each fifth sample only."""
    now = START + at * PERIOD
    return [channel(name, at, now) for name in CHANNELS if name != "y" or at % 5 == 0]


def test_a_channel_that_comes_too_seldom_for_any_window_is_named_and_the_stream_withheld() -> None:
    walk, told = Walk(GATEWAY), list[dict[str, Any]]()
    notices: list[Notice] = []
    walk.pipeline.on_notice = lambda model, notice: notices.append(notice)
    for at in range(600):
        walk.step(seldom(at))
        if at % 8 == 0:
            told.append(state_of(walk, START + at * PERIOD))
    states = [state for state in told if state]
    assert not walk.windows
    assert [(state["state"], state["quality"]) for state in states] == [("withheld", "incomplete")]
    assert states[0]["incomplete"] == "y"
    assert states[0]["hint"].endswith("its rate, clock or connection?")
    walk.step(seldom(600))
    assert [notice.fields["incomplete"] for notice in notices if "incomplete" in notice.fields] == ["y"]


def test_a_stream_that_completes_windows_again_is_not_incomplete() -> None:
    walk = Walk(GATEWAY)
    for at in range(400):
        walk.step(seldom(at))
        state_of(walk, START + at * PERIOD)
    for at in range(400, 420):
        walk.step([channel(name, at, START + at * PERIOD) for name in CHANNELS])
    assert walk.windows
    assert QUALITIES[walk.group.streams.quality[0]] is not Quality.INCOMPLETE


@pytest.mark.parametrize("ahead", [12, 24, 40, 400])
@pytest.mark.parametrize("sources", [(GATEWAY,), ONE_TOPIC])
@pytest.mark.parametrize("per_step", [1, 40])
def test_a_single_sample_from_ahead_every_now_and_then_costs_itself_and_no_window(
    ahead: int, sources: tuple[Table, ...], per_step: int
) -> None:
    walk, quality, messages, samples = Walk(*sources), set[str](), list[Message](), 400
    for at in range(samples):
        stamped, now = at + (ahead if at % 6 == 5 else 0), START + at * PERIOD
        if sources == ONE_TOPIC:
            messages.append(controller(stamped, now))
        else:
            messages += [channel(name, stamped, now) for name in CHANNELS]
    for start in range(0, len(messages), per_step):
        walk.step(messages[start : start + per_step])
        quality.add(state_of(walk, walk.latest_seconds).get("quality", "good"))
    assert len(walk.windows) == all_windows(samples)
    assert quality == {"good"}
    assert walk.group.samples_discarded == {Reason.FUTURE: samples // 6 * (len(messages) // samples)}


def test_a_clock_that_is_set_ahead_costs_the_first_sample_and_is_followed_then() -> None:
    walk = Walk(*ONE_TOPIC)
    for at in range(400):
        walk.step([controller(at + (0 if at < 200 else 80), START + at * PERIOD)])
    assert walk.group.samples_discarded == {Reason.FUTURE: 1}
    assert len(walk.windows) == all_windows(200) + all_windows(199)


def test_a_gap_of_a_device_whose_clock_is_ahead_costs_nothing() -> None:
    walk = Walk(*ONE_TOPIC)
    for at in (*range(200), *range(280, 480)):
        walk.step([controller(at + 80, START + at * PERIOD)])
    assert not walk.group.samples_discarded
    assert len(walk.windows) == 2 * all_windows(200)


MESSAGE = st.tuples(st.integers(0, 1), st.sampled_from(["m", "n"]), st.integers(1, 30), st.sampled_from([0.0, 1.0]))


@given(
    turns=st.lists(MESSAGE, min_size=1, max_size=8),
    cuts=st.lists(st.integers(0, 200), max_size=6),
    timed=st.booleans(),
)
@example(turns=[(0, "m", 100, 0.0), (1, "m", 100, 0.0)], cuts=[150], timed=True)
@settings(max_examples=60, deadline=None)
def test_however_the_messages_of_several_sources_are_cut_into_steps_the_outcome_is_the_same(
    turns: list[tuple[int, str, int, float]], cuts: list[int], timed: bool
) -> None:
    messages, sent, now = [], dict[tuple[int, str], int](), START + 100
    for source, device, count, pause in turns:
        for _ in range(count):
            at = sent[source, device] = sent.get((source, device), -1) + 1
            now += 0.01 + pause * PERIOD
            messages.append(controller(at, now, device) if source == 0 else logger(at, now, device, timed=timed))
    sources = BOTH if timed else WITHOUT_TIME
    apart, parts = Walk(*sources), Walk(*sources)
    for message in messages:
        apart.step([message])
    bounds = sorted({0, len(messages), *(min(cut, len(messages)) for cut in cuts)})
    for start, stop in pairwise(bounds):
        parts.step(messages[start:stop])
    assert parts.told() == apart.told()


def test_a_daemon_that_has_no_stream_yet_finds_none_that_is_incomplete() -> None:
    assert state_of(Walk(GATEWAY), START) == {}
