"""The quality benchmark as it is run, on the row that is done soonest."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.realdata]

ROOT = Path(__file__).resolve().parents[2]


def test_a_row_is_fitted_scored_and_told(tmp_path: Path) -> None:
    folder = Path(os.environ.get("RESIDUALD_DATA") or ROOT.parent / "shared" / "data")
    if not (folder / "uci_hydraulic_dev.npz").exists():
        pytest.skip(f"no real recordings in {folder}: name their folder in RESIDUALD_DATA (see docs/real-telemetry.md)")
    command = [sys.executable, "benchmarks/quality.py", "--quick", "--only", "hydraulic"]
    out, told = tmp_path / "out", tmp_path / "quality.json"
    done = subprocess.run(
        [*command, "--data", folder, "--out", out, "--json", told],
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (target,) = json.loads(told.read_text())["targets"]
    assert target["name"] == "UCI hydraulic: auc_roc"
    assert target["met"]
    assert "| UCI hydraulic | PCA | 1.000 |" in (out / "quick" / "quality.md").read_text()
