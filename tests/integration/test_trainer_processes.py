"""The trainer as a process of its own: how quickly it helps, and whether the daemon's replay agrees with it."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.forked import check_forked
from tests.sines import sine_recording, write_npz
from trainer.cli import main

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("kind", ["fixed", "window", "stream"])
def test_the_daemons_replay_gives_the_same_scores_as_evaluate(tmp_path: Path, kind: str) -> None:
    normal = write_npz(tmp_path / "normal.npz", sine_recording(6000, seed=1))
    recording = sine_recording(4000, seed=2, anomalies=6)
    recording.samples[2000, 1] = float("nan")
    faulty, scores, model = write_npz(tmp_path / "faulty.npz", recording), tmp_path / "scores.csv", tmp_path / "sine"
    settings = ("--family", "pca", "--window", 50, "--stride", 10, "--normalization", kind)
    # here and now: only who replays has to be somebody else
    assert main(["fit", "--data", str(normal), "--out", str(model), *map(str, settings)]) == 0
    assert main(["evaluate", "--model", str(model), "--data", str(faulty), "--scores", str(scores)]) == 0
    with scores.open() as file:
        ours = list(csv.DictReader(file))

    lines = check_forked("residuald", "replay", "--model", model, faulty).splitlines()
    theirs = [line for line in map(json.loads, lines) if line["kind"] == "window"]
    assert len(ours) == len(theirs) == 396
    assert [float(row["end_seconds"]) for row in ours] == pytest.approx([line["time"] for line in theirs])
    # the daemon freezes the module, which may reorder its arithmetic
    scored = [float(row["score"]) if row["score"] else None for row in ours]
    assert [score is None for score in scored] == [line["score"] is None for line in theirs]
    assert [score for score in scored if score] == pytest.approx([s["score"] for s in theirs if s["score"]], rel=1e-4)


def test_help_is_quick_because_it_leaves_torch_alone() -> None:
    script = (
        "import sys; from trainer.cli import main\n"
        "try: main(['fit', '--help'])\n"
        "except SystemExit as end: print('torch' in sys.modules, end.code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False 0"
    for word in ("examples:", "data files:", "[calibration]", "exit codes:"):
        assert word in done.stdout
