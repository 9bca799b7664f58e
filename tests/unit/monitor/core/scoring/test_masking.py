"""Masking: what stands in for a channel, which windows can do without one, and the thresholds that hold meanwhile."""

from typing import Any

import numpy as np
import pytest

from monitor.core.artifact.manifest import Manifest
from monitor.core.scoring.masking import Masking, StandIn, trusted_error
from tests.manifests import manifest_fields, manifest_of, masking_fields

NAMES = ("a", "b", "c", "d")


def manifest(names: tuple[str, ...] = NAMES, **changed: Any) -> Manifest:
    return manifest_of(names, masking=masking_fields(len(names), **changed))


def chosen(*rows: str, names: tuple[str, ...] = NAMES) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Masks [B, C]: the channels that are named in each row."""
    return np.array([[name in row for name in names] for row in rows])


def test_a_masked_channel_becomes_its_stand_in_around_the_windows_own_centre() -> None:
    stand_in = StandIn(np.array([[0, 0], [-1, 1]], np.float32))
    values = np.full((2, 2, 2), 7, np.float32)
    centre, scale = np.array([[1, 2], [3, 4]], np.float32), np.array([[1, 10], [1, 20]], np.float32)
    masked = np.array([[False, True], [True, False]])
    replaced, *numbers = stand_in.put(values, centre, scale, masked)
    assert replaced.tolist() == [[[7, 7], [-8, 12]], [[3, 3], [7, 7]]]
    assert (values == 7).all(), "the windows themselves stay"
    assert [each.tolist() for each in numbers] == [centre.tolist(), scale.tolist()]


def test_around_a_template_it_is_the_template() -> None:
    template = np.arange(4, dtype=np.float32).reshape(1, 2, 2)
    stand_in = StandIn(np.zeros((2, 2), np.float32))
    replaced, *_ = stand_in.put(
        np.full((1, 2, 2), np.nan, np.float32), template, np.ones((1, 2), np.float32), np.ones((1, 2), np.bool_)
    )
    assert replaced.tolist() == template.tolist()


def test_where_windows_have_numbers_of_their_own_a_masked_channel_gets_usual_ones() -> None:
    one = np.ones(2, np.float32)
    stand_in = StandIn(np.zeros((2, 2), np.float32), 5 * one, 3 * one)
    broken = np.array([[1, np.nan]], np.float32)
    replaced, centre, scale = stand_in.put(
        np.array([[[1, 2], [np.nan, 2]]], np.float32), broken, broken, np.array([[False, True]])
    )
    assert replaced.tolist() == [[[1, 2], [5, 5]]]
    assert (centre.tolist(), scale.tolist()) == ([[1, 5]], [[1, 3]])


def test_the_error_is_the_mean_of_the_other_channels() -> None:
    error = trusted_error(np.array([[1, np.nan, 3], [1, 2, 3]], np.float32), chosen("b", "", names=("a", "b", "c")))
    assert error.tolist() == [2, 2]


def test_windows_can_do_without_half_of_their_channels_and_not_without_more() -> None:
    can = Masking(manifest()).can_judge(chosen("", "a", "ab", "abc", "abcd"))
    assert can.tolist() == [False, True, True, False, False]
    three = ("a", "b", "c")
    can = Masking(manifest(three)).can_judge(chosen("b", "bc", names=three))
    assert can.tolist() == [True, False]


def test_a_channel_without_a_threshold_is_needed() -> None:
    masking = Masking(manifest(threshold=[None, 2.0, 2.0, 2.0]))
    assert masking.can_judge(chosen("a", "b", "ab")).tolist() == [False, True, False]


def test_an_artifact_that_was_not_calibrated_for_it_needs_all_channels() -> None:
    assert not Masking(manifest_of(NAMES)).can_judge(chosen("a", "b", "ab")).any()


def test_derived_channels_are_none_that_half_are_counted_of() -> None:
    window = {"length": 8, "stride": 4, "cut": "beat", "beat": {"before_samples": 4, "max_rr_seconds": 3.0}}
    names = ("a", "b", "rr", "rr_change")
    channels = [{"name": name, "derived": name.startswith("rr")} for name in names]
    fields = {"channels": channels, "window": window, "masking": masking_fields(2, threshold=[None, 2.0])}
    beats = Manifest.model_validate(manifest_fields(names) | fields)
    assert Masking(beats).can_judge(chosen("a", "b", "ab", names=names)).tolist() == [False, True, False]


def test_each_channel_has_its_own_threshold_and_so_has_each_pair_that_was_calibrated() -> None:
    pairs = [10.0, 20.0, 30.0, 40.0, 50.0, 60.0]  # ab, ac, ad, bc, bd, cd
    masking = Masking(manifest(threshold=[1.0, 2.0, 3.0, 4.0], pair_threshold=pairs))
    assert masking.thresholds(chosen("a", "d", "ac", "cd")).tolist() == [1, 4, 20, 60]


def test_of_more_channels_than_were_calibrated_together_the_largest_threshold_is_shared_by_those_that_are_left() -> (
    None
):
    masking = Masking(manifest(threshold=[1.0, 2.0, 3.0, 4.0]))
    assert masking.thresholds(chosen("ab")).tolist() == [2 * 3 / 2]
    six = ("a", "b", "c", "d", "e", "f")
    pairs = [float(at) for at in range(1, 16)]  # ab, ac, ad, ae, af, bc, bd, be, bf, …
    masking = Masking(manifest(six, pair_threshold=pairs))
    assert masking.thresholds(chosen("abc", names=six)).tolist() == [pytest.approx(6 * 4 / 3)]  # bc is number 6
