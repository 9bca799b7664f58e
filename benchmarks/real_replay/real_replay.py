"""Real recordings through a real broker to the running daemon: how well and how soon are anomalies found?

Starts Mosquitto, fits models with `residuald-trainer fit`, runs `residuald run` on them, publishes what the models have
not seen with its own timestamps at QoS 1, and takes the answers from MQTT and /metrics. The run is void (exit 1) unless
nothing was lost and `residuald replay` on the same recordings agrees with the daemon on every count and alert.
"""

import argparse
import platform
import sys
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from benchmarks.common.broker import MissingError, mosquitto
from benchmarks.common.live import LiveError
from benchmarks.common.targets import Target, add_common_options, conclude, write_json
from benchmarks.datasets.converters import ConversionError
from benchmarks.real_replay.cases import Case, load_cases
from benchmarks.real_replay.report import Row, markdown, plot, rows_by_data_set, rows_by_stream, show
from benchmarks.real_replay.trial import Detector, Trial, fit_all, prepare, watch
from monitor import __version__
from monitor.commands.arguments import positive

_EPILOG = """\
--data is a folder with
  mitdb*.npz             MIT-BIH arrhythmia database (PhysioNet), lead MLII; records 106, 119, 208, 233
  uci_fan_accel_dev.npz  UCI "Accelerometer" data set, fan motor
  skab_dev.npz           Skoltech anomaly benchmark, pump
with the keys that benchmarks/datasets/converters.py describes. docs/real-telemetry.md tells where they come from, what
is measured and what came out.

examples:
  python -m benchmarks.real_replay --data ../shared/data --quick
  python -m benchmarks.real_replay --data ../shared/data --json figures.json
"""
DETECTORS = (
    *(Detector("dense", seed) for seed in (0, 1, 2)),
    *(Detector("conv", seed) for seed in (0, 1, 2)),
    Detector("pca", 0),
)
_FILE_WIDTH = 160  # columns where the output is no terminal
QUICK_DETECTORS = (Detector("dense", 0), Detector("pca", 0))


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with the recordings")
    parser.add_argument(
        "--speed", type=positive, metavar="FACTOR", help="times real time; as fast as it goes when left out"
    )
    add_common_options(parser, Path("out/real-replay"))
    args = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else _FILE_WIDTH)
    began = time.monotonic()
    try:
        cases, notes = load_cases(args.data, quick=args.quick)
        for note in notes:
            console.print(f"[bold yellow]note:[/] {note}", highlight=False)
        prepare(cases, args.out)
        trials = run_trials(cases, QUICK_DETECTORS if args.quick else DETECTORS, args.out, args.speed, console)
    except (ConversionError, MissingError, LiveError, TimeoutError) as error:
        console.print(f"[bold red]void:[/] {error}", highlight=False)
        return 1
    rows, stream_rows = rows_by_data_set(cases, trials), rows_by_stream(cases, trials)
    show(console, rows)
    report = f"## By data set\n\n{markdown(rows)}\n## By stream\n\n{markdown(stream_rows)}"
    (args.out / "figures.md").write_text(report, encoding="utf-8")
    for case in {case.data_set: case for case in reversed(cases)}.values():
        streams = trials[0].judged[case.model]
        plot(case.data_set, streams[len(streams) // 2], trials[0].detector.name, args.out / f"{case.model}.png")
    void = [reason for trial in trials for reason in trial.void]
    targets = targets_of(rows, trials)
    if args.json:
        write_json(
            args.json,
            targets,
            void=void,
            notes=notes,
            seconds=round(time.monotonic() - began, 1),
            versions={"residuald": __version__, "python": platform.python_version()},
            data_sets=[_plain(row) for row in rows],
            streams=[_plain(row) for row in stream_rows],
        )
    console.print(f"by stream: {args.out}/figures.md; plots, models and logs beside it", highlight=False)
    return conclude(console, targets, void)


def run_trials(
    cases: list[Case], detectors: tuple[Detector, ...], folder: Path, speed: float | None, console: Console
) -> list[Trial]:
    """Run one trial after another, with a progress bar.

    Raises:
        MissingError, LiveError, TimeoutError: a program is missing or fails.

    """
    samples = sum(len(stream.samples) for case in cases for stream in case.split.stream)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    trials = []
    with mosquitto() as port, Progress(*columns, console=console) as progress:
        for detector in detectors:
            bar = progress.add_task(f"{detector.name}: fitting", total=len(cases))
            fit_all(detector, cases, folder, partial(progress.advance, bar))
            progress.reset(bar, description=f"{detector.name}: streaming", total=samples)
            trial = watch(detector, cases, folder, port, speed, partial(progress.advance, bar))
            trials.append(trial)
            said = f"{trial.samples} samples, {trial.windows} windows, {trial.alert_steps} alert steps"
            progress.update(bar, description=f"{detector.name}: {said}")
    return trials


def targets_of(rows: list[Row], trials: list[Trial]) -> list[Target]:
    """What the run aimed at: nothing lost, and an autoencoder that earns its keep beside PCA."""
    targets = [Target.at_most("disagreements and losses", 0, sum(len(trial.void) for trial in trials), "findings")]
    linear = {row.title: row.mean(lambda figures: figures.auc_pr) for row in rows if row.family == "pca"}
    for row in rows:
        reached, baseline = row.mean(lambda figures: figures.auc_pr), linear[row.title]
        if row.family != "pca" and reached is not None and baseline is not None:
            name = f"{row.title}: {row.family} against PCA"
            targets.append(Target.at_least(name, round(baseline, 4), round(reached, 4), "AUC-PR"))
    return targets


def _plain(row: Row) -> dict[str, object]:
    seeds = [asdict(figures) | {"false_alarms_per_hour": figures.false_alarms_per_hour} for figures in row.by_seed]
    return {"title": row.title, "family": row.family, "by_seed": seeds}
