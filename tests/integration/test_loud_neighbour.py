"""A device that floods the broker beside one that does not: the quiet one loses nothing, and a stop ends in time."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repository import ROOT

pytestmark = [pytest.mark.integration, pytest.mark.long, pytest.mark.timeout(300)]


def test_a_quiet_device_loses_no_window_to_a_loud_one_and_a_stop_does_not_wait_for_the_backlog(tmp_path: Path) -> None:
    command: list[str | Path] = [sys.executable, "-m", "benchmarks.loud_neighbour", "--quick"]
    done = subprocess.run(
        [*command, "--json", tmp_path / "figures.json"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads((tmp_path / "figures.json").read_text())
    missed = [target["name"] for target in document["targets"] if not target["met"]]
    assert not missed, done.stdout
