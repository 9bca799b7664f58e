"""JSON lines: what `residuald replay` prints, one line for each window, alert step and refusal."""

from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np

from monitor.core.alerting.decision_rule import Verdict
from monitor.core.outputs.reports import alert_fields
from monitor.core.scoring.quality import QUALITIES
from monitor.core.streams.model_group import ModelGroup
from monitor.core.streams.scored_batch import ScoredBatch
from monitor.core.values.discards import OF_SAMPLES, Discard
from monitor.pipeline.pipeline import Pipeline, Step

_MOST_TOLD = 50  # lines for people


class JsonLines:
    """Writes lines to `out`, and to `told` what a person should read beside them; see `residuald replay --help`."""

    def __init__(self, out: IO[str], told: IO[str], *, alerts_only: bool) -> None:
        self._out = out
        self._told = told
        self._alerts_only = alerts_only

    def discard(self, source: str, topic: str, discard: Discard) -> None:
        """Write a message that is refused."""
        found = {"source": source, "topic": topic, "reason": discard.reason, "detail": discard.detail}
        self._line({"kind": "discard", **found})

    def show(self, step: Step, pipeline: Pipeline) -> None:
        """Write the windows and the alert steps of a step of the pipeline."""
        for model, done in step.scored_batches:
            model_group = pipeline.model_groups[model]
            for at in range(len(done.windows)):
                if not self._alerts_only:
                    self._line(_window(model_group, done, at))
                for alert in (alert for where, alert in done.steps if where == at):
                    self._line({"kind": "alert", **alert_fields(alert, model_group)})
        self._out.flush()

    def tell_covered(self, path: Path, stream: str, share: float, told: str) -> None:
        """Tell which share of a stream's time the samples of a history cover. told: the sentence for people."""
        self._line({"kind": "covered", "stream": stream, "share": round(share, 4)})
        print(f"residuald: {path}: {told}", file=self._told)

    def sum_up(self, path: Path, pipeline: Pipeline) -> None:
        """Tell what was refused of each stream, and which streams have another sampling rate."""
        lines: list[str] = []
        for group in pipeline.model_groups.values():
            for name, number in group.streams.number.items():
                sources = ", ".join(pipeline.router.sources_of(name)) or None
                for reason, count, hint in group.inputs.refused_of(number):
                    if reason not in OF_SAMPLES:  # messages were told of one by one
                        continue
                    lines.append(f"stream {name}: {count} samples refused as {reason}" + (f": {hint}" if hint else ""))
                    found = {"source": sources, "stream": name, "reason": reason, "samples": count, "detail": hint}
                    self._line({"kind": "discard", **found})
                rate = group.inputs.wrong_rate_of(number)
                if rate is not None:
                    lines.append(f"stream {name}: {rate}")
        for line in lines[:_MOST_TOLD]:
            print(f"residuald: {path}: {line}", file=self._told)
        if len(lines) > _MOST_TOLD:
            print(f"residuald: {path}: … and {len(lines) - _MOST_TOLD} more", file=self._told)
        self._out.flush()

    def _line(self, fields: dict[str, Any]) -> None:
        self._out.write(msgspec.json.encode(fields).decode() + "\n")


def _window(model_group: ModelGroup, done: ScoredBatch, at: int) -> dict[str, Any]:
    withheld = done.verdict[at] == Verdict.WITHHELD
    errors = done.channel_error[at]
    masked = [] if withheld else np.flatnonzero(np.isnan(errors)).tolist()
    return {
        "kind": "window",
        "stream": done.names[int(done.windows.stream[at])],
        "time": float(done.windows.end_seconds[at]),
        "verdict": Verdict(int(done.verdict[at])).name.lower(),
        "quality": QUALITIES[done.quality[at]].value,
        "score": None if withheld else float(done.score[at]),
        "error": None if withheld else float(done.error[at]),
        "channel": None if withheld else model_group.channels[int(np.nanargmax(errors))],
        "masked": [model_group.channels[channel] for channel in masked],
    }
