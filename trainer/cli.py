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
from monitor.core.artifact.normalization_spec import NormalizationKind
from trainer.errors import TrainerError
from trainer.help_texts import EVALUATE, EXIT_CODES, FIT, INSPECT, KEYGEN, REFIT, SELECT, SIGN
from trainer.registry import FAMILIES, REPRESENTATIONS
from trainer.settings.presets import KINDS


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

    _add_refit(commands)

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


def _add_refit(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    refit = _command(commands, "refit", "refit the daemon's models to what was normal since", REFIT)
    refit.add_argument(
        "--config",
        type=Path,
        default=Path("/etc/residuald/monitor.toml"),
        metavar="FILE",
        help="the daemon's configuration (default: %(default)s)",
    )
    refit.add_argument("--model", metavar="NAME", help="only this model of the configuration")
    refit.add_argument("--history", type=Path, metavar="FILE", help="history.sqlite, where it is not the daemon's own")
    refit.add_argument("--dry-run", action="store_true", help="fit and judge, and write nothing")
    refit.add_argument("--json", action="store_true", help="print JSON instead of text")
    refit.add_argument(
        "--sign-key", type=Path, metavar="FILE", help="sign candidates (default: the unit's credential `refit.key`)"
    )


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
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
