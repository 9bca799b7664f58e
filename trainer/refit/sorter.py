"""The sorter: what all streams of a model give a refit, each read, sorted out and thinned before the next."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from monitor.config.refit import RefitConfig
from monitor.core.artifact.manifest import Manifest
from monitor.core.history.alert_record import AlertRecord
from monitor.core.history.label import Label
from monitor.core.history.stretch import Stretch
from monitor.readers.history import History, StreamSummary
from trainer.refit.anchor import Anchor
from trainer.refit.beyond_anchor import BeyondAnchor, beyond_anchor, budget_per_day
from trainer.refit.day_cap import cap_days
from trainer.refit.movement import Movement, Newest, newest_levels
from trainer.refit.selection import Margins, Said, Selection
from trainer.refit.stream_history import StreamHistory, history_of
from trainer.refit.stream_judge import StreamJudge
from trainer.refit.stream_share import Quota, StreamShare, share_of
from trainer.settings import SplitSettings

# What the windows of one stream may take in memory. Of a stream with more, stretches are left unread, evenly.
MOST_STREAM_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class HistoryShares:
    """What there is for a refit.

    shares: by stream, in order of names. beyond: what the anchor made of each stream. movement: how far streams moved
    from their anchors. pending: streams with data that a person accepted and no anchor holds yet, and since when.
    anchors: what each stream is held to.
    """

    shares: tuple[StreamShare, ...]
    beyond: dict[str, BeyondAnchor]
    movement: Movement
    pending: dict[str, float]
    anchors: dict[str, StreamJudge]
    alerts: tuple[AlertRecord, ...]
    labels: tuple[Label, ...]


@dataclass(frozen=True, slots=True)
class Sorter:
    """How the streams of one model are sorted out: by its manifest, held to its anchor."""

    manifest: Manifest
    anchor: Anchor
    config: RefitConfig
    split: SplitSettings
    since_seconds: float

    def shares(
        self, history: History, model: str, quota: Quota, on_stream: Callable[[str], None] = lambda name: None
    ) -> HistoryShares:
        """Read all streams of a model.

        Raises:
            RecordingError: the history cannot be read.

        """
        alerts, labels = history.alerts(model), history.labels()
        shares: list[StreamShare] = []
        beyond: dict[str, BeyondAnchor] = {}
        pending: dict[str, float] = {}
        anchors: dict[str, StreamJudge] = {}
        newest: dict[str, Newest] = {}
        for number, summary in enumerate(history.streams(model)):
            on_stream(summary.name)
            read = history_of(summary.name, number, self._stretches(history, model, summary), self.manifest)
            if read is None:
                continue
            said = self._said(summary.name, alerts, labels)
            if said.pending_since_seconds is not None:
                pending[summary.name] = said.pending_since_seconds
            anchors |= self.anchor.judges([read.cut])
            selection, held = self.sort(read, said, anchors[read.name])
            if held is not None:
                beyond[summary.name] = held
            lies = newest_levels(read.cut.rows(selection.taken))
            if lies is not None:
                newest[read.name] = lies
            shares.append(share_of(read, selection, self.split, quota, self.gap_seconds, self.since_seconds))
        moved = self.anchor.moved(newest, self.config.bounds)
        shares = [
            share.without_any("moved") if share.name in moved.beyond - pending.keys() else share for share in shares
        ]
        return HistoryShares(tuple(shares), beyond, moved, pending, anchors, tuple(alerts), tuple(labels))

    def sort(self, read: StreamHistory, said: Said, anchor: StreamJudge) -> tuple[Selection, BeyondAnchor | None]:
        """Sort out the windows of one stream, which is held to its `anchor`.

        Returns what the anchor made of it, too; None: it was not asked.
        """
        selection = Selection(read.name, read.spans)
        margins = Margins(self.config.margin_before_seconds, self.config.margin_after_seconds)
        selection.judge(said, read.withheld != "", read.unlike, margins)
        held = _hold_to_anchor(read, selection, said, margins, anchor)
        cap_days(selection)
        return selection, held

    @property
    def gap_seconds(self) -> float:
        """Between parts: a window may begin with values held over from before it; half a sample absorbs rounding."""
        return (self.manifest.window.max_gap_samples + 0.5) * self.manifest.sample_period_seconds

    def _said(self, stream: str, alerts: list[AlertRecord], labels: list[Label]) -> Said:
        own = self.anchor.of_streams.get(stream)
        return Said(
            [alert for alert in alerts if alert.stream == stream],
            [label for label in labels if label.stream == stream],
            None if own is None else own.since_seconds,
        )

    def _stretches(self, history: History, model: str, summary: StreamSummary) -> Iterator[Stretch]:
        window, period = self.manifest.window, self.manifest.sample_period_seconds
        windows = summary.seconds / (window.stride * period)
        nbytes = windows * len(self.manifest.channels) * window.length * np.dtype(np.float32).itemsize
        every = max(1, math.ceil(nbytes / MOST_STREAM_BYTES))
        return islice(history.stretches(model, summary.name), 0, None, every)


def _hold_to_anchor(
    read: StreamHistory, selection: Selection, said: Said, margins: Margins, judge: StreamJudge
) -> BeyondAnchor | None:
    per_day = budget_per_day(judge.manifest)
    if per_day is None or said.pending_since_seconds is not None or not selection.taken.any():
        return None
    called_normal = selection.brought_back | selection.accepted_of(said)
    scores = judge.scores(read.cut)
    score = np.where(selection.taken & ~called_normal, scores.error, np.float32(np.nan))
    held = beyond_anchor(
        replace(scores, error=score), per_day, judge.rule, margins.before_seconds, margins.after_seconds
    )
    selection.leave_out(held.holds(read.spans.end_seconds) & ~called_normal, "beyond_anchor")
    return held
