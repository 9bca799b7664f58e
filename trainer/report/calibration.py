"""The part of the report on the false-alarm budget: what was asked for, what is expected, and the tail it rests on."""

import numpy as np
from matplotlib.figure import Figure

from monitor.core.artifact.calibration import DAY_SECONDS, FalseAlarms
from monitor.core.values.duration import in_words
from trainer.calibration.calibrate import Calibrated
from trainer.report.page_parts import Html, facts, heading, paragraph, picture, table, text

_TAIL_LEVELS = 20
_ABOUT = (
    "Counted are alerts that would have fired, by the daemon's own rules, over the calibration windows with the "
    "threshold at each level of the error. The curve goes on where the data end: a generalized Pareto tail, fitted to "
    "how high those alerts reach and averaged over all shapes that they allow."
)


def false_alarm_section(calibrated: Calibrated) -> str:
    """Explain how the threshold keeps the budget, as HTML; empty for other rules."""
    promised = calibrated.calibration.false_alarms
    if promised is None or calibrated.curve is None:
        return ""
    parts = [
        heading("False alarms"),
        paragraph(Html(f"<strong>{text(promised.expectation)}</strong>")),
        paragraph(_ABOUT),
        picture(tail_figure(calibrated), "Alarms per day against the level of the error"),
        facts(_facts(promised)),
    ]
    if promised.set_aside:
        about = (
            "Stretches whose error is too far out for the tail of all the others: probably mislabelled. Not counted."
        )
        rows = (
            (s.recording, f"{s.start_seconds:.10g}", f"{s.end_seconds:.10g}", s.windows, f"{s.error:.4g}")
            for s in promised.set_aside
        )
        parts += [
            heading("Set aside", level=3),
            paragraph(about),
            table(("recording", "from (s)", "to (s)", "windows", "largest error"), rows),
        ]
    return "\n".join(parts)


def tail_figure(calibrated: Calibrated) -> Figure:
    """Alarms per day at each level, counted and expected, with the threshold and what was asked for."""
    curve, promised = calibrated.curve, calibrated.calibration.false_alarms
    if curve is None or promised is None:
        raise ValueError("only a budget has a curve")
    per_day = DAY_SECONDS / curve.seconds
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    seen = curve.counts > 0
    axes.plot(curve.levels[seen], curve.counts[seen] * per_day, "o", color="#009E73", markersize=4, label="counted")
    if curve.tail is not None:
        levels = np.geomspace(curve.base, max(1.3 * calibrated.threshold, curve.levels[-1]), _TAIL_LEVELS)
        excess = (levels - curve.base).tolist()
        rates = np.array([(curve.tail.count + 0.5) * curve.tail.survival(one) for one in excess]) * per_day
        low, high = np.array([curve.tail.rate_interval(one, 1 / per_day) for one in excess]).T
        axes.plot(levels, rates, color="#0072B2", label="expected, with 95 % interval")
        axes.fill_between(levels, low, high, color="#0072B2", alpha=0.15)
    for stretch in promised.set_aside:
        axes.axvline(stretch.error, color="#D55E00", linewidth=0.8, alpha=0.7)
    axes.axhline(promised.asked_per_day, color="#E69F00", linestyle=":", label=f"asked: {promised.asked}")
    threshold = f"threshold {calibrated.threshold:.3g}"
    axes.axvline(calibrated.threshold, color="#000000", linestyle="--", label=threshold)
    bottom = min(promised.asked_per_day, promised.expected_per_day) / 10
    axes.set(xlabel="level of the reconstruction error", ylabel="alarms per day and stream", xscale="log", yscale="log")
    axes.set_ylim(bottom, max(float(curve.counts.max()) * per_day, promised.asked_per_day) * 3)
    axes.legend()
    return figure


def _facts(promised: FalseAlarms) -> list[tuple[str, str]]:
    judge, tail = promised.judge, promised.tail
    facts = [
        ("asked", f"{promised.asked} ({promised.asked_per_day:.3g} per day)"),
        ("expected per day", f"{promised.expected_per_day:.3g}"),
        ("95 % interval", f"{promised.low_per_day:.3g} to {promised.high_per_day:.3g}"),
        ("normal data", f"{in_words(promised.normal_seconds)} of calibration windows"),
        ("needed for the budget", f"{in_words(promised.needed_seconds)} of calibration windows at least"),
        ("extrapolated", f"{promised.extrapolation:.3g} times" if promised.extrapolation > 1 else "no"),
        ("an alert", f"{judge.k} of {judge.n} windows; over after {judge.release_windows} below {judge.release_score}"),
    ]
    if tail is not None:
        facts += [
            ("tail", f"{tail.peaks} peaks above {tail.base_error:.4g}, scale {tail.scale:.3g}"),
            ("shape", f"{tail.shape:.2f} (95 %: {tail.shape_low:.2f} to {tail.shape_high:.2f}; 0 is exponential)"),
            ("misfit (Anderson-Darling)", f"{tail.misfit:.2f}; below 0.9 is usual"),
        ]
    return facts
