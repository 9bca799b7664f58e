"""Beats of real patients are found where cardiologists saw them."""

import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks.beats.detection import Counts, measure, variants
from tests.repository import ROOT

pytestmark = [pytest.mark.integration, pytest.mark.realdata]


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    """Three minutes of four patients."""
    file = Path(os.environ.get("RESIDUALD_DATA") or ROOT.parent / "shared" / "data") / "mitdb_quick.npz"
    if not file.exists():
        pytest.skip(f"{file} is missing: name its folder in RESIDUALD_DATA")
    with np.load(file, allow_pickle=False) as archive:
        return dict(archive)


@pytest.mark.parametrize("record", ["106", "119", "122", "208"])
@pytest.mark.parametrize("variant", ["as it is", "upside down"])
def test_hardly_a_beat_is_overlooked_or_made_up(arrays: dict[str, np.ndarray], record: str, variant: str) -> None:
    counts: Counts = measure(arrays, record, variants(arrays, record, None)[variant])
    assert counts.found > 150
    assert counts.overlooked <= 2
    assert counts.made_up <= 2
    assert np.quantile(np.abs(counts.offset_samples - np.median(counts.offset_samples)), 0.5) <= 2
