"""Injected anomalies are what their names say, in the scale of their channel, and the same for the same seed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from trainer.selection.synthetic import FAULTS, KINDS, RAMPS, inject

LENGTH = 64
DEVIATION = np.array([1.0, 100.0])


def sines(count: int = 20, channels: int = 2) -> NDArray[np.float32]:
    """Sines of random phase, the second channel a hundred times as large and around 1000."""
    rng = np.random.default_rng(1)
    at = 2 * np.pi * (np.arange(LENGTH) / 16 + rng.uniform(size=(count, 1, 1)))
    both = np.concatenate([np.sin(at), 1000 + 100 * np.cos(at)], axis=1) * np.sqrt([[2], [2]])
    return both[:, :channels].astype(np.float32)


@pytest.mark.parametrize("kind", sorted({*KINDS, *FAULTS}))
def test_one_channel_of_every_window_changes_and_the_input_does_not(kind: str) -> None:
    windows = sines()
    before = windows.copy()
    changed = inject(windows, DEVIATION, kind, seed=0)
    np.testing.assert_array_equal(windows, before)
    assert ((changed != windows).any(axis=2).sum(axis=1) == 1).all()
    assert np.isfinite(changed).all()


@pytest.mark.parametrize("kind", sorted({*KINDS, *FAULTS}))
def test_the_seed_decides(kind: str) -> None:
    windows = sines()
    first, again, other = (inject(windows, DEVIATION, kind, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@given(st.sampled_from(["spikes", "drift", "step", "ramp_level"]), st.integers(0, 2**32 - 1))
def test_what_is_added_is_in_the_scale_of_its_channel(kind: str, seed: int) -> None:
    windows = sines()
    added = np.abs(inject(windows, DEVIATION, kind, seed) - windows).max(axis=2)  # [N, C]
    for channel, deviation in enumerate(DEVIATION):
        some = added[added[:, channel] > 0, channel]
        assert (some > 0.4 * deviation).all()
        assert (some < 8.1 * deviation).all()


def test_spikes_are_few_samples() -> None:
    windows = sines()
    assert ((inject(windows, DEVIATION, "spikes", 0) != windows).sum(axis=(1, 2)) <= 3).all()


def test_a_dropout_holds_one_value() -> None:
    changed = inject(sines(channels=1), DEVIATION[:1], "dropout", 0)
    held = (np.diff(changed, axis=2) == 0).sum(axis=2)
    assert (held >= 0.1 * LENGTH - 2).all()


def test_a_drift_ends_away_from_where_it_began() -> None:
    windows = sines(channels=1)
    added = (inject(windows, DEVIATION[:1], "drift", 0) - windows)[:, 0]
    np.testing.assert_allclose(added[:, 0], 0, atol=1e-6)
    assert (np.abs(np.diff(added, axis=1) - np.diff(added, axis=1)[:, :1]) < 1e-5).all()


def test_a_change_of_frequency_moves_the_spectrum_and_keeps_the_range() -> None:
    windows = sines(channels=1)
    changed = inject(windows, DEVIATION[:1], "frequency", 0)
    frequencies = np.fft.rfftfreq(LENGTH)
    centroids = [
        (frequencies * (power := np.abs(np.fft.rfft(each - each.mean(axis=2, keepdims=True))) ** 2)).sum(axis=2)
        / power.sum(axis=2)
        for each in (windows, changed)
    ]
    assert np.median(centroids[1] / centroids[0]) > 1.1
    assert (changed.max(axis=2) <= windows.max(axis=2)).all()


def test_a_change_of_amplitude_keeps_level_and_shape() -> None:
    windows = sines(channels=1)
    changed = inject(windows, DEVIATION[:1], "amplitude", 0)
    np.testing.assert_allclose(changed.mean(axis=2), windows.mean(axis=2), atol=1e-5)
    for before, after in zip(windows[:, 0], changed[:, 0], strict=True):
        assert np.corrcoef(before, after)[0, 1] > 0.9999


def test_a_broken_correlation_leaves_each_channel_normal() -> None:
    windows = sines()
    changed = inject(windows, DEVIATION, "correlation", 0)
    known = {channel.tobytes() for window in windows for channel in window}
    assert all(channel.tobytes() in known for window in changed for channel in window)


@pytest.mark.parametrize("kind", RAMPS)
def test_what_came_slowly_changes_the_whole_window_and_hardly_within_it(kind: str) -> None:
    windows = sines(channels=1)
    added = (inject(windows, DEVIATION[:1], kind, 0) - windows)[:, 0]
    if kind == "ramp_level":
        assert (np.ptp(added, axis=1) < 0.1).all()
        assert (np.abs(added).min(axis=1) > 0.9).all()
    else:
        np.testing.assert_allclose(added.mean(axis=1), 0, atol=1e-5)


def test_each_window_may_have_a_deviation_of_its_own() -> None:
    windows = sines(channels=1)
    deviation = np.linspace(1, 100, len(windows))[:, None]
    added = np.abs(inject(windows, deviation, "ramp_level", 0) - windows)[:, 0].max(axis=1)
    assert (added >= 0.97 * deviation[:, 0]).all()
    assert (added <= 4.01 * deviation[:, 0]).all()


def test_noise_is_of_the_size_that_was_asked_for() -> None:
    windows = sines(channels=1)
    added = (inject(windows, DEVIATION[:1], "noise", 0) - windows)[:, 0].std(axis=1)
    assert ((added > 0.3) & (added < 2.7)).all()
