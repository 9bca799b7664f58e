"""A stream's history becomes windows by the trainer's own cutter, and the daemon's word on each stands."""

from dataclasses import replace

import numpy as np

from monitor.core.artifact.manifest import Manifest
from monitor.core.history.stretch import Stretch
from monitor.core.scoring.quality import CODES, Quality
from tests.histories import CHANNELS, LENGTH, PERIOD_SECONDS, START, STRIDE, machine, stretch_of
from tests.manifests import manifest_fields
from trainer.refit.stream_history import history_of

DAY_WINDOWS = (1440 - LENGTH) // STRIDE + 1


def manifest(channels: tuple[str, ...] = CHANNELS) -> Manifest:
    fields = manifest_fields(channels, length=LENGTH, stride=STRIDE)
    return Manifest.model_validate(fields | {"sample_period_seconds": PERIOD_SECONDS})


def stretch(day: float = 0.0, days: float = 1.0) -> Stretch:
    return stretch_of(machine(days, int(day), first_day=day), "motor", "m1")


def test_stretches_are_cut_one_by_one_and_no_window_spans_two() -> None:
    read = history_of("m1", 3, [stretch(0), stretch(1.5)], manifest())
    assert read is not None
    assert (read.name, len(read), read.skipped) == ("m1", 2 * DAY_WINDOWS, 0)
    assert read.spans.stretch.tolist() == [0] * DAY_WINDOWS + [1] * DAY_WINDOWS
    assert set(read.cut.batch.stream.tolist()) == {3}
    assert (read.withheld == "").all()
    first = read.cut.batch.values[0]
    np.testing.assert_array_equal(first, stretch(0).values[:, :LENGTH])


def test_what_the_daemon_distrusted_is_distrusted_here_and_a_late_window_is_not() -> None:
    odd = stretch()
    quality = odd.quality.copy()
    quality[[5, 6]] = CODES[Quality.STUCK]
    quality[7] = CODES[Quality.MASKED]
    quality[8] = CODES[Quality.CLOCK_SKEW]
    quality[9] = CODES[Quality.UNLIKE_TRAINING]
    read = history_of("m1", 0, [replace(odd, quality=quality)], manifest())
    assert read is not None
    assert np.flatnonzero(read.withheld != "").tolist() == [5, 6, 7]
    assert np.flatnonzero(read.unlike).tolist() == [9]


def test_the_daemons_word_is_found_where_its_windows_lie_a_little_aside() -> None:
    odd = stretch()
    quality = np.full(len(odd.quality), CODES[Quality.STUCK], np.int8)
    aside = replace(odd, quality=quality, ends_seconds=odd.ends_seconds + PERIOD_SECONDS)
    read = history_of("m1", 0, [aside], manifest())
    assert read is not None
    assert (read.withheld == "daemon").all()
    far = replace(odd, quality=quality[:1], ends_seconds=np.array([START - 9999.0]))
    read = history_of("m1", 0, [far], manifest())
    assert read is not None
    assert (read.withheld == "").all()


def test_no_window_that_is_taken_holds_a_missing_sample() -> None:
    gappy = stretch()
    values = gappy.values.copy()
    values[0, 100:120] = np.nan
    read = history_of("m1", 0, [replace(gappy, values=values)], manifest())
    assert read is not None
    inside = read.spans.touching(START + 100 * PERIOD_SECONDS, START + 119 * PERIOD_SECONDS)
    assert (read.withheld[inside] != "").all()
    assert np.isfinite(read.cut.batch.values[read.withheld == ""]).all()


def test_stretches_of_other_channels_or_of_another_rate_are_skipped_and_counted() -> None:
    slow = replace(stretch(2), sample_period_seconds=2 * PERIOD_SECONDS)
    other = replace(stretch(3), channels=("load", "pressure"))
    read = history_of("m1", 0, [stretch(0), slow, other], manifest())
    assert read is not None
    assert (len(read), read.skipped) == (DAY_WINDOWS, 2)
    assert history_of("m1", 0, [slow, other], manifest()) is None


def test_channels_may_stand_in_another_order() -> None:
    turned = replace(stretch(), channels=CHANNELS[::-1], values=stretch().values[::-1].copy())
    read = history_of("m1", 0, [turned], manifest())
    assert read is not None
    np.testing.assert_array_equal(read.cut.batch.values[0], stretch().values[:, :LENGTH])
