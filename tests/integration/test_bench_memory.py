"""The memory benchmark's swaps and reloads against the real daemon, and how it tells growth."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.common.workloads import W1
from benchmarks.latency import memory

pytestmark = pytest.mark.integration

SMALL = replace(
    W1.parts[0], name="lab", sample_rate_hz=100.0, window=40, stride=40, fit='family = "pca"\ncomponents = 8\n'
)


@pytest.fixture(autouse=True)
def _small_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_WARD", SMALL)
    monkeypatch.setattr(memory, "_OTHER_MODEL", 'family = "pca"\ncomponents = 9\n')


def test_swaps_and_reloads_are_seen_and_nothing_is_lost_over_them(tmp_path: Path) -> None:
    done: list[str] = []
    with memory._swapping(tmp_path) as daemon:
        swaps = daemon.repeat(4, daemon.swap, lambda: done.append("swap"))
        reloads = daemon.repeat(2, daemon.reload, lambda: done.append("reload"))
        assert list(daemon.losses()) == []
    assert done == ["swap"] * 4 + ["reload"] * 2
    assert (swaps > 10e6).all()
    assert (reloads > 10e6).all()


def test_a_daemon_that_ignores_a_swap_makes_the_run_void(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_SEEN_SECONDS", 1.0)
    with memory._swapping(tmp_path) as daemon, monkeypatch.context() as patch:
        patch.setattr(os, "kill", lambda pid, number: None)
        with pytest.raises(memory.SwapError, match="residuald_artifact_info did not change"):
            daemon.swap()
        patch.undo()  # or nobody can be told to stop


def test_growth_is_told_after_the_warm_up() -> None:
    warming_up = np.linspace(100, 200, 10)
    steady, leaking = np.full(90, 200.0), np.linspace(200, 240, 90)
    assert memory.growth(np.concatenate([warming_up, steady])) == 0
    assert 0.15 < memory.growth(np.concatenate([warming_up, leaking])) < 0.2
