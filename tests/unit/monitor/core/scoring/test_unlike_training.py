"""A stream whose numbers lie outside those of the training data teaches nothing, and is judged by those."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from monitor.core.artifact.normalization_spec import NormalizationSpec
from monitor.core.scoring.normalize import Floats32, Normalizer
from monitor.core.values.snapshots import decode_state, encode_state
from monitor.core.windows.window_batch import WindowBatch

WARMUP, LENGTH, REST = 4, 50, 36
SPREAD: dict[str, Any] = {
    "streams": 5,
    "centre": [[10.0], [-3.0]],
    "scale": [2.0, 0.5],
    "centre_low": [8.0, -4.0],
    "centre_high": [12.0, -2.0],
    "scale_low": [1.0, 0.25],
    "scale_high": [4.0, 1.0],
}
TYPICAL = ([10.0, -3.0], [2.0, 0.5])


def spec(**changed: Any) -> NormalizationSpec:
    fields: dict[str, Any] = {"kind": "stream", "scale_floor": [1e-3, 1e-3], "warmup_windows": WARMUP}
    return NormalizationSpec.model_validate(fields | {"trained": SPREAD} | changed)


def batch_of(values: Floats32, stream: int = 0) -> WindowBatch:
    count = len(values)
    times = np.arange(count, dtype=np.float64)
    return WindowBatch(np.full(count, stream, np.int64), times, times, np.ones(count, np.float32), values)


def machine(count: int, *, shift: float = 0.0, gain: float = 1.0, seed: int = 0) -> Floats32:
    """Windows as those of the training data, but for the first channel, which may be shifted or larger."""
    values = np.random.default_rng(seed).normal([[10.0], [-3.0]], [[2.0], [0.5]], (count, 2, LENGTH))
    values[:, 0] = (values[:, 0] - 10) * gain + 10 + shift
    narrow: Floats32 = values.astype(np.float32)
    return narrow


def walk(normalizer: Normalizer, values: Floats32) -> tuple[Floats32, Floats32, list[bool]]:
    batch = batch_of(values)
    centre, scale, ready = normalizer.parameters(batch, np.ones(len(batch), np.bool_))
    return centre, scale, ready.tolist()


@pytest.mark.parametrize("fault", [{"gain": 4.0}, {"gain": 0.1}, {"shift": 9.0}, {"shift": -9.0}], ids=str)
def test_a_fault_from_the_first_window_on_is_not_learnt_and_is_judged_after_the_warm_up(fault: dict[str, Any]) -> None:
    normalizer = Normalizer(spec(), 2, LENGTH)
    centre, scale, ready = walk(normalizer, machine(20, **fault))
    assert ready == [False] * WARMUP + [True] * 16
    assert (centre[-1].tolist(), scale[-1].tolist()) == TYPICAL
    assert (normalizer.unlike[0], normalizer.any_unlike) == (True, True)
    assert normalizer.warmup_progress(np.array([0])).tolist() == [1.0]


def test_a_healthy_machine_learns_as_it_does_without_a_trained_spread() -> None:
    plain, bounded = Normalizer(spec(trained=None), 2, LENGTH), Normalizer(spec(), 2, LENGTH)
    for one, other in zip(walk(plain, machine(20)), walk(bounded, machine(20)), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not bounded.any_unlike


def test_a_machine_that_was_put_in_order_learns_its_own_numbers_after_a_rest() -> None:
    normalizer = Normalizer(spec(), 2, LENGTH)
    walk(normalizer, machine(WARMUP, gain=4.0))
    centre, scale, ready = walk(normalizer, machine(REST + WARMUP + 1, seed=1))
    assert all(ready)
    assert (centre[-2].tolist(), scale[-2].tolist()) == TYPICAL  # not by numbers that this window helped to make
    assert scale[-1].tolist() != TYPICAL[1]
    assert not normalizer.unlike[0]


def test_a_fault_that_lasts_is_never_learnt() -> None:
    normalizer = Normalizer(spec(), 2, LENGTH)
    for seed in range(10):
        _, scale, _ = walk(normalizer, machine(30, gain=4.0, seed=seed))
    assert scale[-1].tolist() == TYPICAL[1]


@settings(max_examples=50)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=12), st.integers(0, 60))
def test_wherever_batches_are_cut_the_same_windows_get_the_same_numbers(cuts: list[int], ill: int) -> None:
    values = np.concatenate([machine(ill, gain=4.0), machine(sum(cuts), seed=1)])[: sum(cuts)]
    whole = walk(Normalizer(spec(), 2, LENGTH), values)
    normalizer, at, parts = Normalizer(spec(), 2, LENGTH), 0, []
    for cut in cuts:
        parts.append(walk(normalizer, values[at : at + cut]))
        state = decode_state(encode_state(normalizer.snapshot(np.array([0]))))  # and a restart in between
        normalizer = Normalizer(spec(), 2, LENGTH)
        normalizer.check(state, 1)
        normalizer.restore(np.array([0]), state)
        at += cut
    ready = np.array(whole[2])
    assert [each for part in parts for each in part[2]] == whole[2]
    for number in (0, 1):
        np.testing.assert_array_equal(np.concatenate([part[number] for part in parts])[ready], whole[number][ready])


def test_another_artifact_has_its_own_numbers_for_streams_that_are_unlike() -> None:
    normalizer = Normalizer(spec(), 2, LENGTH)
    walk(normalizer, machine(WARMUP, gain=4.0))
    normalizer.adopt(spec(trained=SPREAD | {"scale": [3.0, 0.5]}), {})
    assert walk(normalizer, machine(1))[1].tolist() == [[3.0, 0.5]]


def test_what_was_learnt_stays_with_another_artifact_that_learns_alike() -> None:
    normalizer = Normalizer(spec(), 2, LENGTH)
    _, before, _ = walk(normalizer, machine(WARMUP + 1))
    normalizer.adopt(spec(scale_floor=[1e-2, 1e-2], trained=None), {})
    np.testing.assert_array_equal(walk(normalizer, machine(1))[1][0], before[-1])


@pytest.mark.parametrize(
    "changed",
    [
        {"trained": SPREAD | {"scale_low": [3.0, 0.25]}},
        {"trained": SPREAD | {"scale": [2.0]}},
        {"trained": SPREAD | {"centre": [[10.0], []]}},
        {"kind": "window"},
    ],
    ids=["outside", "channels", "samples", "kind"],
)
def test_a_spread_that_contradicts_itself_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        spec(**changed)
