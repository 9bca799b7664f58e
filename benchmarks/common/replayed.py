"""`residuald replay` as a process, and what it prints about each stream."""

import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.common.live import BIN, AlertStep, LiveError


@dataclass(slots=True)
class Replay:
    """One stream, replayed: N windows in order. score: NaN where withheld; steps: of alerts, as live."""

    end_seconds: list[float] = field(default_factory=list)
    score: list[float] = field(default_factory=list)
    verdicts: Counter[str] = field(default_factory=Counter)
    steps: Counter[AlertStep] = field(default_factory=Counter)

    @property
    def scored(self) -> int:
        """Windows with a score."""
        return self.verdicts["normal"] + self.verdicts["anomalous"]

    def arrays(self) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """End times and scores as arrays."""
        return np.array(self.end_seconds, np.float64), np.array(self.score, np.float32)


def replay(model: Path, files: Sequence[Path]) -> dict[str, Replay]:
    """Replay files, each of them one stream, with the artifact that is `current` in a model's folder.

    Raises:
        LiveError: it fails.

    """
    done = subprocess.run([BIN / "residuald", "replay", "--model", model, *files], capture_output=True, check=False)
    if done.returncode:
        raise LiveError(f"residuald replay: {done.stderr.decode()[-2000:]}")
    streams: dict[str, Replay] = {file.stem: Replay() for file in files}
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    for line in done.stdout.splitlines():
        said = decode(line)
        stream = streams[said["stream"]]
        if said["kind"] == "alert":
            stream.steps[AlertStep.of(said)] += 1
            continue
        stream.end_seconds.append(said["time"])
        stream.score.append(np.nan if said["score"] is None else said["score"])
        stream.verdicts[said["verdict"]] += 1
    return streams
