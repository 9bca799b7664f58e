"""No sample serves two parts, and time only runs forward from training to calibration."""

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from trainer.data.split import Part, folds_of, split_around, split_by_time
from trainer.settings import SplitSettings

PERIOD = 0.02
Ints = NDArray[np.int64]
SERVING = (Part.TRAIN, Part.VALIDATION, Part.CALIBRATION)


def samples_of(first: Ints, last: Ints, chosen: NDArray[np.bool_]) -> Ints:
    """The numbers of all samples of the chosen windows, ascending."""
    ranges = [np.arange(a, b + 1) for a, b in zip(first[chosen], last[chosen], strict=True)]
    return np.unique(np.concatenate(ranges)) if ranges else np.empty(0, np.int64)


def distance(one: Ints, other: Ints) -> float:
    """How far the nearest samples of two parts are from each other."""
    if not (len(one) and len(other)):
        return np.inf
    behind = np.searchsorted(other, one)
    before = other[np.maximum(behind - 1, 0)]
    after = other[np.minimum(behind, len(other) - 1)]
    return float(np.minimum(np.abs(one - before), np.abs(one - after)).min())


@st.composite
def recordings(draw: st.DrawFn) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """First and last sample number of windows of a recording with gaps, and which are usable."""
    length, stride = draw(st.integers(2, 40)), draw(st.integers(1, 60))
    count = draw(st.integers(1, 200))
    pauses = draw(st.lists(st.integers(0, 500), min_size=count, max_size=count))
    has_gap = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    steps = [stride + (pause if gap else 0) for pause, gap in zip(pauses, has_gap, strict=True)]
    first = np.cumsum(np.array([0, *steps[:-1]], np.int64))
    usable = np.array(draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    return first, first + length - 1, usable


@given(recordings(), st.floats(0.05, 0.4), st.floats(0.05, 0.4), st.floats(0, 1.7e9), st.integers(0, 50))
def test_no_sample_is_shared_between_parts(
    recording: tuple[Ints, Ints, NDArray[np.bool_]],
    validation: float,
    calibration: float,
    epoch: float,
    gap_samples: int,
) -> None:
    first, last, usable = recording
    settings = SplitSettings(validation=validation, calibration=calibration)
    gap_seconds = (gap_samples + 0.5) * PERIOD
    starts = (epoch + first * PERIOD).astype(np.float64)
    ends = (epoch + last * PERIOD).astype(np.float64)
    parts = split_by_time(starts, ends, usable, gap_seconds, settings)

    samples = {part: samples_of(first, last, parts == part) for part in SERVING}
    for earlier, later in (
        (Part.TRAIN, Part.VALIDATION),
        (Part.VALIDATION, Part.CALIBRATION),
        (Part.TRAIN, Part.CALIBRATION),
    ):
        if len(samples[earlier]) and len(samples[later]):
            assert samples[later][0] - samples[earlier][-1] > gap_samples
    assert (parts[~usable] == Part.UNUSED).all()
    assert (parts[usable] != Part.UNUSED).all()


def test_parts_have_about_the_sizes_asked_for() -> None:
    first = np.arange(0, 10_000, 10, dtype=np.float64)
    parts = split_by_time(first, first + 19, np.ones(1000, bool), 0.5, SplitSettings())
    sizes = [int((parts == part).sum()) for part in Part]
    assert sizes == [600, 149, 249, 2, 0]


def test_nothing_usable_gives_nothing() -> None:
    parts = split_by_time(np.arange(3.0), np.arange(3.0), np.zeros(3, bool), 1.0, SplitSettings())
    assert parts.tolist() == [Part.UNUSED] * 3


@given(recordings(), st.floats(0.05, 0.4), st.integers(2, 6), st.integers(0, 5), st.integers(0, 50))
def test_around_what_is_held_out_no_sample_is_shared_and_what_stops_a_fit_is_later_than_what_it_learns(
    recording: tuple[Ints, Ints, NDArray[np.bool_]], validation: float, count: int, fold: int, gap_samples: int
) -> None:
    first, last, usable = recording
    settings = SplitSettings(validation=validation, calibration=0.99 / count)
    folds = folds_of([usable], settings)
    (held_out,) = folds[fold % len(folds)]
    gap_seconds = (gap_samples + 0.5) * PERIOD
    starts, ends = (first * PERIOD).astype(np.float64), (last * PERIOD).astype(np.float64)
    parts = split_around(starts, ends, usable, held_out, gap_seconds, settings)

    assert ((parts == Part.CALIBRATION) == held_out).all()
    assert (parts[~usable] == Part.UNUSED).all()
    samples = {part: samples_of(first, last, parts == part) for part in SERVING}
    for one, other in combinations(SERVING, 2):
        assert distance(samples[one], samples[other]) > gap_samples
    if len(samples[Part.TRAIN]) and len(samples[Part.VALIDATION]):
        assert samples[Part.TRAIN][-1] < samples[Part.VALIDATION][0]


def test_a_fit_to_all_is_stopped_by_the_latest_windows() -> None:
    first = np.arange(0, 1000, 10, dtype=np.float64)
    everything, nothing = np.ones(100, bool), np.zeros(100, bool)
    parts = split_around(first, first + 9, everything, nothing, 0.5, SplitSettings())
    assert np.flatnonzero(parts == Part.VALIDATION).tolist() == list(range(85, 100))
    assert np.flatnonzero(parts == Part.TRAIN).tolist() == list(range(85))
