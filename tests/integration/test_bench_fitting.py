"""The fitting benchmark on a small model."""

import json
from pathlib import Path

import pytest

from benchmarks.fitting.fitting import main, measure

pytestmark = pytest.mark.integration


def test_a_fit_is_measured_beside_the_start_of_torch(tmp_path: Path) -> None:
    assert main(["--quick", "--json", str(tmp_path / "fitting.json")]) == 0
    found = json.loads((tmp_path / "fitting.json").read_text())
    (cost,) = found["costs"]["pca"]
    assert cost["fit_seconds"] > cost["start_seconds"] > 0
    (target,) = found["targets"]
    assert target["reached"] == pytest.approx(cost["fit_seconds"] / cost["start_seconds"])


def test_a_trainer_that_fails_proves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="residuald-trainer failed"):
        measure("no such family", 100, tmp_path / "work")
