"""The short chaos run: nothing lost, no window and no alert step twice, whatever is killed, cut or filled."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repository import ROOT

pytestmark = [pytest.mark.integration, pytest.mark.long, pytest.mark.timeout(600)]


def test_nothing_is_lost_and_nothing_is_scored_or_said_twice(tmp_path: Path) -> None:
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "benchmarks.chaos",
        "--quick",
        "--seed",
        "4",
        "--json",
        tmp_path / "figures.json",
    ]
    done = subprocess.run([*command, "--keep", tmp_path / "run"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads((tmp_path / "figures.json").read_text())
    figures = document["figures"]
    assert figures["sigkills"] >= 8
    assert figures["windows_scored"] == figures["windows_expected"] > 1000
    assert figures["windows_of_victims"] > 0
    assert figures["ended_reconfigured"] > 0
    assert figures["ended_gone"] > 0
    missed = [target for target in document["targets"] if not target["met"]]
    assert not missed, done.stdout
