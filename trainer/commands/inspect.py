"""`residuald-trainer inspect`: what an artifact says about itself, and whether it keeps its word here."""

import argparse
import json

from rich.console import Console
from rich.table import Table

from monitor.core.artifact.manifest import Manifest
from trainer.artifact.export import golden_deviation, load_artifact
from trainer.artifact.folder import read_artifact
from trainer.errors import ArtifactError
from trainer.report.page import how_it_was_made, summary


def run(args: argparse.Namespace) -> int:
    """Print the manifest and check the golden windows."""
    source, data = read_artifact(args.model)
    artifact = load_artifact(source, data)
    manifest, deviation = artifact.manifest, golden_deviation(artifact)
    passes = deviation <= manifest.golden.tolerance
    if args.json:
        golden = {"windows": manifest.golden.windows.shape[0], "deviation": deviation, "passes": passes}
        print(json.dumps({"golden": golden, "manifest": manifest.model_dump(mode="json")}, indent=2))
    else:
        _print(manifest)
        Console().print(f"\ngolden windows: largest deviation {deviation:.2g} of the threshold", highlight=False)
    if not passes:
        raise ArtifactError(
            f"{source}: golden windows deviate by {deviation:.2g} of the threshold, more than the tolerance "
            f"{manifest.golden.tolerance:g}: this machine does not compute what the trainer computed"
        )
    return 0


def _print(manifest: Manifest) -> None:
    console = Console()
    console.print(f"[bold]{manifest.model}[/] {manifest.version}", highlight=False)
    overview = Table.grid(padding=(0, 2))
    for label, text in summary(manifest):
        overview.add_row(label, text)
    for key, text in how_it_was_made(manifest):
        overview.add_row(key, text)
    console.print(overview)

    channels = Table("channel", "unit", "low", "high", "centre", "scale", "scale floor", title="channels")
    for index, channel in enumerate(manifest.channels):
        columns = (manifest.normalization.centre, manifest.normalization.scale, manifest.normalization.scale_floor)
        numbers = [f"{column[index]:.6g}" if column else "from the data" for column in columns]
        limits = ["" if limit is None else f"{limit:g}" for limit in (channel.low, channel.high)]
        channels.add_row(channel.name, channel.unit, *limits, *numbers)
    console.print(channels)

    quantiles = Table("level", "error", "score", title="calibration errors")
    for level, error in manifest.calibration.error_quantiles.items():
        quantiles.add_row(level, f"{error:.6g}", f"{error / manifest.threshold:.3f}")
    console.print(quantiles)

    data = Table("file", "windows", "left out", "SHA-256", title="data")
    for part in manifest.provenance.data:
        excluded = ", ".join(f"{count} {reason}" for reason, count in part.excluded.items())
        data.add_row(part.name, str(part.windows), excluded or "none", part.sha256[:16])
    console.print(data)
