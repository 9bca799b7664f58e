"""The streams of a model group at one moment, as columns to make series of."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.adapters.web.exposition import Series
from monitor.core.streams.model_group import ModelGroup
from monitor.core.values.discards import REASONS, Reason

_RESERVED = {"stream", "model"}  # labels that a placeholder of this name cannot take


@dataclass(frozen=True, slots=True)
class StreamColumns:
    """The streams of a model group at one moment, copied: the pipeline's thread goes on meanwhile.

    placeholders: of each stream's topic, with what they stand for. masked_channels: how many channels of
    the last window could not be trusted. corrected_seconds: float64 [S, C], by which clocks are ahead of the others of
    their stream; 0: they are right. The other columns are those of `StreamTable`, [S].
    """

    model: str
    channels: tuple[str, ...]
    streams: list[str]
    display_names: list[str]
    placeholders: list[dict[str, str]]
    windows_scored: NDArray[np.int64]
    windows_anomalous: NDArray[np.int64]
    alerts_fired: NDArray[np.int64]
    conflicts: NDArray[np.int64]
    error: NDArray[np.float32]
    score: NDArray[np.float32]
    channel_error: NDArray[np.float32]
    masked_channels: NDArray[np.int64]
    state: NDArray[np.int8]
    quality: NDArray[np.int8]
    last_sample_seconds: NDArray[np.float64]
    clock_offset_seconds: NDArray[np.float64]
    sample_rate_hertz: NDArray[np.float64]
    discarded: NDArray[np.int64]
    corrected_seconds: NDArray[np.float64]
    asks: NDArray[np.bool_]

    @classmethod
    def of(cls, model_group: ModelGroup) -> "StreamColumns":
        """Look at a model group."""
        table = model_group.streams
        room = len(model_group.decision.phase)  # a stream that is being opened right now has no row in every column yet
        known = [(name, number) for name, number in list(table.number.items()) if number < room]
        numbers = np.array([number for _, number in known], np.int64)
        return cls(
            model=model_group.name,
            channels=model_group.channels,
            streams=[name for name, _ in known],
            display_names=[table.display_names.get(name, name) for name, _ in known],
            placeholders=[table.labels.get(name, {}) for name, _ in known],
            windows_scored=table.windows_scored[numbers],
            windows_anomalous=table.windows_anomalous[numbers],
            alerts_fired=table.alerts_fired[numbers],
            conflicts=table.conflicts[numbers],
            error=table.error[numbers],
            score=table.score[numbers],
            channel_error=table.channel_error[numbers],
            masked_channels=table.masked[numbers].sum(axis=1),
            state=table.state[numbers],
            quality=table.quality[numbers],
            last_sample_seconds=model_group.windows.last_sample_seconds(numbers),
            sample_rate_hertz=1
            / (model_group.inputs.rates.ratios(numbers) * model_group.manifest.sample_period_seconds),
            discarded=model_group.inputs.discards.counts[numbers],
            corrected_seconds=model_group.windows.alignment.by_channel(numbers),
            clock_offset_seconds=model_group.inputs.clocks.seconds(numbers),
            asks=np.isfinite(model_group.questions.asks_since_seconds[numbers]),
        )

    def corrected_clocks(self, max_series: int) -> Iterator[Series]:
        """By how much clocks of channels are ahead of the others of their stream; those that are right are left out."""
        left = max_series
        for column, seconds in enumerate(self.corrected_seconds.T):
            rows = np.flatnonzero(seconds)[:left]
            left -= len(rows)
            if len(rows):
                streams = [self.streams[row] for row in rows]
                yield Series(streams, seconds[rows], {"model": self.model, "channel": self.channels[column]})

    def asking(self) -> Iterator[Series]:
        """Whose alerts ask; all others are left out."""
        rows = np.flatnonzero(self.asks)
        if len(rows):
            yield Series([self.streams[row] for row in rows], np.ones(len(rows), np.bool_), {"model": self.model})

    def discards_by(self, reasons: frozenset[Reason]) -> Iterator[Series]:
        """What was refused for these reasons; streams of which nothing was are left out."""
        for number, reason in enumerate(REASONS):
            rows = np.flatnonzero(self.discarded[:, number]) if reason in reasons else ()
            if len(rows):
                streams = [self.streams[row] for row in rows]
                yield Series(streams, self.discarded[rows, number], {"model": self.model, "reason": reason.value})

    def described(self) -> Iterator[Series]:
        """What topics say of the streams; which placeholders there are differs between sources."""
        rows_by_keys: dict[tuple[str, ...], list[int]] = {}
        for row, placeholders in enumerate(self.placeholders):
            rows_by_keys.setdefault(tuple(placeholders), []).append(row)
        for keys, rows in rows_by_keys.items():
            texts = {key: [self.placeholders[row][key] for row in rows] for key in keys if key not in _RESERVED}
            streams = [self.streams[row] for row in rows]
            texts = {"name": [self.display_names[row] for row in rows]} | texts
            yield Series(streams, np.ones(len(rows), np.bool_), {"model": self.model, **texts})
