"""The command line: `residuald COMMAND`. Each command lives in its own file under `monitor/commands`."""

import argparse
import os
import sys
from collections.abc import Sequence

from monitor import __version__
from monitor.commands import accept, check, demo, history, label, models, record, replay, run, simulate
from monitor.errors import ResidualdError

_EPILOG = """\
start here:
  residuald demo                                     everything at work, on this machine
  residuald check --config configs/monitor.toml      is everything right?
  residuald run --config configs/monitor.toml        watch
  residuald COMMAND --help                           what a command does, with examples

exit codes:
  0    done, or stopped as asked
  2    wrong use of the command line
  65   a data file cannot be used
  66   a model artifact cannot be used
  69   something outside is not there (a broker, a port)
  70   a thread of the daemon hung; it ended to be started anew
  73   a file cannot be written
  75   it has to wait, and the text says for what
  77   a key to sign with cannot be used
  78   the configuration or its artifacts cannot be used
  130  interrupted
"""
_INTERRUPTED = 128 + 2  # as shells say it for SIGINT


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command (the console script `residuald`); its exit code."""
    args = _parser().parse_args(arguments)
    try:
        code: int = args.run(args)
        sys.stdout.flush()  # here, where a reader that went away can still be handled
    except ResidualdError as error:
        print(f"residuald: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # who read our output has gone, e.g. `| head`; without this, Python complains once more at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return _INTERRUPTED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="residuald",
        description="Watch streaming sensors: MQTT telemetry in, anomalies out to Prometheus and MQTT.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"residuald {__version__}")
    subparsers = parser.add_subparsers(title="commands", dest="command", required=True, metavar="COMMAND")
    for command in (run, check, models, replay, record, simulate, demo, label, accept, history):
        command.add_parser(subparsers)
    return parser
