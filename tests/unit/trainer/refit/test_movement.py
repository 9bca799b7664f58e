"""What moved since the anchor, over all refits together: in the sensor's units, and apart from what all streams do."""

import numpy as np
import pytest

from monitor.config.refit_bounds import ChannelBound, RefitBounds
from monitor.core.artifact.data_levels import DataLevels
from monitor.core.artifact.manifest import ChannelSpec
from monitor.core.windows.window_batch import WindowBatch
from tests.sines import data_file, sine_recording
from trainer.data.cutting import FileWindows
from trainer.refit.movement import Movement, Newest, Reference, movement, newest_levels

CHANNELS = (ChannelSpec(name="vibration", unit="mm/s"), ChannelSpec(name="bearing", unit="degC"))
FLOOR = (0.01, 0.01)
BOUNDS = RefitBounds()
FLEET = [f"motor-{number}" for number in range(8)]


def levels(vibration: float = 1.2, bearing: float = 50.0, scale: tuple[float, float] = (0.2, 4.0)) -> DataLevels:
    return DataLevels(windows=1000, centre=(vibration, bearing), scale=scale)


def moved(now: dict[str, DataLevels], bounds: RefitBounds = BOUNDS) -> Movement:
    return held_to({stream: levels() for stream in FLEET}, now, bounds)


def held_to(
    anchor: dict[str, DataLevels],
    now: dict[str, DataLevels],
    bounds: RefitBounds = BOUNDS,
    channels: tuple[ChannelSpec, ...] = CHANNELS,
) -> Movement:
    return movement(channels, FLOOR, [Reference(anchor, frozenset(now))], newest(now), bounds)


def newest(now: dict[str, DataLevels], until_seconds: float = 1.7e9) -> dict[str, Newest]:
    return {stream: Newest(level, until_seconds) for stream, level in now.items()}


def test_nothing_moves_where_all_is_as_it_was() -> None:
    found = moved({stream: levels() for stream in FLEET})
    assert not found.beyond
    assert found.furthest is not None
    assert found.furthest.extent == 0


def test_wear_within_what_was_normal_is_within_the_bounds_and_a_fault_that_grew_is_beyond() -> None:
    found = moved({stream: levels() for stream in FLEET} | {"motor-1": levels(1.35), "motor-2": levels(1.5)})
    assert found.beyond == {"motor-2"}
    furthest = found.furthest
    assert furthest is not None
    assert (furthest.stream, furthest.channel, furthest.unit) == ("motor-2", "vibration", "mm/s")
    assert furthest.centre == pytest.approx(0.3)
    assert furthest.centre_bound == pytest.approx(0.2)
    assert "motor-2 vibration lies around 1.5 mm/s, 1.2 when it was anchored" in furthest.text
    other = found.furthest_of("motor-1")
    assert other is not None
    assert 0.7 < other.extent < 0.8


def test_a_season_that_all_share_is_told_apart_from_what_one_machine_does() -> None:
    season = {stream: levels(bearing=57.0) for stream in FLEET}
    found = moved(season | {"motor-3": levels(bearing=62.5)})
    assert found.shared["bearing"] == pytest.approx(7 / 4)
    assert found.beyond == {"motor-3"}
    furthest = found.furthest
    assert furthest is not None
    assert furthest.centre == pytest.approx(5.5)


def test_a_machine_that_does_not_follow_the_season_is_beyond_too() -> None:
    assert moved({stream: levels(bearing=57.0) for stream in FLEET[1:]} | {"motor-0": levels()}).beyond == {"motor-0"}


def test_of_few_streams_nothing_is_shared() -> None:
    found = moved({stream: levels(bearing=57.0) for stream in FLEET[:4]})
    assert found.shared["bearing"] == 0
    assert found.beyond == set(FLEET[:4])


def test_swing_that_grows_or_dies_is_beyond_though_the_centre_stays() -> None:
    for scale in (0.35, 0.1):
        found = moved({stream: levels() for stream in FLEET} | {"motor-1": levels(scale=(scale, 4.0))})
        assert found.beyond == {"motor-1"}
        assert found.furthest is not None
        assert "times as much by itself" in found.furthest.text


def test_a_bound_in_the_unit_of_the_sensor_takes_the_place_of_the_general_one() -> None:
    now = {stream: levels() for stream in FLEET} | {"motor-1": levels(bearing=53.0)}
    assert not moved(now).beyond
    strict = RefitBounds(channel=(ChannelBound(name="bearing", centre=2.0),))
    assert moved(now, strict).beyond == {"motor-1"}


def test_many_small_steps_together_reach_the_bound_since_the_anchor_stays() -> None:
    steps = [moved({"motor-1": levels(1.2 + 0.03 * refit)}) for refit in range(1, 14)]
    beyond = [bool(step.beyond) for step in steps]
    assert not any(beyond[:6])
    assert all(beyond[6:])


def test_a_channel_that_stood_still_is_measured_by_its_floor() -> None:
    found = held_to({"a": levels(scale=(0.0, 4.0))}, {"a": levels(1.205, scale=(0.0, 4.0))})
    assert found.furthest is not None
    assert found.furthest.extent == pytest.approx(0.5)


def test_derived_channels_are_left_aside_and_without_an_anchor_nothing_is_told() -> None:
    channels = (CHANNELS[0], ChannelSpec(name="rr", unit="s", derived=True))
    assert not held_to({"a": levels()}, {"a": levels(bearing=500.0)}, channels=channels).beyond
    nothing = held_to({}, {"a": levels()})
    assert nothing.furthest is None
    assert nothing.shared == {"vibration": 0.0, "bearing": 0.0}


def test_a_stream_that_the_anchor_has_never_seen_is_held_to_the_range_of_the_others() -> None:
    now = {stream: levels(bearing=57.0) for stream in FLEET}
    for bearing, beyond in ((50.0, False), (57.0, False), (60.0, False), (62.0, True), (45.0, True)):
        assert bool(moved(now | {"new": levels(bearing=bearing)}).beyond) == beyond


def test_a_stream_that_was_anchored_later_is_held_to_what_the_others_did_since() -> None:
    first = {stream: levels() for stream in FLEET}
    later = {stream: levels(bearing=56.0) for stream in FLEET} | {"motor-1": levels(bearing=70.0)}
    now = {stream: levels(bearing=58.0) for stream in FLEET} | {"motor-1": levels(bearing=72.0)}
    others = frozenset(FLEET) - {"motor-1"}
    references = [Reference(first, others), Reference(later, frozenset({"motor-1"}))]
    found = movement(CHANNELS, FLOOR, references, newest(now), BOUNDS)
    assert not found.beyond
    assert found.shared["bearing"] == pytest.approx(2.0)
    assert found.furthest is not None
    assert found.furthest.extent == pytest.approx(0.0, abs=1e-9)


def test_levels_are_compared_as_they_were_measured() -> None:
    rng = np.random.default_rng(3)
    windows = rng.normal([[[1.2], [50.0]]], [[[0.2], [4.0]]], (500, 2, 16)).astype(np.float32)
    again = rng.normal([[[1.2], [50.0]]], [[[0.2], [4.0]]], (500, 2, 16)).astype(np.float32)
    found = held_to({"a": DataLevels.of(windows)}, {"a": DataLevels.of(again)})
    assert found.furthest is not None
    assert found.furthest.extent < 0.2


def test_a_stream_whose_data_are_older_may_have_moved_as_far_as_the_others_on_the_way() -> None:
    season = {stream: levels(bearing=60.0) for stream in FLEET[1:]}
    for bearing, beyond in ((50.0, False), (55.0, False), (60.0, False), (65.0, True), (45.0, True)):
        old = newest({"motor-0": levels(bearing=bearing)}, 1.7e9 - 8 * 86400)
        first = {stream: levels() for stream in FLEET}
        found = movement(CHANNELS, FLOOR, [Reference(first, frozenset(FLEET))], newest(season) | old, BOUNDS)
        assert bool(found.beyond) == beyond


def test_some_streams_alone_keep_what_is_shared_by_all() -> None:
    found = moved({stream: levels(bearing=57.0) for stream in FLEET} | {"motor-3": levels(bearing=62.5)})
    assert found.of({"motor-1", "motor-2"}).beyond == set()
    assert found.of({"motor-1", "motor-2"}).shared == found.shared
    assert found.of({"motor-3"}).beyond == {"motor-3"}


def cut_of(days: float, level: float = 1.2) -> FileWindows:
    """Windows of four an hour, the last day at `level`."""
    count = round(days * 96)
    ends = 1.7e9 + 900 * np.arange(count, dtype=np.float64)
    values = np.full((count, 1, 4), 1.0, np.float32)
    values[-96:] = level
    coverage = np.ones((count, 1), np.float32)
    batch = WindowBatch(np.zeros(count, np.int64), ends, ends, coverage, values)
    return FileWindows(data_file(sine_recording(50)), batch, ends - 3, None)


def test_the_newest_are_the_last_quarter_and_at_least_a_week() -> None:
    for days, centre in ((60.0, 1.0), (10.0, 1.0 + 0.2 * (96 - 0.1 * 672) / 538)):
        found = newest_levels(cut_of(days))
        assert found is not None
        assert found.levels.windows == pytest.approx(max(days * 96 / 4, 7 * 96), abs=2)
        assert found.levels.centre[0] == pytest.approx(centre, abs=0.02)
    assert newest_levels(cut_of(0.2)) is None
