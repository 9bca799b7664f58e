"""`residuald demo`: the whole product at work on this machine, in a minute."""

import argparse
from pathlib import Path

from monitor.commands.arguments import host_port, not_negative, positive

_EPILOG = """\
What happens:
  a broker starts (amqtt, inside the demo); healthy motors and a heart are simulated, and a model of each is fitted by
  residuald-trainer; the daemon (residuald run) watches three motors and one ECG that are published in real time; then
  faults begin: a bearing, premature heart beats, a loose foot. Each is told when it begins and when the daemon alerts.
  In the second minute weeks of six pumps pass within seconds: a serviced one is accepted, false calls end by a label, a
  refit tells what it left out and comes into use, and one that learnt a growing fault waits for a person.

examples:
  residuald demo                                     until Ctrl-C
  residuald demo --broker localhost --duration 90    on a broker of yours
  residuald demo --plain | tee demo.log              lines instead of a live table

Data, models, configuration and logs stay in the folder; models that are there already are used again.

exit codes:
  0 done, or stopped as asked   69 no broker, or a process of it failed   73 the folder cannot be written
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe `residuald demo`."""
    parser = subparsers.add_parser(
        "demo",
        help="show everything at work: simulated devices, a fitted model, the daemon, faults, alerts",
        description="Show the whole product at work on this machine: first alert within about a minute.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--broker", type=host_port, metavar="HOST[:PORT]", help="(default: one inside the demo)")
    parser.add_argument("--duration", type=positive, metavar="S", help="seconds of telemetry (default: until Ctrl-C)")
    parser.add_argument(
        "--fault-after", type=not_negative, default=12.0, metavar="S", help="the first fault (default: %(default)g)"
    )
    parser.add_argument(
        "--loop-after", type=not_negative, default=60.0, metavar="S", help="the weeks of pumps (default: %(default)g)"
    )
    parser.add_argument("--folder", type=Path, default=Path("out/demo"), help="(default: %(default)s)")
    parser.add_argument("--plain", action="store_true", help="no live table, only lines (so without a terminal)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the demo until the duration is over, or SIGINT or SIGTERM arrives.

    Raises:
        UnavailableError: something it needs is missing, or one of its processes failed.
        OutputError: the folder cannot be written.

    """
    from monitor.demo.run import Demo  # noqa: PLC0415  # keeps numpy, paho and rich out of --help

    Demo(args.folder, args.broker, args.duration, args.fault_after, args.loop_after, live=not args.plain).run()
    return 0
