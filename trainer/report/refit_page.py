"""The report of a refit: what is new beside what is in use, what was learnt, what was left out and why."""

from collections.abc import Sequence
from dataclasses import replace

from monitor.core.artifact.calibration import DAY_SECONDS
from monitor.core.artifact.manifest import Manifest
from monitor.core.artifact.proposal import Check, Proposal
from monitor.core.history.label import MEANINGS, Label
from monitor.core.values.duration import in_words
from monitor.core.values.instant import written
from trainer.artifact.export import Artifact
from trainer.refit.alert_replay import AlertReplay
from trainer.refit.judgement import Judgement
from trainer.refit.movement import Movement
from trainer.refit.selection import REASONS, Exclusion
from trainer.refit.stream_share import Example, StreamShare
from trainer.report import refit_plots
from trainer.report.page import STYLE, how_it_was_made, summary
from trainer.report.page_parts import Html, facts, heading, paragraph, picture, table, text

MOST_ROWS = 200  # of a table
_EXAMPLES = 8

# What each reason means to who reads the report.
MEANING = {
    "bad": "a person says that these data are worth nothing",
    "maintenance": "somebody worked on the machine",
    "confirmed": "a person says that this was a fault",
    "before_accept": "before a person accepted a lasting change",
    "quality": "the daemon did not trust the windows, or they are unlike the training data",
    "alert": "an alert fired, with a margin before and after",
    "moved": "the stream moved further from its anchor than is learnt unasked",
    "beyond_anchor": "the anchor calls it anomalous, more often than its budget lets it",
    "day_cap": "its day would weigh more than others",
    "thinned": "normal, but more than a refit learns from",
    "split_gap": "between the parts that train, validate and calibrate",
}


def render_refit_report(judgement: Judgement, champion: Artifact, proposal: Proposal) -> str:
    """Render the report of a refit of `champion`: one page that needs nothing beside it."""
    refitted, manifest = judgement.refitted, judgement.refitted.fitted.manifest
    shares, name = refitted.shares, text(manifest.model)
    notes = (*refitted.notes, *refitted.fitted.notes)
    body = [
        heading(Html(f"{name} <small>{text(manifest.version)}</small>"), level=1),
        _outcome(proposal),
        *(paragraph(note, kind="warning") for note in notes),
        _checks(proposal.checks),
        heading("Old against new"),
        table(("", champion.manifest.version, manifest.version), _side_by_side(champion.manifest, manifest)),
        paragraph("The windows that set the new threshold, under both models; neither was trained on them."),
        picture(
            refit_plots.score_distributions(
                judgement.scores_before, judgement.scores, (champion.manifest.version, manifest.version)
            ),
            "Distribution of scores under both models",
        ),
        heading("What was learnt, and what was left out"),
        _timeline(judgement),
        table(("reason", "windows", "what it means"), _reasons(shares.shares)),
        _exclusions(shares.shares),
        _labels(shares.labels),
        _examples(shares.shares, manifest),
        _moved(judgement.verdict.movement),
        *([] if judgement.replay is None else [_unlearnt(refitted.unlearnt, judgement.replay)]),
        heading("The model"),
        facts(summary(manifest)),
        heading("Settings"),
        facts(how_it_was_made(manifest)),
    ]
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            f"<title>{name} {text(manifest.version)}</title><style>{STYLE}</style></head><body>",
            *(part for part in body if part),
            "</body></html>\n",
        ]
    )


def _outcome(proposal: Proposal) -> str:
    if proposal.promotable:
        return paragraph(
            f"A refit of {proposal.parent}. Everything that was checked holds: it may come into use by itself."
        )
    reasons = "; ".join(check.text for check in proposal.failed) or "nothing was checked"
    return paragraph(f"A refit of {proposal.parent}. It waits for a person: {reasons}.", kind="warning")


def _checks(checks: Sequence[Check]) -> str:
    rows = [
        (
            check.name.replace("_", " "),
            "holds" if check.holds else "fails",
            _number(check.found),
            _number(check.bound),
            check.text,
        )
        for check in checks
    ]
    return heading("Checks") + table(("check", "", "found", "bound", "in words"), rows)


def _side_by_side(old: Manifest, new: Manifest) -> list[tuple[str, str, str]]:
    def both(label: str, of: list[str]) -> tuple[str, str, str]:
        return label, of[0], of[1]

    pair = (old, new)
    false_alarms = [manifest.calibration.false_alarms for manifest in pair]
    return [
        both("threshold", [f"{manifest.threshold:.4g}" for manifest in pair]),
        both("held to a multiple of it", [_held_to_more(manifest) for manifest in pair]),
        both("windows that trained", [str(manifest.provenance.train_windows) for manifest in pair]),
        both("windows that calibrated", [str(manifest.provenance.calibration_windows) for manifest in pair]),
        both("false alarms asked for", ["-" if each is None else each.asked for each in false_alarms]),
        both(
            "one expected every",
            ["-" if each is None else in_words(DAY_SECONDS / each.expected_per_day) for each in false_alarms],
        ),
        both(
            "normal data it rests on", ["-" if each is None else in_words(each.normal_seconds) for each in false_alarms]
        ),
    ]


def _held_to_more(manifest: Manifest) -> str:
    """The streams that vary more than most, the most restless first."""
    factors = sorted(manifest.calibration.stream_factors.items(), key=lambda item: -item[1])
    listed = ", ".join(f"{name} x {factor:.2g}" for name, factor in factors[:8])
    return listed + (f" and {len(factors) - 8} more" if len(factors) > 8 else "") or "none"


def _timeline(judgement: Judgement) -> str:
    shares = judgement.refitted.shares
    order = sorted(shares.shares, key=lambda share: (-_left_out(share), share.name))
    figure = refit_plots.timeline(order, shares.alerts, shares.labels)
    note = "Triangles are alerts that fired, strokes are labels."
    if len(order) > refit_plots.MOST_STREAMS:
        note += f" Of {len(order)} streams, the {refit_plots.MOST_STREAMS} of which most was left out."
    return paragraph(note) + picture(figure, "What was taken and left out of each stream over time")


def _left_out(share: StreamShare) -> int:
    return sum(count for reason, count in share.left_out.items() if reason in REASONS)


def _reasons(shares: Sequence[StreamShare]) -> list[tuple[str, int, str]]:
    counts = refit_plots.counts_by_reason(shares)
    taken = sum(len(share.part) for share in shares)
    rows = [("taken", taken, "what trains, validates and calibrates")]
    return rows + [
        (reason.replace("_", " "), counts[reason], meaning) for reason, meaning in MEANING.items() if reason in counts
    ]


def _exclusions(shares: Sequence[StreamShare]) -> str:
    every = [piece for share in shares for piece in share.excluded if piece.reason not in {"quality", "day_cap"}]
    merged = _merged(every)
    if not merged:
        return ""
    shown = sorted(merged, key=lambda piece: -piece.windows)[:MOST_ROWS]
    rows = [
        (
            piece.stream,
            written(piece.from_seconds),
            written(piece.to_seconds),
            piece.reason.replace("_", " "),
            piece.windows,
        )
        for piece in sorted(shown, key=lambda piece: (piece.stream, piece.from_seconds))
    ]
    more = "" if len(merged) <= MOST_ROWS else paragraph(f"Of {len(merged)} intervals, the {MOST_ROWS} longest.")
    return heading("Intervals left out") + more + table(("stream", "from", "to", "reason", "windows"), rows)


def _merged(pieces: Sequence[Exclusion]) -> list[Exclusion]:
    """Neighbours of one stream and reason as one: what the history keeps of an interval may be many stretches."""
    merged: list[Exclusion] = []
    for piece in sorted(pieces, key=lambda piece: (piece.stream, piece.reason, piece.from_seconds)):
        last = merged[-1] if merged else None
        alike = last is not None and (last.stream, last.reason) == (piece.stream, piece.reason)
        if last is not None and alike and piece.from_seconds - last.to_seconds < DAY_SECONDS / 4:
            windows = last.windows + piece.windows
            merged[-1] = replace(last, to_seconds=piece.to_seconds, windows=windows)
        else:
            merged.append(piece)
    return merged


def _labels(labels: Sequence[Label]) -> str:
    if not labels:
        return ""
    rows = [
        (
            label.stream,
            written(label.from_seconds),
            written(label.to_seconds),
            label.kind.replace("_", " "),
            label.who,
            written(label.at_seconds),
            label.note or MEANINGS[label.kind],
        )
        for label in labels[-MOST_ROWS:]
    ]
    return heading("What people said") + table(("stream", "from", "to", "kind", "who", "said at", "note"), rows)


def _examples(shares: Sequence[StreamShare], manifest: Manifest) -> str:
    by_reason: dict[str, list[Example]] = {}
    for share in shares:
        for example in share.examples:
            by_reason.setdefault(example.reason, []).append(example)
    if not by_reason:
        return ""
    each = max(1, _EXAMPLES // len(by_reason))
    chosen = [example for reason in ("", *REASONS) for example in by_reason.get(reason, [])[:each]][:_EXAMPLES]
    figure = refit_plots.examples(chosen, manifest.measured_names, manifest.sample_period_seconds)
    return heading("Examples") + picture(figure, "Windows that were taken and windows that were left out")


def _moved(movement: Movement) -> str:
    if not movement.each:
        return ""
    furthest = sorted(movement.each, key=lambda moved: -moved.extent)[: MOST_ROWS // 5]
    rows = [
        (
            moved.stream,
            moved.channel + (f" ({moved.unit})" if moved.unit else ""),
            f"{moved.anchor[0]:.4g} ± {moved.anchor[1]:.3g}",
            f"{moved.now[0]:.4g} ± {moved.now[1]:.3g}",
            f"{moved.centre:+.3g} of ±{moved.centre_bound:.3g}",
            f"x {moved.factor:.3g} of {moved.factor_bound:.3g}",
        )
        for moved in furthest
    ]
    note = (
        "Where normal data lay when each stream was anchored and where they lie now, in the units of the sensors; the "
        "last two columns without what all streams do together. What moves further than its bound is not learnt."
    )
    head = ("stream", "channel", "anchor", "now", "moved", "varies")
    return heading("What moved since the anchor") + paragraph(note) + table(head, rows)


def _unlearnt(labels: Sequence[Label], replay: AlertReplay) -> str:
    said = "; ".join(
        f"{each.stream} from {written(each.from_seconds)} to {written(each.to_seconds)}" for each in labels
    )
    rows = [
        (
            alert.stream,
            written(alert.from_seconds),
            written(alert.to_seconds),
            "comes only now" if alert.after else "comes no more",
        )
        for alert in replay.changed[:MOST_ROWS]
    ]
    changed, total = len(replay.changed), len(replay.alerts)
    about = (
        f"The model in use had learnt what is now called bad: {said}. The history covers {in_words(replay.seconds)} of "
        f"all streams together; scored anew, {changed} of {total} alerts in it would be others."
    )
    parts = [heading("Unlearnt"), paragraph(about)]
    if rows:
        parts.append(table(("stream", "from", "to", "with the refit it"), rows))
    return "\n".join(parts)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
