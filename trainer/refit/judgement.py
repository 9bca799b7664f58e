"""A refit before the gate: held-out scores of both models, faults that people confirmed, and what the gate found."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.config.refit import RefitConfig
from monitor.core.artifact.proposal import Proposal
from monitor.core.history.label import Label
from monitor.readers.history import History
from trainer.artifact.export import Artifact
from trainer.data.cutting import FileWindows
from trainer.data.split import Part
from trainer.refit.alert_replay import AlertReplay, replay_alerts
from trainer.refit.gate import ConfirmedFault, Verdict, judge
from trainer.refit.refit import Refitted, Subject
from trainer.refit.stream_history import history_of
from trainer.refit.stream_judge import StreamJudge

# Around an interval that was confirmed as a fault: a rule looks back, and an alert may come late.
_BEFORE_SECONDS, _AFTER_SECONDS = 86_400.0, 21_600.0
_LONGEST_FAULT_SECONDS = 14 * 86_400.0  # of a fault that goes on for longer its beginning is enough


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of a refit.

    scores_before, scores: float64 [N], of the windows that calibrated the refit, by the model in use and by the refit;
    those that either cannot judge are left out. replay: what past alerts would have been; None where nothing was
    unlearnt.
    """

    refitted: Refitted
    verdict: Verdict
    scores_before: NDArray[np.float64]
    scores: NDArray[np.float64]
    replay: AlertReplay | None

    def proposal(self, subject: Subject, sha256: str) -> Proposal:
        """What stands beside the candidate. sha256: of its file, in hex."""
        taken = {share.name: share.taken for share in self.refitted.shares.shares}
        unseen = {stream: taken[stream][0].from_seconds for stream in self.verdict.unseen if taken.get(stream)}
        manifest = self.refitted.fitted.manifest
        pending = {stream: since for stream, since in self.refitted.shares.pending.items() if taken.get(stream)}
        return Proposal(
            version=manifest.version,
            sha256=sha256,
            at=manifest.provenance.created,  # type: ignore[arg-type] # pydantic parses ISO 8601
            parent=subject.champion.manifest.version,
            by="refit",
            checks=self.verdict.checks,
            accepted=unseen | pending,
        )


def judge_refit(subject: Subject, refitted: Refitted, history: History, config: RefitConfig) -> Judgement:
    """Hold a refit to the model in use and to its anchor.

    Raises:
        RecordingError: the history cannot be read.

    """
    candidate = Artifact(refitted.fitted.manifest, refitted.fitted.scorer)
    shares = refitted.shares
    held_out = [share.windows.rows(share.part == Part.CALIBRATION) for share in shares.shares]
    confirmed = [_fault(subject, history, label) for label in shares.labels if label.kind == "confirmed"]
    verdict = judge(
        candidate,
        subject.champion,
        refitted.anchor,
        shares.anchors,
        held_out,
        confirmed,
        shares.movement,
        shares.pending,
    )
    normals = {name: judged.normals for name, judged in shares.anchors.items()}
    before, after = (
        np.concatenate(
            [StreamJudge(artifact, normals.get(piece.file.name, {})).scores(piece).error for piece in held_out]
        )
        for artifact in (subject.champion, candidate)
    )
    both = np.isfinite(before) & np.isfinite(after)
    replay = replay_alerts(history, subject.name, subject.champion, candidate) if refitted.unlearnt else None
    return Judgement(refitted, verdict, before[both].astype(np.float64), after[both].astype(np.float64), replay)


def _fault(subject: Subject, history: History, label: Label) -> ConfirmedFault:
    until = min(label.to_seconds, label.from_seconds + _LONGEST_FAULT_SECONDS) + _AFTER_SECONDS
    stretches = history.stretches(subject.name, label.stream, label.from_seconds - _BEFORE_SECONDS, until)
    read = history_of(label.stream, 0, stretches, subject.champion.manifest)
    return ConfirmedFault(
        label, None if read is None else _within(read.cut, label.from_seconds - _BEFORE_SECONDS, until)
    )


def _within(cut: FileWindows, from_seconds: float, to_seconds: float) -> FileWindows:
    ends = cut.batch.end_seconds
    return cut.rows((ends >= from_seconds) & (ends <= to_seconds))
