"""A channel with a clock of its own that is off is aligned with the others; one that is late and right never is."""

from collections.abc import Callable

import numpy as np
import pytest

from monitor.core.streams.notices import Notice
from monitor.core.values.messages import Message
from monitor.core.values.snapshots import decode_state, encode_state
from monitor.pipeline.pipeline import Moment
from tests.walk import CHANNELS, GATEWAY, PERIOD, START, Walk, channel

SAMPLES = 800  # 100 s
Seconds = Callable[[float], float]  # by the time of a sample, in seconds from the start


def still(seconds: float) -> Seconds:
    return lambda at: seconds


RIGHT = still(0)


def sent(samples: int = SAMPLES, clock: Seconds = RIGHT, delay: Seconds = RIGHT) -> list[Message]:
    """What all channels send, in the order of arrival; the clock of `y` is off, or it comes later."""
    messages = []
    for at in range(samples):
        seconds = at * PERIOD
        messages += [channel(each, at, START + seconds) for each in CHANNELS if each != "y"]
        messages.append(channel("y", at, START + seconds + delay(seconds), clock(seconds)))
    return sorted(messages, key=lambda message: message.arrival_seconds)


def walk(messages: list[Message], *, lateness_samples: int = 16, per_step: int = 30) -> Walk:
    done = Walk(GATEWAY, lateness_samples=lateness_samples)
    for start in range(0, len(messages), per_step):
        done.step(messages[start : start + per_step])
    return done


def offsets(done: Walk) -> list[float]:
    """By how much the clock of each channel is taken to be ahead."""
    found = done.group.windows.alignment.offset_seconds[: len(CHANNELS)]
    return [round(each, 3) for each in found.tolist()]


def scores(done: Walk, since: float) -> dict[float, float]:
    """The scores of windows by when they end, after so many seconds."""
    return {end: score for _, end, _, score in done.windows if end > START + since}


def clocks_told(notices: list[Notice]) -> list[tuple[str, float]]:
    return [
        (notice.fields["channels"], notice.fields["offset_seconds"]) for notice in notices if "clock" in notice.event
    ]


@pytest.mark.parametrize("ahead", [3.0, 3.7, 5.0, 40.0])
@pytest.mark.parametrize("lateness_samples", [16, 400])
def test_a_channel_whose_clock_is_ahead_gives_the_windows_that_it_would_give_if_it_were_right(
    ahead: float, lateness_samples: int
) -> None:
    right = walk(sent(), lateness_samples=lateness_samples)
    wrong = walk(sent(clock=still(ahead)), lateness_samples=lateness_samples)
    assert offsets(wrong) == [0, ahead, 0]
    assert clocks_told(wrong.notices) == [("y", ahead)]
    expected = scores(right, 20)
    found = scores(wrong, 20)
    assert len(found) >= len(expected) - 3
    assert set(found.values()) == set(expected.values())


@pytest.mark.parametrize("behind", [3.0, 5.0, 40.0])
@pytest.mark.parametrize("lateness_samples", [16, 400])
def test_a_channel_that_is_late_and_right_is_never_shifted(behind: float, lateness_samples: int) -> None:
    late = walk(sent(2400, delay=still(behind)), lateness_samples=lateness_samples)
    assert offsets(late) == [0, 0, 0]
    assert not clocks_told(late.notices)
    if lateness_samples > behind / PERIOD:
        right = scores(walk(sent(2400)), 0)
        assert all(right[end] == score for end, score in scores(late, 0).items())


@pytest.mark.parametrize("in_order", [True, False])
def test_nor_is_one_whose_delay_begins_changes_and_ends(in_order: bool) -> None:
    delay = np.repeat([0.0, 5.0, 12.0, 3.0, 0.0], 100)
    if in_order:
        delay = np.maximum.accumulate(np.arange(500) + delay) - np.arange(500)
    late = walk(sent(4000, delay=lambda at: float(delay[int(at)])))
    assert offsets(late) == [0, 0, 0]
    assert not clocks_told(late.notices)


@pytest.mark.parametrize("rate", [1.0, 1.003, 1.05, 1.3, 10.0, 1000.0])
def test_what_a_gateway_had_stored_is_no_clock_that_is_off(rate: float) -> None:
    stored = [(name, at) for name in CHANNELS for at in range(1600)]
    messages = [channel(name, at, START + 200 + nth * PERIOD / rate) for nth, (name, at) in enumerate(stored)]
    done = walk([*sent(8), *messages])
    assert offsets(done) == [0, 0, 0]
    assert not clocks_told(done.notices)


@pytest.mark.parametrize("rate", [1.05, 1.3, 10.0])
def test_nor_is_what_is_delivered_again_before_the_rest_of_an_outage(rate: float) -> None:
    live, lost = sent(400), 320  # of y the connection breaks, and what it sent last comes once more
    again = [channel("y", 380 + at, START + 400 * PERIOD + 40 + at * PERIOD / rate) for at in range(2000)]
    others = [channel(name, at, START + at * PERIOD) for at in range(400, 400 + lost + 2000) for name in ("x", "z")]
    done = walk(sorted([*live, *again, *others], key=lambda message: message.arrival_seconds))
    assert offsets(done) == [0, 0, 0]


def test_where_all_channels_have_one_clock_it_may_be_off_and_jump() -> None:
    clock = np.where(np.arange(SAMPLES) < 320, 0.0, 8.0).tolist()
    done = walk([channel(name, at, START + at * PERIOD, clock[at]) for at in range(SAMPLES) for name in CHANNELS])
    assert offsets(done) == [0, 0, 0]
    assert len(done.windows) > SAMPLES // 4 - 20


def test_a_clock_that_jumps_is_measured_again_and_one_that_is_right_again_is_taken_as_it_is() -> None:
    clock = np.repeat([0.0, 5.0, 9.0, 3.0, 0.0], 100)
    done = walk(sent(4000, clock=lambda at: float(clock[int(at)])))
    assert clocks_told(done.notices) == [("y", 5.0), ("y", 9.0), ("y", 3.0), ("y", 0.0)]
    assert offsets(done) == [0, 0, 0]
    expected, found = scores(walk(sent(4000)), 0), scores(done, 0)
    for start in range(0, 500, 100):
        late = [end for end in found if START + start + 25 < end <= START + start + 100]
        assert len(late) >= 75 * 2 - 3
        assert all(found[end] in expected.values() for end in late)


def test_a_clock_that_was_set_back_is_aligned_after_a_minute_in_which_it_stays_there() -> None:
    done = walk(sent(2400, clock=lambda at: 0.0 if at < 100 else -30.0))
    assert clocks_told(done.notices) == [("y", -30.0)]
    assert len(scores(done, 190)) > 200


def test_a_stray_time_stamp_among_right_ones_is_no_clock_that_is_off() -> None:
    done = walk(sent(clock=lambda at: 5.0 if round(at / PERIOD) % 5 == 4 else 0.0))
    assert offsets(done) == [0, 0, 0]


def test_strays_and_delays_do_not_change_what_is_measured() -> None:
    generator = np.random.default_rng(3)
    late = generator.exponential(0.1, SAMPLES)

    def clock(at: float) -> float:
        return 5.0 + (20.0 if round(at / PERIOD) % 9 == 4 else 0.0)

    done = walk(sent(clock=clock, delay=lambda at: float(late[round(at / PERIOD)])))
    assert offsets(done)[1] == pytest.approx(5.0, abs=0.15)


def test_nothing_can_be_told_by_others_that_are_far_behind() -> None:
    messages = sent(clock=still(5.0))
    behind = [each._replace(arrival_seconds=each.arrival_seconds + 10 * (each.topic[-1] != "y")) for each in messages]
    done = walk(sorted(behind, key=lambda message: message.arrival_seconds))
    assert offsets(done) == [0, 0, 0]


def test_our_own_clock_that_is_set_shifts_no_channel_and_delays_no_measuring() -> None:
    done, messages = Walk(GATEWAY), sent(560, clock=lambda at: 5.0 if at < 40 else 0.0)
    for start in range(0, len(messages), 24):  # a second
        monotonic = messages[start].arrival_seconds
        leap = 0.0 if start < 30 * 24 else -40.0
        done.pipeline.housekeep(Moment(monotonic + leap, monotonic))
        done.step([each._replace(arrival_seconds=each.arrival_seconds + leap) for each in messages[start : start + 24]])
    assert clocks_told(done.notices) == [("y", 5.0), ("y", 0.0)]


def test_an_offset_is_known_to_the_next_process() -> None:
    messages = sent(clock=still(5.0))
    before, after = walk(messages[:1200]), Walk(GATEWAY)
    after.pipeline.restore(decode_state(encode_state(before.pipeline.snapshot())))
    assert offsets(after) == [0, 5, 0]
    for start in range(1200, len(messages), 30):
        after.step(messages[start : start + 30])
    whole = walk(messages)
    assert before.windows + after.windows == whole.windows
    assert not after.group.samples_discarded - whole.group.samples_discarded
