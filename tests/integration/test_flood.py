"""Ten times what can be scored, for a while: memory and backlog stay bounded, and it recovers by itself."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

FLOOD = Path(__file__).parents[2] / "benchmarks" / "flood.py"


def test_a_flood_leaves_memory_bounded_and_no_backlog(tmp_path: Path) -> None:
    command: list[str | Path] = [sys.executable, FLOOD, "--quick", "--json", tmp_path / "figures.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads((tmp_path / "figures.json").read_text())
    missed = [target["name"] for target in document["targets"] if not target["met"]]
    assert not missed, done.stdout
    assert document["figures"]["times"] >= 10
