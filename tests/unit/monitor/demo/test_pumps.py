"""The pumps of the demo: the same weeks whenever they are asked for, and what happens in them."""

import numpy as np

from monitor.demo.pumps import DAY_SECONDS, FITTED_DAYS, FLUSHED_DAY, LAST_DAYS, PUMPS, SERVICED_DAY, Pumps

WEEKS = Pumps(1_000_000_020.0)
HEAT = 1


def heat(pump: str, day: int) -> float:
    return float(WEEKS.samples(pump, day)[:, HEAT].mean())


def test_a_pump_is_serviced_once_and_runs_warmer_since() -> None:
    before, after = heat("pump-1", int(SERVICED_DAY) - 1), heat("pump-1", int(SERVICED_DAY))
    assert 1.9 < after - before < 2.1
    assert abs(heat("pump-1", LAST_DAYS[0] - 1) - after) < 0.1
    assert abs(heat("pump-2", int(SERVICED_DAY)) - heat("pump-2", 0)) < 0.1


def test_another_is_flushed_for_three_hours() -> None:
    day = WEEKS.samples("pump-2", int(FLUSHED_DAY))[:, HEAT]
    assert day[:180].mean() - day[180:].mean() > 2.9


def test_at_last_all_of_them_grow_warmer_alike_each_day() -> None:
    grown = [heat(pump, LAST_DAYS[1] - 1) - heat(pump, LAST_DAYS[0] - 1) for pump in PUMPS]
    assert np.ptp(grown) < 0.1
    assert 2.5 < min(grown) < 3.1


def test_messages_come_by_time_and_hold_every_sample_once() -> None:
    messages = list(WEEKS.messages(FITTED_DAYS, FITTED_DAYS + 2))
    assert [message.first_seconds for message in messages] == sorted(message.first_seconds for message in messages)
    for pump in PUMPS:
        own = [message for message in messages if message.pump == pump]
        assert own[0].first_seconds == WEEKS.start_seconds + FITTED_DAYS * DAY_SECONDS
        samples = np.concatenate([message.samples for message in own])
        np.testing.assert_array_equal(samples[:1440], WEEKS.samples(pump, FITTED_DAYS))
        assert len(samples) == 2 * 1440
