#!/usr/bin/env python3
"""Fit the models that the shipped configurations use, on simulated healthy devices: `python configs/models/make.py`.

The artifacts are committed, so that every shipped configuration works right after installation. Run this after a change
of the simulators, the settings beside it or the artifact's format, and commit what `current` then points at.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
PROGRAMS = Path(sys.executable).parent

# What each model learns from: arguments of `residuald simulate`, one run per way of operation. Short bursts out of an
# hour cover its loads, temperatures and heart rates with few samples.
NORMAL = {
    "motor": (
        "motor --devices 12 --duration 3600 --bursts 2/60 --profile load_steps",
        "motor --devices 12 --duration 3600 --bursts 2/240 --profile steady --run 2",
        "motor --devices 12 --duration 3600 --bursts 2/120 --profile variable_speed --run 3",
    ),
    "ecg": ("ecg --devices 24 --duration 3600 --bursts 20/240",),
}


def main() -> None:
    """Simulate, fit, and keep only the artifact that is in use."""
    for name in sys.argv[1:] or NORMAL:
        with tempfile.TemporaryDirectory() as folder:
            for number, arguments in enumerate(NORMAL[name]):
                _run("residuald", "simulate", *arguments.split(), "--out", f"{folder}/{number}.npz")
            data = sorted(map(str, Path(folder).glob("*.npz")))
            settings, out = HERE / f"{name}.toml", HERE / name
            (out / "current").unlink(missing_ok=True)  # a first fit comes into use at once and is its own anchor
            _run("residuald-trainer", "fit", "--data", *data, "--config", str(settings), "--out", str(out))
        current = (out / "current").resolve()
        for old in {*out.glob("*.pt"), *out.glob("*.report.html")} - {current}:
            old.unlink()
        # what they were fitted to can be simulated again: the model alone is the anchor
        shutil.rmtree(out / "anchor", ignore_errors=True)


def _run(program: str, *arguments: str) -> None:
    subprocess.run([PROGRAMS / program, *arguments], check=True)  # noqa: S603 - our own programs, no shell


if __name__ == "__main__":
    main()
