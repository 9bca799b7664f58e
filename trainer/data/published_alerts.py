"""Alerts that the daemon has published, so that a fit leaves out what was already found anomalous.

One JSON object per line, as they come on `residuald/<stream>/alert`, for instance from `mosquitto_sub`.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trainer.data.cutting import DataFile, FileWindows
from trainer.errors import DataError

Seconds = Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True, slots=True)
class Alerted:
    """A stretch of a stream's event time during which an alert was open that fired; `until_seconds` may be infinite."""

    stream: str
    from_seconds: float
    until_seconds: float


class _Step(BaseModel):
    """What is needed of an alert's payload; see ARCHITECTURE.md, "Outputs"."""

    model_config = ConfigDict(extra="ignore")

    schema_: Literal[1] = Field(alias="schema")
    id: str
    phase: Literal["pending", "firing", "resolved"]
    fired: bool
    stream: str
    since: Seconds
    time: Seconds


def read_alerts(path: Path) -> list[Alerted]:
    """Read an alert log. Alerts that lapsed without firing are left out; those not resolved yet go on for ever.

    Raises:
        DataError: the file cannot be read, or a line is no alert.

    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the alerts in {path}: {error}") from None
    stretches: dict[str, Alerted] = {}
    fired: set[str] = set()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            step = _Step.model_validate(json.loads(line))
        except (json.JSONDecodeError, ValidationError) as error:
            what = str(error).splitlines()[0]
            raise DataError(f"{path}, line {number} is no alert as `<stream>/alert` has it: {what}") from None
        until = step.time if step.phase == "resolved" else float("inf")
        known = stretches.get(step.id)
        stretches[step.id] = Alerted(
            step.stream, step.since, until if known is None else min(until, known.until_seconds)
        )
        if step.fired:
            fired.add(step.id)
    return [stretch for name, stretch in stretches.items() if name in fired]


def require_recordings(alerts: Iterable[Alerted], files: Iterable[DataFile]) -> None:
    """Check that at least one alert belongs to one of the recordings.

    Raises:
        DataError: none does, so that leaving them out would leave nothing out.

    """
    streams, names = {alert.stream for alert in alerts}, {_stream_of(file.name) for file in files}
    if streams and not streams & names:
        raise DataError(
            f"the alerts are of {', '.join(sorted(streams)[:5])}, the recordings of {', '.join(sorted(names)[:5])}: "
            "name each recording after its stream, e.g. plant1.motor-17.npz"
        )


def alerted(cut: FileWindows, alerts: Iterable[Alerted]) -> NDArray[np.bool_]:
    """Which windows [N] of a recording share time with an alert of its stream."""
    found = np.zeros(len(cut), np.bool_)
    for alert in alerts:
        if alert.stream == _stream_of(cut.file.name):
            found |= (cut.batch.end_seconds >= alert.from_seconds) & (cut.start_seconds <= alert.until_seconds)
    return found


def _stream_of(file_name: str) -> str:
    return PurePath(file_name).stem
