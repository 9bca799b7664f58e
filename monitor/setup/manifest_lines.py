"""A manifest in a few lines for a person: what a version is, what it was made from and what its threshold promises."""

from collections.abc import Iterator

from monitor.core.artifact.manifest import Manifest


def manifest_lines(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Say what there is to say of a version, as labels and texts that can stand beside those of another."""
    period, window, made = manifest.sample_period_seconds, manifest.window, manifest.provenance
    yield "made", f"{made.created} by residuald {made.code_version}"
    yield "model", f"{manifest.family}, {manifest.representation}, {manifest.parameters:,} parameters"
    yield "channels", ", ".join(f"{each.name} [{each.unit or '-'}]" for each in manifest.channels)
    where = "around each beat" if window.beat else f"every {window.stride}"
    yield "window", f"{window.length} samples ({window.length * period:g} s) {where}"
    yield "normalization", manifest.normalization.kind
    yield "threshold", f"{manifest.threshold:.4g} ({manifest.calibration.described})"
    promised = manifest.calibration.false_alarms
    if promised is not None:
        yield "budget", promised.asked
        yield "false alarms", promised.expectation
    windows = (made.train_windows, made.validation_windows, made.calibration_windows)
    yield "windows", "{:,} to train, {:,} to stop, {:,} to calibrate".format(*windows)
    yield "data", f"{len(made.data)} recordings, {sum(each.windows for each in made.data):,} windows"
    excluded: dict[str, int] = {}
    for each in made.data:
        for reason, count in each.excluded.items():
            excluded[reason] = excluded.get(reason, 0) + count
    if excluded:
        yield "left out", ", ".join(f"{count:,} {reason}" for reason, count in sorted(excluded.items()))
    for name, figure in manifest.evaluation.items():
        yield f"evaluation {name}", f"{figure:.4g}"
