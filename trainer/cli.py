"""`residuald-trainer`: the command line.

Commands are imported when they run, so that `--help` does not wait for torch.
"""

import argparse
import importlib
import os
import sys
from pathlib import Path
from typing import get_args

from monitor import __version__
from monitor.core.artifact.manifest import NormalizationKind
from trainer.errors import TrainerError
from trainer.registry import FAMILIES, REPRESENTATIONS
from trainer.settings.presets import KINDS

EXIT_CODES = """\
exit codes:
  0 done   2 usage   65 data   66 artifact   70 training diverged   73 cannot write   77 key   78 settings
  130 interrupted
"""

DATA_FILES = """\
data files:
  CSV            a header; `time` (ISO 8601 or epoch seconds), one column per channel, optionally `label` (1 = anomaly)
  NPZ samples    samples [n, C], channels [C], sample_rate_hz or time [n], optionally labels [n] and segment [n]
  NPZ windows    windows [N, C, L], channels [C], optionally labels [N]
  Parquet        as CSV; `time` may be a timestamp (needs the extra `parquet`)
  WFDB           give the header, RECORD.hea; beats annotated as abnormal become labels (needs the extra `wfdb`)
  MATLAB         up to version 7; --sample-rate where the file does not say it
Under [reading.wfdb] and [reading.matlab] a settings file says more.
"""

FAMILY_LINES = "families (docs/models.md says more, and when to add what to the training):\n" + "".join(
    f"  {name:<14} {family.about}\n" for name, family in FAMILIES.items()
)

FIT = f"""\
Fit an autoencoder to normal data and write models/NAME/VERSION.pt (TorchScript with its manifest), a report
VERSION.report.html with plots, and the link models/NAME/current, which the daemon follows.

Each recording is split by time: its beginning trains, then a part decides when to stop, and its end sets the threshold.
Windows labelled anomalous are left out of all three; the report shows how well the model tells them apart.

examples:
  residuald-trainer fit --data motor-1.npz motor-2.npz --out models/motor
  residuald-trainer fit --data patient.csv --out models/ecg --kind ecg
  residuald-trainer fit --data pump.csv --out models/pump --config pump.toml --seed 1

{DATA_FILES}
{FAMILY_LINES}
a settings file (docs/training.md lists every key; all are optional; these are the defaults unless said otherwise):
  seed = 0
  [[channel]]                        # default: all channels of the data, without unit and range
  name = "vib_x"
  unit = "g"
  low = -16.0                        # what the sensor can physically deliver
  high = 16.0
  [reading.wfdb]
  annotator = "atr"
  abnormal_beats = "AaJSVEF/fQ"
  before_seconds = 0.25              # how far around its R peak an abnormal beat reaches
  after_seconds = 0.45
  [reading.matlab]                   # default: the variables that alone can be meant
  samples = ["DE_time", "FE_time"]
  rate_hz = "fs"
  [window]                           # default: about one second, half overlapping (below 8 Hz: seven eighths)
  cut = "sliding"                    # or beat: around heartbeats found in the first channel, at least 60 Hz
  length = 256
  stride = 128
  max_gap_samples = 2
  min_coverage = 0.8
  [normalization]
  kind = "fixed"                     # fixed (from the training data); window; stream, template (each stream's own)
  shared = false                     # one centre and scale for all channels: the rows of an image
  [representation]                   # default: spectrum for vibration, raw samples for all else
  kind = "spectrum"                  # or raw: level = false; envelope_spectrum: band_hz = [2000, 4000]; spectrogram
  segment_samples = 64               # of all but raw; default: 1/4, 1/2 and 1/8 of the window
  [model]
  family = "dense"                   # dense: hidden = [64, 32, 8]; conv: features = [8, 16, 32]; pca: components = 0.9
  [training]
  max_epochs = 200
  patience_epochs = 20
  batch_windows = 64
  learning_rate = 0.002
  threads = 1
  loss = "mse"                       # or l1, rmse, huber
  # [training.denoising]             # off; likewise sparse, contractive, variational, latent_consistency
  # kind = "gaussian"                # or masking
  # level = 0.3
  # blur_samples = 2.0               # blur every other window instead, by up to so much
  [split]
  validation = 0.15
  calibration = 0.25
  [score]
  residual = "mean_square"           # or weighed by what is normal: variance (each feature's), covariance
  smoothing_samples = 0.0            # smooth the residual first: forgives what comes a little early or aside
  smoothing_axes = 1                 # 2: across channels, too, where they are the rows of an image
  latent_weight = 0.0                # how much the distance from the normal codes adds, e.g. 1
  [calibration]
  rule = "budget"                    # or quantile, mean_std, mad: `setting` is a level, or how many of them
  false_alarms = "1 per 30d"         # alerts without a cause, per stream; h, d or w
  max_extrapolation = 10.0           # how far beyond the data, in time, their tail is trusted
  [calibration.judge]                # as in the daemon's configuration: the budget counts alerts
  k = 2
  n = 3
  [export]
  onnx = false                       # also write VERSION.onnx (needs the extra `onnx`)

{EXIT_CODES}"""

SELECT = f"""\
Try models on normal data under a time budget, choose one without labels, and fit it as `fit` does. The report explains
the choice.

Models of several families, on raw windows and on their spectra, are fitted to the first part of each recording. They
are then compared by how well they tell a later part from the same windows with injected anomalies: spikes, dropouts,
drift, changes of frequency and of amplitude, and broken correlations. PCA is kept unless a model beats it beyond the
noise. The end of each recording sets the threshold and has no part in the choice. A settings file says everything but
the model, its representation and its error.

examples:
  residuald-trainer select --data motor-1.npz motor-2.npz --out models/motor --budget-minutes 5
  residuald-trainer select --data patient-*.csv --out models/ecg --kind ecg

{DATA_FILES}
{EXIT_CODES}"""

EVALUATE = f"""\
Score data files with an artifact, exactly as the daemon would, and say how well anomalies are told from normal.
Figures: AUC-ROC, AUC-PR (average precision), and at the deployed threshold F1, precision, recall and the
false-alarm rate (alarms among normal windows). Without labels there is only the alarm rate. The daemon's own rules turn
windows into alerts: how many of them were false per day, beside the budget, and how late the others came.

examples:
  residuald-trainer evaluate --model models/motor --data faulty.npz
  residuald-trainer evaluate --model models/ecg/20250101T120000Z-1a2b3c4d.pt --data *.csv --json
  residuald-trainer evaluate --model models/ecg --data ecg.csv --scores scores.csv

{DATA_FILES}
{EXIT_CODES}"""

INSPECT = f"""\
Show what an artifact says about itself and check that it computes its golden windows' errors on this machine.

examples:
  residuald-trainer inspect models/motor
  residuald-trainer inspect models/motor/20250101T120000Z-1a2b3c4d.pt --json

{EXIT_CODES}"""


KEYGEN = f"""\
Make a pair of Ed25519 keys: FILE, the private key to sign with, and FILE.pub, the public key that daemons trust.
Nothing is ever overwritten.

Loading a model runs its code, so whoever can write to a model's folder could run any code as the daemon. A daemon with
`artifacts.require_signature = true` loads only what the owner of a trusted key has signed.

example:
  residuald-trainer keygen release.key

{EXIT_CODES}"""

SIGN = f"""\
Sign an artifact, and the ONNX model beside it where there is one: the signature of VERSION.pt is VERSION.pt.sig, over
every byte of the file. The daemon needs no word of it: it looks when it loads the artifact.

examples:
  residuald-trainer sign models/motor --key release.key
  residuald-trainer fit --data motor.npz --out models/motor --sign-key release.key
  openssl pkeyutl -verify -rawin -pubin -inkey release.key.pub -in VERSION.pt -sigfile VERSION.pt.sig

{EXIT_CODES}"""


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="residuald-trainer",
        description="Make, measure and look at the models that residuald watches streams with.",
        epilog=f"Each command explains itself: residuald-trainer fit --help\n\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"residuald-trainer {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    fit = _command(commands, "fit", "fit a model to normal data", FIT)
    _add_data(fit)
    fit.add_argument("--out", type=Path, required=True, metavar="models/NAME", help="the model's folder; NAME names it")
    _add_kind(fit)
    fit.add_argument("--config", type=Path, metavar="FILE", help="settings (TOML); the options below win over it")
    fit.add_argument("--family", choices=tuple(FAMILIES), help="kind of model (default: dense)")
    fit.add_argument("--window", type=int, metavar="N", help="samples per window (default: about one second)")
    fit.add_argument(
        "--stride", type=int, metavar="N", help="samples from one window to the next (default: half of it)"
    )
    fit.add_argument("--sample-rate", type=float, metavar="HZ", help="samples per second, where the files do not say")
    fit.add_argument(
        "--representation",
        choices=tuple(REPRESENTATIONS),
        help="what the model sees of a window (default: spectrum for vibration, raw samples for all else)",
    )
    fit.add_argument("--normalization", choices=get_args(NormalizationKind), help="default: fixed")
    fit.add_argument("--seed", type=int, metavar="N", help="decides initial weights and shuffling (default: 0)")

    fit.add_argument(
        "--onnx",
        action="store_true",
        default=None,
        help='also write VERSION.onnx, for daemons with `scoring.engine = "onnx"` (needs the extra `onnx`)',
    )

    fit.add_argument(
        "--alerts",
        type=Path,
        metavar="FILE.jsonl",
        help="leave out what already raised an alert: payloads of `residuald/+/alert`, one per line; a recording is "
        "that of the stream it is named after",
    )

    fit.add_argument("--sign-key", type=Path, metavar="FILE", help="sign what is written (see `sign`)")

    select = _command(commands, "select", "choose a model without labels, and fit it", SELECT)
    _add_data(select)
    select.add_argument("--out", type=Path, required=True, metavar="models/NAME", help="the model's folder")
    select.add_argument(
        "--budget-minutes", type=_minutes, default=10.0, metavar="N", help="how long models are tried (default: 10)"
    )
    _add_kind(select)
    select.add_argument("--config", type=Path, metavar="FILE", help="settings (TOML); the options below win over it")
    select.add_argument("--window", type=int, metavar="N", help="samples per window")
    select.add_argument("--stride", type=int, metavar="N", help="samples from one window to the next")
    select.add_argument(
        "--sample-rate", type=float, metavar="HZ", help="samples per second, where the files do not say"
    )
    select.add_argument("--normalization", choices=get_args(NormalizationKind), help="default: fixed")
    select.add_argument("--seed", type=int, metavar="N", help="decides initial weights and injected anomalies")
    select.add_argument("--sign-key", type=Path, metavar="FILE", help="sign what is written (see `sign`)")

    evaluate = _command(commands, "evaluate", "measure a model on data", EVALUATE)
    evaluate.add_argument("--model", type=Path, required=True, metavar="MODEL", help="models/NAME or an artifact file")
    _add_data(evaluate)
    evaluate.add_argument(
        "--config", type=Path, metavar="FILE", help="settings (TOML): [reading] says how to read files"
    )
    evaluate.add_argument("--json", action="store_true", help="print JSON instead of tables")
    evaluate.add_argument("--scores", type=Path, metavar="FILE.csv", help="also write one line per window")

    inspect = _command(commands, "inspect", "show an artifact's manifest and check it", INSPECT)
    inspect.add_argument("model", type=Path, metavar="MODEL", help="models/NAME or an artifact file")
    inspect.add_argument("--json", action="store_true", help="print the manifest and the check as JSON")

    keygen = _command(commands, "keygen", "make keys to sign artifacts with", KEYGEN)
    keygen.add_argument("key", type=Path, metavar="FILE", help="the private key's file; the public key is FILE.pub")

    sign = _command(commands, "sign", "sign an artifact", SIGN)
    sign.add_argument("model", type=Path, metavar="MODEL", help="models/NAME or an artifact file")
    sign.add_argument("--key", type=Path, required=True, metavar="FILE", help="the private key, as `keygen` wrote it")
    return parser


def _minutes(text: str) -> float:
    minutes = float(text)
    if not 0 < minutes < float("inf"):
        raise argparse.ArgumentTypeError("must be above 0")
    return minutes


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, summary: str, text: str
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name, help=summary, description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def _add_kind(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--kind",
        choices=KINDS,
        help="what is measured: ecg cuts windows around heartbeats; motor is the default. What is set by hand wins",
    )


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=Path, required=True, nargs="+", metavar="FILE", help="data files, one per recording"
    )


def main(argv: list[str] | None = None) -> int:
    """Run a command and return its exit code."""
    args = build_parser().parse_args(argv)
    try:
        code: int = importlib.import_module(f"trainer.commands.{args.command}").run(args)
        sys.stdout.flush()
    except TrainerError as error:
        print(f"residuald-trainer: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # whoever read our output, e.g. `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the flush at exit would fail again
        return 1
    except KeyboardInterrupt:
        print("residuald-trainer: interrupted, nothing was written", file=sys.stderr)
        return 130
    return code
