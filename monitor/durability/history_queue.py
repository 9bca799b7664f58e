"""The history's queue: references to what the engine has scored, for the thread that writes the history.

The engine's side costs a few references for each scored batch, and nothing for each window. Both ends are bounded: of
what does not fit the samples are left out first, then the whole batch.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.core.artifact.manifest import Manifest
from monitor.core.history.score_line import ScoreLine
from monitor.core.outputs.reports import Report
from monitor.core.streams.model_group import ModelGroup
from monitor.core.values.scorer import Floats32
from monitor.pipeline.pipeline import Step

# Windows whose samples wait: as long as they do, the engine cannot use their memory again.
_MOST_BYTES = 4 * 2**20
_LEAST_WINDOW_BYTES = 2048  # that a window counts: many small ones are as much work
_MOST_WINDOWS = 500_000
_MOST_BATCHES = 100_000
_MOST_STEPS = 10_000  # of alerts


class OfferedBatch(NamedTuple):
    """A scored batch of B windows. names: of the streams, by number. stream: int64 [B].

    channel_error: float32 [B, C], NaN where masked; values: float32 [B, C, L]; both None where there was no room.
    """

    model: str
    manifest: Manifest
    names: list[str | None]
    stream: NDArray[np.int64]
    line: ScoreLine
    channel_error: Floats32 | None
    values: Floats32 | None


class HistoryQueue:
    """Scored batches and steps of alerts, from the engine's thread to that of the history.

    models: those whose windows are taken. dropped: batches that did not fit. left_out: windows whose samples did
    not fit.
    """

    def __init__(self, models: Iterable[str]) -> None:
        self.models = frozenset(models)
        self.dropped = self.left_out = 0
        self._batches: deque[OfferedBatch] = deque()
        self._alert_steps: deque[bytes] = deque(maxlen=_MOST_STEPS)
        # each is counted up by one thread only, and the difference is what waits
        self._offered_bytes = self._taken_bytes = 0
        self._offered_windows = self._taken_windows = 0

    def offer(self, step: Step, model_groups: Mapping[str, ModelGroup]) -> bool:
        """Let the batches and alerts of a step wait. Returns whether so much waits that it should be taken soon."""
        models = self.models
        for name, done in step.scored_batches:
            if name not in models:
                continue
            windows = done.windows
            count, nbytes = len(windows.stream), _weight(windows.values)
            if (
                self._offered_windows - self._taken_windows + count > _MOST_WINDOWS
                or len(self._batches) > _MOST_BATCHES
            ):
                self.dropped += 1
                continue
            waiting = self._offered_bytes - self._taken_bytes
            room = waiting == 0 or waiting + nbytes <= _MOST_BYTES  # one batch alone may be larger
            self._offered_windows += count
            self._offered_bytes += nbytes if room else 0
            self.left_out += 0 if room else count
            line = ScoreLine(windows.end_seconds, done.score, done.verdict, done.quality)
            manifest = model_groups[name].manifest
            samples = (done.channel_error, windows.values) if room else (None, None)
            self._batches.append(OfferedBatch(name, manifest, done.names, windows.stream, line, *samples))
        if step.reports:
            self._note_alerts(step.reports)
        return self._offered_bytes - self._taken_bytes > _MOST_BYTES // 2

    def _note_alerts(self, reports: Iterable[Report]) -> None:
        self._alert_steps.extend(report.payload for report in reports if report.step is not None)

    def take(self) -> tuple[list[OfferedBatch], list[bytes]]:
        """Everything that waits: batches, and payloads of alert steps."""
        batches = [self._batches.popleft() for _ in range(len(self._batches))]
        steps = [self._alert_steps.popleft() for _ in range(len(self._alert_steps))]
        return batches, steps

    def taken(self, batches: Iterable[OfferedBatch]) -> None:
        """These batches are let go of, and their room is free."""
        for batch in batches:
            self._taken_windows += len(batch.stream)
            self._taken_bytes += 0 if batch.values is None else _weight(batch.values)


def _weight(values: Floats32) -> int:
    """How many bytes windows count, float32 [B, C, L]."""
    return max(values.nbytes, len(values) * _LEAST_WINDOW_BYTES)


def joined_batches(batches: list[OfferedBatch]) -> list[OfferedBatch]:
    """Batches of one model and artifact, those that share names joined: many small ones cost more than a large one."""
    groups: list[list[OfferedBatch]] = []
    for batch in batches:
        last = groups[-1][-1] if groups else None
        if last is not None and last.names is batch.names and (last.values is None) == (batch.values is None):
            groups[-1].append(batch)
        else:
            groups.append([batch])
    return [_one_of(group) for group in groups]


def _one_of(batches: list[OfferedBatch]) -> OfferedBatch:
    if len(batches) == 1:
        return batches[0]
    errors = [batch.channel_error for batch in batches if batch.channel_error is not None]
    values = [batch.values for batch in batches if batch.values is not None]
    return batches[0]._replace(
        stream=np.concatenate([batch.stream for batch in batches]),
        line=ScoreLine.chain([batch.line for batch in batches]),
        channel_error=np.concatenate(errors) if errors else None,
        values=np.concatenate(values) if values else None,
    )
