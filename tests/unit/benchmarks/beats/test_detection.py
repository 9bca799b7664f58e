"""Found beats are compared with annotated ones as the standard says."""

import numpy as np

from benchmarks.beats.detection import find_beats, match, without_flutter
from tests.hearts import RATE_HZ, heart_recording


def test_each_beat_is_paired_once_within_the_tolerance() -> None:
    annotated = np.array([100, 200, 300, 400])
    detected = np.array([95, 105, 215, 350, 410])
    counts = match(detected, annotated, 10)
    assert (counts.found, counts.overlooked, counts.made_up) == (2, 2, 3)
    assert counts.offset_samples.tolist() == [-5, 10]
    assert (counts.sensitivity, counts.predictivity) == (0.5, 0.4)


def test_nothing_found_and_nothing_there_are_counted() -> None:
    none, some = np.zeros(0, np.int64), np.array([10, 20])
    assert match(none, some, 5).overlooked == 2
    assert match(some, none, 5).made_up == 2


def test_flutter_is_left_out_with_a_margin() -> None:
    arrays = {"ann_sample_1": np.array([100, 200]), "ann_symbol_1": np.array(["[", "]"])}
    assert without_flutter(np.array([80, 95, 150, 205, 220]), arrays, "1", 10).tolist() == [
        True,
        False,
        False,
        False,
        True,
    ]


def test_the_beats_of_a_simulated_heart_are_found_where_it_is_highest() -> None:
    signal = heart_recording(30).samples[:, 0]
    peaks = find_beats(signal, RATE_HZ)
    assert 28 < len(peaks) < 42
    assert all(signal[at] == signal[at - 30 : at + 31].max() for at in peaks.tolist())
