"""Centre and scale: the same numbers live as in training, and hard to lead astray."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.artifact.normalization_spec import NormalizationSpec
from monitor.core.scoring.normalize import Floats32, Normalizer
from monitor.core.values.snapshots import decode_state, encode_state
from monitor.core.windows.stream_windows import WindowBatch

WARMUP = 8
LENGTH = 40  # of windows that a template is learnt of


def spec(kind: str = "stream", **changed: Any) -> NormalizationSpec:
    fields: dict[str, Any] = {"kind": kind, "scale_floor": [1e-3, 1e-3], "warmup_windows": WARMUP}
    return NormalizationSpec.model_validate(fields | changed)


def batch_of(values: Floats32, streams: list[int] | None = None) -> WindowBatch:
    count = len(values)
    stream = np.zeros(count, np.int64) if streams is None else np.array(streams, np.int64)
    times = np.arange(count, dtype=np.float64)
    return WindowBatch(stream, times, times, np.ones(count, np.float32), values)


def noise(count: int, length: int = 200, seed: int = 0) -> Floats32:
    """Windows of two channels: Gaussian with means 10 and -3, standard deviations 2 and 0.5."""
    values = np.random.default_rng(seed).normal([[10.0], [-3.0]], [[2.0], [0.5]], (count, 2, length))
    narrow: Floats32 = values.astype(np.float32)
    return narrow


def all_of(batch: WindowBatch) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return np.ones(len(batch), np.bool_)


def learn(normalizer: Normalizer, values: Floats32) -> tuple[Floats32, Floats32]:
    """Warm up on `values`, then the numbers for a next window."""
    batch = batch_of(values)
    normalizer.parameters(batch, all_of(batch))
    after = batch_of(values[:1])
    centre, scale, ready = normalizer.parameters(after, all_of(after))
    assert ready.all()
    return centre[0], scale[0]


def test_fixed_numbers_come_from_the_artifact() -> None:
    normalizer = Normalizer(spec("fixed", centre=[1.0, 2.0], scale=[3.0, 4.0]), 2, LENGTH)
    batch = batch_of(noise(3))
    centre, scale, ready = normalizer.parameters(batch, ~all_of(batch))
    assert centre.tolist() == [[1, 2]] * 3
    assert scale.tolist() == [[3, 4]] * 3
    assert ready.all()


def test_each_window_can_be_normalized_by_its_own_mean_and_deviation() -> None:
    batch = batch_of(noise(3))
    centre, scale, ready = Normalizer(spec("window"), 2, LENGTH).parameters(batch, all_of(batch))
    normalized = (batch.values - centre[:, :, None]) / scale[:, :, None]
    np.testing.assert_allclose(normalized.mean(axis=2), 0, atol=1e-4)
    np.testing.assert_allclose(normalized.std(axis=2), 1, atol=1e-4)
    assert ready.all()


@pytest.mark.parametrize("kind", ["window", "stream"])
def test_a_channel_that_hardly_moves_is_not_blown_up(kind: str) -> None:
    normalizer = Normalizer(spec(kind, scale_floor=[0.1, 0.2]), 2, LENGTH)
    batch = batch_of(np.ones((WARMUP + 1, 2, 16), np.float32))
    _, scale, _ = normalizer.parameters(batch, all_of(batch))
    assert scale[-1].tolist() == pytest.approx([0.1, 0.2])


def test_a_stream_learns_the_mean_and_deviation_of_gaussian_data() -> None:
    centre, scale = learn(Normalizer(spec(warmup_windows=64), 2, LENGTH), noise(64))
    assert centre.tolist() == pytest.approx([10, -3], abs=0.05)
    assert scale.tolist() == pytest.approx([2.0, 0.5], rel=0.05)


def test_a_stream_whose_level_wanders_between_windows_gets_a_wider_scale() -> None:
    values = noise(64)
    wander = np.random.default_rng(5).normal(size=(64, 1, 1)).astype(np.float32) * 10
    _, still = learn(Normalizer(spec(warmup_windows=64), 2, LENGTH), values)
    _, wandering = learn(Normalizer(spec(warmup_windows=64), 2, LENGTH), values + wander)
    assert (wandering > 2 * still).all()


def test_a_minority_of_odd_windows_in_the_warm_up_changes_little() -> None:
    values = noise(64)
    odd = values.copy()
    odd[::3] = odd[::3] * 1000 + 1000
    clean_centre, clean_scale = learn(Normalizer(spec(warmup_windows=64), 2, LENGTH), values)
    centre, scale = learn(Normalizer(spec(warmup_windows=64), 2, LENGTH), odd)
    np.testing.assert_allclose(centre, clean_centre, atol=0.2)
    np.testing.assert_allclose(scale, clean_scale, rtol=0.2)


def test_windows_of_extreme_values_do_not_spoil_what_is_learnt() -> None:
    values = noise(64)
    values[:20] = np.float32(3.4e38)
    centre, scale = learn(Normalizer(spec(warmup_windows=64), 2, LENGTH), values)
    assert np.isfinite(centre).all()
    assert np.isfinite(scale).all()


@given(cuts=st.lists(st.integers(1, 9), max_size=8), streams=st.lists(st.integers(0, 2), min_size=5, max_size=40))
@settings(max_examples=50)
def test_however_windows_are_cut_into_batches_the_numbers_are_the_same(cuts: list[int], streams: list[int]) -> None:
    values = noise(len(streams), length=12)
    trusted = np.random.default_rng(1).random(len(streams)) < 0.8
    whole = batch_of(values, streams)
    expected = Normalizer(spec(), 2, LENGTH).parameters(whole, trusted)
    normalizer, start = Normalizer(spec(), 2, LENGTH), 0
    for size in [*cuts, len(streams)]:
        part = slice(start, start + size)
        centre, scale, ready = normalizer.parameters(whole.select(part), trusted[part])
        np.testing.assert_array_equal(ready, expected[2][part])
        np.testing.assert_array_equal(centre[ready], expected[0][part][ready])
        np.testing.assert_array_equal(scale[ready], expected[1][part][ready])
        start += size


def test_windows_learnt_from_are_not_ready_and_the_next_one_is() -> None:
    batch = batch_of(noise(WARMUP + 2))
    _, _, ready = Normalizer(spec(), 2, LENGTH).parameters(batch, all_of(batch))
    assert ready.tolist() == [False] * WARMUP + [True] * 2


def test_windows_that_are_not_trusted_teach_nothing() -> None:
    normalizer = Normalizer(spec(), 2, LENGTH)
    junk = batch_of(noise(30) * np.float32("nan"))
    _, _, ready = normalizer.parameters(junk, ~all_of(junk))
    assert not ready.any()
    assert normalizer.warmup_progress(np.array([0])) == [0.0]
    expected = learn(Normalizer(spec(), 2, LENGTH), noise(WARMUP))
    np.testing.assert_array_equal(learn(normalizer, noise(WARMUP)), expected)


def test_the_warm_up_shows_its_progress() -> None:
    normalizer = Normalizer(spec(), 2, LENGTH)
    for done in range(WARMUP + 2):
        assert normalizer.warmup_progress(np.array([0]))[0] == min(done, WARMUP) / WARMUP
        batch = batch_of(noise(1))
        normalizer.parameters(batch, all_of(batch))


def test_kinds_without_a_warm_up_are_always_through_with_it() -> None:
    assert Normalizer(spec("window"), 2, LENGTH).warmup_progress(np.array([0, 7])).tolist() == [1.0, 1.0]


def test_a_number_given_to_a_new_stream_learns_anew() -> None:
    normalizer = Normalizer(spec(), 2, LENGTH)
    learn(normalizer, noise(WARMUP))
    half = batch_of(noise(WARMUP // 2))
    normalizer.forget(0)
    normalizer.parameters(half, all_of(half))
    normalizer.forget(0)
    other = noise(WARMUP, seed=9) + 50
    np.testing.assert_array_equal(learn(normalizer, other), learn(Normalizer(spec(), 2, LENGTH), other))


def test_forgetting_a_stream_that_never_had_a_window_is_fine() -> None:
    Normalizer(spec(), 2, LENGTH).forget(12)


def beats(count: int, seed: int = 0) -> Floats32:
    """Windows of two channels: one wave each, twice as high in the second, with noise."""
    wave = np.sin(np.linspace(0, np.pi, 40))
    rng = np.random.default_rng(seed)
    values: Floats32 = (wave * [[1.0], [2.0]] + rng.normal(0, 0.05, (count, 2, 40))).astype(np.float32)
    return values


def test_a_template_is_the_usual_window_whatever_odd_ones_there_were() -> None:
    values = beats(64)
    values[::3] *= -3
    centre, scale = learn(Normalizer(spec("template", warmup_windows=64), 2, LENGTH), values)
    wave = np.sin(np.linspace(0, np.pi, 40))
    assert centre.shape == (2, 40)
    np.testing.assert_allclose(centre, [wave, 2 * wave], atol=0.12)
    assert scale[1] > 1.5 * scale[0] > 0


def test_a_template_of_constant_windows_is_scaled_by_how_they_differ() -> None:
    values = np.repeat(np.random.default_rng(0).normal(0.8, 0.1, (64, 2, 1)), 40, axis=2).astype(np.float32)
    centre, scale = learn(Normalizer(spec("template", warmup_windows=64), 2, LENGTH), values)
    np.testing.assert_allclose(centre, 0.8, atol=0.05)
    np.testing.assert_allclose(scale, 0.1, atol=0.03)


def test_templates_of_streams_that_learn_in_turns_are_those_of_streams_that_learn_alone() -> None:
    ours, theirs = beats(WARMUP, seed=1), beats(WARMUP, seed=2) + 1
    normalizer = Normalizer(spec("template"), 2, LENGTH)
    together = batch_of(np.stack((ours, theirs), axis=1).reshape(-1, 2, 40), [0, 1] * WARMUP)
    first, second = together.select(slice(0, 7)), together.select(slice(7, None))
    normalizer.parameters(first, all_of(first))
    kept = Normalizer(spec("template"), 2, LENGTH)
    streams = np.arange(2)
    state = decode_state(encode_state(normalizer.snapshot(streams)))
    kept.check(state, 2)
    kept.restore(streams, state)
    kept.parameters(second, all_of(second))
    after = batch_of(ours[:2], [0, 1])
    centre, scale, ready = kept.parameters(after, all_of(after))
    assert ready.all()
    for at, values in enumerate((ours, theirs)):
        alone = learn(Normalizer(spec("template"), 2, LENGTH), values)
        np.testing.assert_array_equal(centre[at], alone[0])
        np.testing.assert_array_equal(scale[at], alone[1])
