"""What the history does with scored windows: which samples it keeps, and which scores.

All of this runs in the thread of the history and knows no clock of its own. Which slots are kept is decided here:

* all that an alert which fired covers, with a margin before and after, up to a bound for each alert;
* of a slot whose priority is not above what its stratum was cut down to, nothing: it would be the next to be deleted;
* of the rest, as much as may be written, the highest priorities first.
"""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.core.alerting.decision_rule import Verdict
from monitor.core.artifact.manifest import Manifest
from monitor.core.history.layout import Layout
from monitor.core.history.model_history import ModelHistory, Piece
from monitor.core.history.score_line import ScoreLine
from monitor.core.history.shares import Shares, StreamKey
from monitor.core.history.strata import stratum_of
from monitor.core.history.write_budget import WriteBudget
from monitor.core.streams.model_group import ModelGroup
from monitor.durability.history_alerts import HistoryAlerts
from monitor.durability.history_queue import OfferedBatch, joined_batches

_LINE_SECONDS = 300.0  # how long windows may gather before their line is written
_LINE_WINDOWS = 200_000  # and how many
_LINE_BYTES = 6.0  # that one window takes, about
_LINE_SHARE = 0.5  # of what may be written
_HELD_BYTES = 16 * 2**20  # of samples, for all models, until their slot is over
_ALERT_BYTES = 4 * 2**20  # of samples, for each alert
_IDLE_SECONDS = 120.0  # after so long without a window a slot is over, and after two slots
_BAR_STEP = 0.25
_MOST_OVER = 10.0  # at once: a turn may have been dear for once
_SAMPLE_BYTES = 4


class Chosen(NamedTuple):
    """A slot that is to be written, and the stratum that it is a sample of."""

    history: ModelHistory
    piece: Piece
    stratum: str


class ReadyLine(NamedTuple):
    """Part of a stream's score line that is to be written."""

    model: str
    stream: str
    line: ScoreLine


class HistorySampler:
    """Decides what is written. shares_of: who takes up how much. sha256_of: of a model's version.

    chosen, lines, exempt: what is to be written, and the times of streams that are to be exempt from ageing; who writes
    takes them. thinned: windows that are in no score line.
    """

    def __init__(
        self,
        shares_of: Callable[[], Shares],
        max_bytes_per_second: float,
        sha256_of: Callable[[str, str], str],
        now_monotonic: float,
    ) -> None:
        self.thinned = 0
        self.alerts = HistoryAlerts()
        self.chosen: list[Chosen] = []
        self.chosen_bytes = 0
        self.lines: list[ReadyLine] = []
        self.exempt: list[tuple[StreamKey, float, float]] = []
        self._shares_of = shares_of
        self._sha256_of = sha256_of
        self._budget = WriteBudget(max_bytes_per_second, now_monotonic)
        self._models: dict[str, tuple[Manifest, ModelHistory]] = {}
        self._line_since = now_monotonic

    @property
    def layouts(self) -> list[Layout]:
        """The layouts of the models that windows came of."""
        return [history.layout for _, history in self._models.values()]

    def begin(self, model_groups: Mapping[str, ModelGroup]) -> None:
        """Go on with the alerts that are open."""
        for name, model_group in model_groups.items():
            self.alerts.begin(name, model_group.alerts.open_steps())

    # --- what comes

    def take(self, batches: list[OfferedBatch], alert_steps: list[bytes], now_monotonic: float) -> None:
        """Note what windows came to, and hold or decide upon their samples. alert_steps: payloads, as published."""
        self._budget.refill(now_monotonic)
        by_artifact: dict[tuple[str, int], list[OfferedBatch]] = {}
        for batch in batches:
            by_artifact.setdefault((batch.model, id(batch.manifest)), []).append(batch)
            if batch.model not in self._models:
                self._history_of(batch)
        self._follow(alert_steps)
        pieces: list[tuple[ModelHistory, Piece]] = []
        for of_artifact in by_artifact.values():
            history = self._history_of(of_artifact[0])
            pieces += [(history, piece) for piece in self._take_all(history, of_artifact, now_monotonic)]
        for history, piece in sorted(pieces, key=lambda pair: -pair[1].priority):
            self._decide(history, piece)
        while self.held_bytes > _HELD_BYTES:
            self.hold_less()

    def _history_of(self, batch: OfferedBatch) -> ModelHistory:
        """The history of a batch's model. Where another artifact is in use than before, all slots are over."""
        manifest, name = batch.manifest, batch.model
        known = self._models.get(name)
        if known is not None:
            if known[0] is manifest:
                return known[1]
            self._gather_lines(name)
            for piece in list(known[1].finish()):
                self._decide(known[1], piece)
        layout = Layout(
            *(name, manifest.version, manifest.measured_names, manifest.sample_period_seconds),
            *(manifest.window.length, self._sha256_of(name, manifest.version)),
        )
        history = ModelHistory(layout, manifest.window.stride)
        self._models[name] = manifest, history
        for (model, stream), alert in self.alerts.open.items():
            if model == name and alert.record.fired:
                history.watch(stream, alert.record.from_seconds)
        return history

    def _take_all(self, history: ModelHistory, batches: list[OfferedBatch], now_monotonic: float) -> list[Piece]:
        measured = len(history.layout.channels)
        pieces: list[Piece] = []
        for batch in joined_batches(batches):
            numbers = history.numbers_of(batch.stream, batch.names)
            history.lines.add(numbers, batch.line)
            self._note_peaks(history, numbers, batch.line)
            if batch.values is None or batch.channel_error is None:
                continue
            chosen = np.flatnonzero(history.wanted(numbers, batch.line.ends_seconds))
            if not len(chosen):
                continue
            some = batch.line.select(chosen)
            values = batch.values[chosen, :measured]
            masked = np.isnan(batch.channel_error[chosen, :measured]) & (some.verdict != Verdict.WITHHELD)[:, None]
            if masked.any():
                values[masked] = np.nan  # what stands there was put there to judge by the other channels
            pieces += history.take(numbers[chosen], some, values, now_monotonic)
        return pieces

    def _note_peaks(self, history: ModelHistory, numbers: NDArray[np.int64], line: ScoreLine) -> None:
        for model, stream in list(self.alerts.open):
            if model == history.layout.model and stream in history.number:
                mine = line.score[numbers == history.number[stream]]
                if len(mine) and not np.isnan(mine).all():
                    self.alerts.note_score(model, stream, float(np.nanmax(mine)))

    def _follow(self, alert_steps: list[bytes]) -> None:
        """Follow steps of alerts, and keep what lies around those that fire."""
        for payload in alert_steps:
            noted = self.alerts.note(payload)
            if noted is None:
                continue
            record, at_seconds = noted
            known = self._models.get(record.model)
            if known is None or not record.fired:
                continue
            _, history = known
            if record.end_reason is None:
                piece = history.watch(record.stream, record.from_seconds)
                if piece is not None:
                    self._decide(history, piece)
            else:
                history.unwatch(record.stream, at_seconds)
            key = StreamKey(record.model, record.stream)
            since = record.from_seconds - history.slots.margin_seconds
            self.exempt.append((key, since, at_seconds + history.slots.margin_seconds))

    def _decide(self, history: ModelHistory, piece: Piece) -> None:
        layout, score = history.layout, piece.rows.line.score
        highest = math.nan if np.isnan(score).all() else float(np.nanmax(score))
        stratum = stratum_of(float(piece.rows.line.ends_seconds[-1]), highest)
        key = StreamKey(layout.model, piece.stream)
        if not piece.alert:
            bar = self._shares_of().bar(key, stratum)
            if piece.priority <= bar or self._budget.left <= 0:
                return
        nbytes = _new_bytes(piece, layout)
        self._budget.spend(nbytes)
        self.chosen.append(Chosen(history, piece, stratum))
        self.chosen_bytes += nbytes
        history.kept(piece)
        open_alert = self.alerts.open.get(key)
        if piece.alert and open_alert is not None:
            open_alert.sample_bytes += nbytes
            if open_alert.sample_bytes > _ALERT_BYTES:  # what it looks like is known by now
                last = float(piece.rows.line.ends_seconds[-1])
                history.unwatch(piece.stream, last - history.slots.margin_seconds)

    # --- what is held

    @property
    def held_bytes(self) -> int:
        """Bytes of samples that are held."""
        return sum(history.nbytes for _, history in self._models.values())

    def hold_less(self, over: float = 1 + _BAR_STEP) -> None:
        """Hold the samples of fewer slots: those of the lowest priorities are left out.

        over: how many times too many there are.
        """
        for _, history in self._models.values():
            if history.bar > 1 - 1e-6:  # alerts alone take up all that there is
                for piece in history.finish():
                    self._decide(history, piece)
            history.raise_bar(1 - (1 - history.bar) / min(over, _MOST_OVER))

    def hold_more(self) -> None:
        """Hold the samples of more slots, where there is memory for it."""
        if self.held_bytes < _HELD_BYTES // 2:
            for _, history in self._models.values():
                history.bar = max(0.0, 1 - (1 - history.bar) * (1 + _BAR_STEP))

    def look_after(self, now_monotonic: float) -> None:
        """End slots of streams of which nothing comes; once a minute or so."""
        for _, history in self._models.values():
            idle = now_monotonic - max(2 * history.slots.seconds, _IDLE_SECONDS)
            for piece in list(history.finish(idle)):
                self._decide(history, piece)
        for _, history in self._models.values():
            if history.lines.windows == 0:  # its numbers stand for names
                history.forget_idle()

    def streams(self) -> set[str]:
        """The names of all streams of which anything is held."""
        held = {name for _, history in self._models.values() for name in history.names}
        return held | {each.stream for each in self.lines} | {each.piece.stream for each in self.chosen}

    def drop(self, stream: str) -> None:
        """Let go of all of a stream that is not written yet."""
        for name, (_, history) in self._models.items():
            self._gather_lines(name)
            history.drop(stream)
        self.lines = [each for each in self.lines if each.stream != stream]
        self.chosen = [each for each in self.chosen if each.piece.stream != stream]
        self.exempt = [each for each in self.exempt if each[0].stream != stream]
        self.alerts.drop(stream)

    def lose(self) -> None:
        """Let go of everything that waits: the disk takes nothing."""
        for _, history in self._models.values():
            for _ in history.finish():
                pass
            _, left_out = history.lines.take(0)
            self.thinned += left_out + sum(len(each.line) for each in self.lines)
        self.chosen, self.chosen_bytes, self.lines, self.exempt = [], 0, [], []

    def end_all(self, now_monotonic: float) -> None:
        """End every slot, and make every line ready: nothing comes any more."""
        for _, history in self._models.values():
            for piece in list(history.finish()):
                self._decide(history, piece)
        self.gather_lines(now_monotonic)

    # --- lines

    def lines_are_due(self, now_monotonic: float) -> bool:
        """Whether lines have gathered for so long, or so much, that they should be written."""
        windows = sum(history.lines.windows for _, history in self._models.values())
        return windows > _LINE_WINDOWS or (windows > 0 and now_monotonic - self._line_since > _LINE_SECONDS)

    def gather_lines(self, now_monotonic: float) -> None:
        """Make all lines ready to be written."""
        self._line_since = now_monotonic
        for name in self._models:
            self._gather_lines(name)

    def _gather_lines(self, model: str) -> None:
        """Make what waits of a model's streams ready to be written."""
        _, history = self._models[model]
        most = max(int(self._budget.left * _LINE_SHARE / _LINE_BYTES), 1)
        lines, left_out = history.lines.take(most)
        self.thinned += left_out
        self.lines += [ReadyLine(model, history.names[number], line) for number, line in lines]
        self._budget.spend(_LINE_BYTES * sum(len(line) for _, line in lines))


def _new_bytes(piece: Piece, layout: Layout) -> int:
    """How many bytes the samples of a piece take, those counted once that its windows share; at most."""
    ends = piece.rows.line.ends_seconds
    samples = float(ends[-1] - ends[0]) / layout.sample_period_seconds + layout.window_length
    return int(min(samples * len(layout.channels) * _SAMPLE_BYTES, piece.rows.nbytes))
