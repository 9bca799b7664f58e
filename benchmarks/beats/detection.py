"""How many heartbeats does the daemon find in recordings that cardiologists annotated, and how many that are none?

Every record goes through the daemon's own cutter. A found beat is right when an annotated one lies within 150 ms; each
counts once (ANSI/AAMI EC57). Beats during ventricular flutter, which have no R peak, do not count. The records are
tried as they are, upside down, and with muscle noise 12 dB below the signal.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.common.targets import Target, add_common_options, conclude, write_json
from benchmarks.datasets.converters import Arrays, ConversionError
from monitor.core.artifact.manifest import BeatSpec, WindowSpec
from monitor.core.dataset.cutting import windows_of
from monitor.core.dataset.recording import Recording

_EPILOG = """\
--data is a folder with mitdb_ds1_mlii.npz (MIT-BIH arrhythmia database, set DS1, lead MLII) with the keys that
benchmarks/datasets/converters.py describes.

examples:
  python -m benchmarks.beats --data ../shared/data --quick
  python -m benchmarks.beats --data ../shared/data --json beats.json
"""
FILE = "mitdb_ds1_mlii.npz"
QUICK_RECORDS, QUICK_SECONDS = 6, 300.0
MATCH_SECONDS = 0.15
BEFORE_SECONDS, AFTER_SECONDS, MAX_RR_SECONDS = 0.4, 0.5, 3.0
BEATS = tuple("NLRejAaJSVEF/fQnB")
FLUTTER_BEGINS, FLUTTER_ENDS = "[", "]"
NOISE_PART = 1 / 16  # of the signal's power: 12 dB below it

Ints = NDArray[np.int64]
Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Counts:
    """Beats found, overlooked and made up; how far the found ones lie from their annotation, int64 [found] samples."""

    found: int
    overlooked: int
    made_up: int
    offset_samples: Ints

    @property
    def sensitivity(self) -> float:
        """Part of the annotated beats that were found."""
        return self.found / max(self.found + self.overlooked, 1)

    @property
    def predictivity(self) -> float:
        """Part of the found beats that were annotated."""
        return self.found / max(self.found + self.made_up, 1)


def match(detected: Ints, annotated: Ints, tolerance: int) -> Counts:
    """Pair sorted beats, in samples, one to one, the earliest first."""
    at, offsets = 0, []
    for beat in annotated.tolist():
        while at < len(detected) and detected[at] < beat - tolerance:
            at += 1
        if at < len(detected) and detected[at] <= beat + tolerance:
            offsets.append(int(detected[at]) - beat)
            at += 1
    found = len(offsets)
    return Counts(found, len(annotated) - found, len(detected) - found, np.array(offsets, np.int64))


def find_beats(signal: Samples, rate_hz: float) -> Ints:
    """R peaks, in samples, of the windows that the daemon would cut around beats."""
    count = len(signal)
    before, after = round(BEFORE_SECONDS * rate_hz), round(AFTER_SECONDS * rate_hz)
    beat = BeatSpec(before_samples=before, max_rr_seconds=MAX_RR_SECONDS)
    spec = WindowSpec(length=before + after, stride=round(rate_hz), cut="beat", beat=beat)
    recording = Recording(
        "record", ("lead",), signal[:, None], np.arange(count) / rate_hz, 1 / rate_hz, None, np.zeros(count, np.int64)
    )
    windows = windows_of(recording, spec, 1 / rate_hz)
    in_time = windows.values[:, -2, 0] <= MAX_RR_SECONDS  # what is later may be a window that tells of a pause
    ends = np.rint(windows.end_seconds * rate_hz).astype(np.int64)
    return ends[in_time] - (after - 1)


def without_flutter(peaks: Ints, arrays: Arrays, record: str, margin: int) -> NDArray[np.bool_]:
    """Which of these peaks lie outside of ventricular flutter."""
    samples, symbols = arrays[f"ann_sample_{record}"], arrays[f"ann_symbol_{record}"]
    kept = np.ones(len(peaks), np.bool_)
    begins, ends = samples[symbols == FLUTTER_BEGINS], samples[symbols == FLUTTER_ENDS]
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        kept &= (peaks < begin - margin) | (peaks > end + margin)
    return kept


def measure(arrays: Arrays, record: str, signal: Samples) -> Counts:
    """Find the beats of a record in `signal` and compare them with its annotations."""
    rate_hz = float(arrays["fs"])
    tolerance = round(MATCH_SECONDS * rate_hz)
    symbols = arrays[f"ann_symbol_{record}"]
    annotated = arrays[f"ann_sample_{record}"][np.isin(symbols, BEATS)].astype(np.int64)
    # the first beat ends no interval, and the last window may end after the record
    annotated = annotated[annotated < len(signal) - round(AFTER_SECONDS * rate_hz)][1:]
    detected = find_beats(signal, rate_hz)
    annotated = annotated[without_flutter(annotated, arrays, record, 0)]
    detected = detected[without_flutter(detected, arrays, record, tolerance)]
    return match(detected, annotated, tolerance)


def variants(arrays: Arrays, record: str, seconds: float | None) -> dict[str, Samples]:
    """The record in mV: as it is, upside down, and with muscle noise (white, as its spectrum is flat up to 100 Hz)."""
    signal = (arrays[f"sig_{record}"].astype(np.float32) - float(arrays["adc_zero"])) / float(arrays["adc_gain"])
    signal = signal[: None if seconds is None else round(seconds * float(arrays["fs"]))]
    noise = np.random.default_rng(int(record)).normal(0, np.sqrt(NOISE_PART) * signal.std(), len(signal))
    return {"as it is": signal, "upside down": -signal, "noisy": signal + noise.astype(np.float32)}


def _total(counts: list[Counts]) -> Counts:
    return Counts(
        sum(each.found for each in counts),
        sum(each.overlooked for each in counts),
        sum(each.made_up for each in counts),
        np.concatenate([each.offset_samples for each in counts]),
    )


def _read(folder: Path) -> Arrays:
    path = folder / FILE
    if not path.is_file():
        raise ConversionError(f"{path} is missing: --data is the folder that holds it")
    with np.load(path, allow_pickle=False) as archive:
        return dict(archive)


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with the recordings")
    add_common_options(parser, Path("out/beats"))
    args = parser.parse_args()
    console = Console()
    try:
        arrays = _read(args.data)
    except ConversionError as error:
        console.print(f"[bold red]void:[/] {error}", highlight=False)
        return 1
    records = [str(record) for record in arrays["records"]][: QUICK_RECORDS if args.quick else None]
    counts: dict[str, dict[str, Counts]] = {}
    samples, began = 0, time.perf_counter()
    with Progress(console=console, transient=True) as progress:
        for record in progress.track(records, description="records"):
            for name, signal in variants(arrays, record, QUICK_SECONDS if args.quick else None).items():
                counts.setdefault(name, {})[record] = measure(arrays, record, signal)
                samples += len(signal)
    rate = samples / (time.perf_counter() - began)
    _show(console, counts, rate, float(arrays["fs"]))
    args.out.mkdir(parents=True, exist_ok=True)
    _plot(args.out / "beats.png", counts)
    console.print(f"plot      {args.out / 'beats.png'}", highlight=False)

    targets = []
    for name, by_record in counts.items():
        total = _total(list(by_record.values()))
        least = 0.995 if name != "noisy" else 0.98
        targets += [
            Target.at_least(f"sensitivity, {name}", 100 * least, 100 * total.sensitivity, "%"),
            Target.at_least(f"positive predictivity, {name}", 100 * least, 100 * total.predictivity, "%"),
        ]
    if args.json:
        write_json(args.json, targets, records=_as_json(counts), samples_per_second=rate)
    return conclude(console, targets, [])


def _show(console: Console, counts: dict[str, dict[str, Counts]], rate: float, rate_hz: float) -> None:
    table = Table("record", "beats", "overlooked", "made up", "sensitivity", "predictivity", "90 % lie within")
    as_it_is = counts["as it is"]
    for record, each in (*as_it_is.items(), ("all", _total(list(as_it_is.values())))):
        within = np.quantile(np.abs(each.offset_samples - np.median(each.offset_samples)), 0.9) / rate_hz
        beats = str(each.found + each.overlooked)
        shares = (f"{each.sensitivity:.2%}", f"{each.predictivity:.2%}", f"{1000 * within:.0f} ms")
        table.add_row(record, beats, str(each.overlooked), str(each.made_up), *shares)
    console.print(table)
    console.print(f"{rate:,.0f} samples a second, {rate / rate_hz:,.0f} leads in real time", highlight=False)


def _plot(path: Path, counts: dict[str, dict[str, Counts]]) -> None:
    import matplotlib as mpl  # noqa: PLC0415 - takes a second to load

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(2, 1, figsize=(10, 6), sharex=True, layout="constrained")
    for name, by_record in counts.items():
        axes[0].plot(list(by_record), [100 * each.sensitivity for each in by_record.values()], "o", label=name)
        axes[1].plot(list(by_record), [100 * each.predictivity for each in by_record.values()], "o", label=name)
    for axis, what in zip(axes, ("sensitivity", "positive predictivity"), strict=True):
        axis.set_ylabel(f"{what} (%)")
        axis.axhline(99.5, color="grey", linewidth=0.8)
        axis.grid(alpha=0.3)
    axes[0].legend()
    axes[1].set_xlabel("record of MIT-BIH DS1, lead MLII")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _as_json(counts: dict[str, dict[str, Counts]]) -> dict[str, dict[str, dict[str, int]]]:
    return {
        name: {
            record: {"found": each.found, "overlooked": each.overlooked, "made_up": each.made_up}
            for record, each in by_record.items()
        }
        for name, by_record in counts.items()
    }
