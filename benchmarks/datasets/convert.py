"""Converts public recordings to files by the dataset contract, to fit, evaluate and replay by hand."""

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from benchmarks.datasets.converters import (
    Arrays,
    ConversionError,
    Split,
    ecg5000,
    fan,
    hydraulic,
    mitdb,
    nab,
    skab,
    skab_normal,
    svdb,
)
from monitor.core.dataset.recording import Recording, WindowSet
from monitor.core.dataset.recording_write import recording_to_npz_bytes, window_set_to_npz_bytes

_EPILOG = """\
writes, for each source file that DIR has:
  mitdb_ds1_mlii     mitdb-RECORD in train/ (first five minutes) and stream/ (the rest)
  uci_fan_accel_dev  fan-SPEED in train/ (two thirds of the balanced runs) and stream/ (the rest, then unbalanced)
  skab_dev           skab-GROUP-N in train/ (first 400 rows) and stream/ (the rest)
  others             whole recordings with their labels: skab-normal, svdb-805, nab-…, ecg5000-…, hydraulic

example:
  python -m benchmarks.convert --data ../shared/data --out build/contract
  residuald-trainer fit --data build/contract/train/mitdb-106.npz --out models/ecg-106
  residuald-trainer evaluate --model models/ecg-106 --data build/contract/stream/mitdb-106.npz
"""
Contents = Iterable[Recording | WindowSet]


def write_contents(folder: Path, contents: Contents) -> list[Path]:
    """Write recordings and window sets to `folder`, each to NAME.npz; the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for content in contents:
        path = folder / f"{content.name}.npz"
        if isinstance(content, Recording):
            path.write_bytes(recording_to_npz_bytes(content))
        else:
            path.write_bytes(window_set_to_npz_bytes(content))
        paths.append(path)
    return paths


def _mitdb(arrays: Arrays) -> Split:
    splits = [mitdb(arrays, str(record)) for record in arrays["records"]]
    return Split(*(tuple(part for split in splits for part in getattr(split, name)) for name in ("train", "stream")))


def _skab(arrays: Arrays) -> Split:
    groups = sorted({str(file).split("/")[0] for file in arrays["files"]})
    splits = [skab(arrays, group) for group in groups]
    return Split(*(tuple(part for split in splits for part in getattr(split, name)) for name in ("train", "stream")))


SOURCES: dict[str, Callable[[Arrays], Split | tuple[Recording, ...] | tuple[WindowSet, ...]]] = {
    "mitdb_ds1_mlii": _mitdb,
    "uci_fan_accel_dev": fan,
    "skab_dev": _skab,
    "skab_anomaly_free": skab_normal,
    "svdb_tsbuad_dev": svdb,
    "nab_dev": nab,
    "ecg5000_dev": ecg5000,
    "uci_hydraulic_dev": hydraulic,
}


def main() -> int:
    """Convert what is there."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with the source files")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    args = parser.parse_args()
    console = Console()
    there = [name for name in SOURCES if (args.data / f"{name}.npz").exists()]
    if not there:
        console.print(f"{args.data} has none of {', '.join(f'{name}.npz' for name in SOURCES)}", highlight=False)
        return 1
    for name in track(there, "converting", console=console, transient=True):
        try:
            with np.load(args.data / f"{name}.npz", allow_pickle=False) as archive:
                content = SOURCES[name](dict(archive))
        except ConversionError as error:
            console.print(f"{name}: {error}", highlight=False)
            return 1
        if isinstance(content, Split):
            paths = write_contents(args.out / "train", content.train) + write_contents(
                args.out / "stream", content.stream
            )
        else:
            paths = write_contents(args.out, content)
        console.print(f"{name}: {len(paths)} files", highlight=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
