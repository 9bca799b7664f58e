"""The quality benchmark as it is run, on the rows that are done soonest, one of them also through the daemon."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repository import ROOT

pytestmark = [pytest.mark.integration, pytest.mark.realdata]


def test_rows_are_fitted_scored_and_told_and_the_daemon_says_the_same(tmp_path: Path) -> None:
    folder = Path(os.environ.get("RESIDUALD_DATA") or ROOT.parent / "shared" / "data")
    if not (folder / "uci_hydraulic_dev.npz").exists():
        pytest.skip(f"no real recordings in {folder}: name their folder in RESIDUALD_DATA (see docs/real-telemetry.md)")
    command = [sys.executable, "-m", "benchmarks.quality", "--quick", "--only", "hydraulic", "--only", "fan"]
    out, told = tmp_path / "out", tmp_path / "quality.json"
    done = subprocess.run(
        [*command, "--data", folder, "--out", out, "--json", told],
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    targets = json.loads(told.read_text())["targets"]
    assert {target["name"]: target["met"] for target in targets} == dict.fromkeys(
        ("UCI fan: auc_roc", "UCI hydraulic: auc_roc"), True
    )
    page = (out / "quick" / "quality.md").read_text()
    assert "| UCI hydraulic | PCA | 1.000 |" in page
    assert "| daemon |" in page
