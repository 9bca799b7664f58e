"""Real artifacts for the workloads: fitted by `residuald-trainer` on generated normal data, once, and kept."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks.common.workloads import Telemetry
from monitor.core.dataset.recording import Recording
from monitor.core.dataset.recording_write import recording_to_npz_bytes

FOLDER = Path(__file__).parents[1] / ".artifacts"
_RECORDINGS = 3
_WINDOWS_PER_RECORDING = 400
_SEED = 1000  # far from the seeds of what is streamed: no model sees its test data
_SETTINGS = """\
seed = 0
[window]
length = {window}
stride = {stride}
sample_rate_hz = {rate!r}
[model]
{fit}[representation]
kind = "raw"
[calibration]
rule = "quantile"
[training]
max_epochs = 60
[export]
onnx = {onnx}
"""


class FitError(Exception):
    """The trainer failed; the text is what it said."""


def artifact_folder(telemetry: Telemetry, *, onnx: bool = False) -> Path:
    """The folder with the artifact for this kind of device; it is fitted if it is not there yet.

    onnx: with the same model for ONNX Runtime beside it, which takes seconds.

    Raises:
        FitError: the trainer failed.

    """
    settings = _SETTINGS.format(
        window=telemetry.window,
        stride=telemetry.stride,
        rate=telemetry.sample_rate_hz,
        fit=telemetry.fit,
        onnx="true" if onnx else "false",
    )
    digest = hashlib.sha256(repr((settings, telemetry.channels, _RECORDINGS, _WINDOWS_PER_RECORDING)).encode())
    digest.update(telemetry.signals(1, telemetry.window, _SEED).tobytes())  # another formula is other data
    work = FOLDER / digest.hexdigest()[:12]
    model = work / telemetry.name
    if not (model / "current").exists():
        _fit(telemetry, settings, work, model)
    return model


def _fit(telemetry: Telemetry, settings: str, work: Path, model: Path) -> None:
    work.mkdir(parents=True, exist_ok=True)
    (work / "settings.toml").write_text(settings)
    samples = telemetry.window + (_WINDOWS_PER_RECORDING - 1) * telemetry.stride
    files: list[Path] = []
    for number, values in enumerate(telemetry.signals(_RECORDINGS, samples, _SEED)):
        period = 1.0 / telemetry.sample_rate_hz
        recording = Recording(
            name=f"normal-{number}",
            channels=telemetry.channel_names,
            samples=values,
            time_seconds=np.arange(samples, dtype=np.float64) * period,
            sample_period_seconds=period,
            segment=np.zeros(samples, np.int64),
            labels=None,
        )
        files.append(work / f"normal-{number}.npz")
        files[-1].write_bytes(recording_to_npz_bytes(recording))
    command: list[str | Path] = [Path(sys.executable).with_name("residuald-trainer"), "fit", "--data", *files]
    command += ["--config", work / "settings.toml", "--out", model]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise FitError(f"fitting {telemetry.name} failed:\n{done.stderr.strip()}")
