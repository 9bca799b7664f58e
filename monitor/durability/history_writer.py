"""The history writer: what was decided upon, into the file, in one transaction at a time."""

from monitor.adapters.storage.history_store import HistoryStore
from monitor.core.history.stretch import Kept, Stretch
from monitor.core.history.window_rows import consecutive
from monitor.durability.history_sampler import Chosen, HistorySampler

_MOST_BYTES = 2**20  # of samples that may wait


class HistoryWriter:
    """Writes what a sampler chose. whole_below_bytes_per_second: below which a stream counts as kept whole."""

    def __init__(self, store: HistoryStore, sampler: HistorySampler, whole_below_bytes_per_second: float) -> None:
        self._store = store
        self._sampler = sampler
        self._whole_below_bytes_per_second = whole_below_bytes_per_second

    def is_due(self, now_monotonic: float) -> bool:
        """Whether so much waits that it should be written."""
        return self._sampler.chosen_bytes > _MOST_BYTES or self._sampler.lines_are_due(now_monotonic)

    @property
    def waits(self) -> bool:
        """Whether anything waits to be written."""
        sampler = self._sampler
        return bool(sampler.chosen or sampler.lines or sampler.exempt or sampler.alerts.changed)

    def write(self, now_monotonic: float, *, everything: bool = False) -> None:
        """Write what was decided, and the lines where they are due. everything: at the end.

        Raises:
            StoreError: it cannot be written. What was to be written is lost.

        """
        sampler, store = self._sampler, self._store
        if everything:
            sampler.end_all(now_monotonic)
        elif sampler.lines_are_due(now_monotonic):
            sampler.gather_lines(now_monotonic)
        chosen, sampler.chosen, sampler.chosen_bytes = sampler.chosen, [], 0
        lines, sampler.lines = sampler.lines, []
        exempt, sampler.exempt = sampler.exempt, []
        changed, sampler.alerts.changed = sampler.alerts.changed, {}
        for layout in {*sampler.layouts, *(each.history.layout for each in chosen)}:
            store.put_layout(layout)
        for each in chosen:
            self._put(each)
        for model, stream, line in lines:
            store.put_line(model, stream, line)
        for key, since, until in exempt:
            store.exempt(key, since, until)
        for record in changed.values():
            store.put_alert(record)
        store.flush()

    def _put(self, chosen: Chosen) -> None:
        history, piece, stratum = chosen
        layout = history.layout
        kept: Kept = "sample"
        if piece.alert:
            kept = "alert"
        elif history.slots.bytes_per_second <= self._whole_below_bytes_per_second:
            kept = "whole"
        for found in consecutive(piece.rows, layout.sample_period_seconds, piece.after_seconds):
            stretch = Stretch(
                layout.model,
                piece.stream,
                layout.version,
                layout.channels,
                layout.sample_period_seconds,
                found.start_seconds,
                found.values,
                found.line.ends_seconds,
                found.line.score,
                found.line.verdict,
                found.line.quality,
                kept,
            )
            self._store.put_stretch(stretch, stratum, piece.priority)
