"""The gate: whether a refit may come into use without a person.

It is compared with the model in use (the champion) and with the anchor, on normal windows that were held out from it,
on what people confirmed as faults, and on injected faults. All checks must hold; what cannot be told does not.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from monitor.core.artifact.data_levels import DataLevels
from monitor.core.artifact.proposal import Check
from monitor.core.history.label import Label
from monitor.core.values.instant import written
from trainer.artifact.export import Artifact
from trainer.calibration.alerts_at_threshold import ErrorSeries, fired_alerts
from trainer.data.cutting import FileWindows
from trainer.refit import checks
from trainer.refit.anchor import Anchor, levels_in
from trainer.refit.anchor_data import PREFIX
from trainer.refit.beyond_anchor import events_of
from trainer.refit.injection import Recall, recall_of
from trainer.refit.movement import LEAST_WINDOWS, Movement
from trainer.refit.stream_judge import StreamJudge


@dataclass(frozen=True, slots=True)
class ConfirmedFault:
    """An interval that a person confirmed as a fault, and the windows of its stream then; None where there are none.

    The windows begin a little earlier, so that a rule that looks back has something to look at.
    """

    label: Label
    windows: FileWindows | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate found.

    movement: how far streams moved from their anchors. unseen: streams that no anchor has seen; once the refit is
    promoted, it is their anchor.
    """

    checks: tuple[Check, ...]
    movement: Movement
    unseen: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether the refit may come into use without a person."""
        return all(check.holds for check in self.checks)


def judge(
    candidate: Artifact,
    champion: Artifact,
    anchor: Anchor,
    anchors: Mapping[str, StreamJudge],
    held_out: Sequence[FileWindows],
    confirmed: Sequence[ConfirmedFault],
    movement: Movement,
    accepted: Collection[str] = (),
) -> Verdict:
    """Check a refit.

    anchors: `anchor.judges` of the history of each stream. held_out: of each stream, the newest windows that are taken
    for normal; no model was trained on them. movement: how far all streams moved from their anchors, also those that
    give the refit nothing, since what most of them do together is told by all. accepted: streams that a person accepted
    as they are now; the refit is about to be their anchor, so nothing holds them to the one of before.
    """
    trial = _Trial(candidate, champion, anchor, anchors, held_out, accepted)
    held = {piece.file.content.name for piece in trial.pieces}.difference(accepted)
    moved = movement.of(held)
    seen = levels_in(anchor.artifact.manifest).keys() | anchor.of_streams.keys()
    recalls = trial.recalls()
    counted = [trial.counted(piece) for piece in trial.pieces]
    found = (
        checks.false_alarms(candidate.manifest, champion.manifest, counted),
        checks.false_alarms_by_stream(candidate.manifest, counted),
        checks.confirmed([trial.outcome(fault) for fault in confirmed]),
        checks.recall(*recalls, ramps=False),
        checks.recall(*recalls, ramps=True),
        checks.moved(moved, len(seen), all_accepted=bool(trial.pieces) and not held),
        checks.moved_together(moved),
        *trial.thresholds(),
    )
    unseen = (piece.file.content.name for piece in trial.pieces)
    return Verdict(found, movement, tuple(stream for stream in unseen if stream not in seen))


class _Trial:
    """The models side by side. pieces: what was held out of each stream; own: of the anchor's data."""

    def __init__(
        self,
        candidate: Artifact,
        champion: Artifact,
        anchor: Anchor,
        anchors: Mapping[str, StreamJudge],
        held_out: Sequence[FileWindows],
        accepted: Collection[str],
    ) -> None:
        self._candidate, self._champion, self._anchor, self._anchors = candidate, champion, anchor, anchors
        self.pieces = [piece for piece in held_out if len(piece)]
        self._reanchored = {*accepted, *anchor.of_streams}
        self.own = anchor.held_out()
        self._own_judges = anchor.judges(self.own)

    def counted(self, piece: FileWindows) -> checks.Counted:
        """The false alarms of candidate and champion on what was held out of a stream."""
        both = [self._as(artifact, piece.file.content.name) for artifact in (self._candidate, self._champion)]
        scores = [judge.scores(piece) for judge in both]
        events = [
            sum(events_of(alert, one) for alert in fired_alerts([one], np.ones(1), judge.rule))
            for one, judge in zip(scores, both, strict=True)
        ]
        return checks.Counted(scores[0].name, scores[0].seconds, *events)

    def outcome(self, fault: ConfirmedFault) -> checks.ConfirmedOutcome:
        """Whether candidate and champion raise an alert in an interval that was confirmed."""
        stream = fault.label.stream
        candidate, champion = (
            _raises(self._as(artifact, stream), fault) for artifact in (self._candidate, self._champion)
        )
        return checks.ConfirmedOutcome(f"{stream} from {written(fault.label.from_seconds)}", candidate, champion)

    def recalls(self) -> tuple[Recall, Recall]:
        """Recall of candidate and anchor, each on windows that are normal for it."""
        deviation = self._deviations()
        streams = [piece.file.content.name for piece in self.pieces]
        candidate = {stream: self._as(self._candidate, stream) for stream in streams}
        # without data of its own the anchor is asked about the candidate's windows: those are normal for it, too
        judges, pieces = (self._own_judges, self.own) if self.own else (self._anchors, self.pieces)
        return recall_of(candidate, self.pieces, deviation), recall_of(judges, pieces, deviation)

    def thresholds(self) -> tuple[Check, ...]:
        """Each model's scores on what was normal for the other; nothing where the anchor kept no data."""
        if not self.own:
            return ()
        at_home = _finite([self._as(self._candidate, piece.file.content.name).scores(piece) for piece in self.pieces])
        # under names that the candidate brings no numbers of: only its threshold is looked at
        learnt = {PREFIX + stream: each for stream, each in self._anchor.learnt().items()}
        as_it_was = StreamJudge(self._candidate, learnt)
        on_anchor = _finite([as_it_was.scores(_renamed(piece)) for piece in self.own])
        return checks.threshold(at_home, on_anchor), checks.anchor_scores(self._medians())

    def _medians(self) -> dict[str, tuple[float, float]]:
        """The anchor's median score of each stream's own and recent normal windows."""
        own = {piece.file.content.name: piece for piece in self.own}
        medians = {}
        for piece in self.pieces:
            stream = piece.file.content.name
            if stream in own and stream not in self._reanchored:
                was = _finite([self._own_judges[stream].scores(own[stream])])
                now = _finite([self._anchors[stream].scores(piece)])
                if min(len(was), len(now)) >= LEAST_WINDOWS:
                    medians[stream] = (float(np.median(was)), float(np.median(now)))
        return medians

    def _as(self, artifact: Artifact, stream: str) -> StreamJudge:
        """A model as it judges a stream: by its own numbers of it, or by what the stream has learnt."""
        anchored = self._anchors.get(stream)
        return StreamJudge(artifact, {} if anchored is None else anchored.normals)

    def _deviations(self) -> Mapping[str, NDArray[np.float64]]:
        """What the channels of each stream vary by, in the units of the sensors: when it was anchored, or as most."""
        levels = levels_in(self._anchor.artifact.manifest)
        known = levels or {piece.file.content.name: DataLevels.of(piece.batch.values) for piece in self.pieces}
        scales = {stream: np.array(each.scale) for stream, each in known.items()}
        typical = np.median(list(scales.values()), axis=0) if scales else np.zeros(0)
        streams = [piece.file.content.name for piece in (*self.pieces, *self.own)]
        return {stream: scales.get(stream, typical) for stream in streams}


def _raises(judge: StreamJudge, fault: ConfirmedFault) -> bool | None:
    """Whether a model raises an alert during an interval; None where it judges none of its windows."""
    windows, label = fault.windows, fault.label
    if windows is None or not len(windows):
        return None
    scores = judge.scores(windows)
    inside = (scores.end_seconds >= label.from_seconds) & (windows.start_seconds <= label.to_seconds)
    if not np.isfinite(scores.error[inside]).any():
        return None
    alerts = fired_alerts([scores], np.ones(1), judge.rule)
    return any(bool(inside[alert.first : alert.last + 1].any()) for alert in alerts)


def _renamed(piece: FileWindows) -> FileWindows:
    content = replace(piece.file.content, name=PREFIX + piece.file.content.name)
    return replace(piece, file=replace(piece.file, content=content))


def _finite(several: Sequence[ErrorSeries]) -> NDArray[np.float64]:
    """The scores of windows that were judged: float64 [N]."""
    every = np.concatenate([scores.error for scores in several]) if several else np.zeros(0)
    return np.asarray(every[np.isfinite(every)], np.float64)
