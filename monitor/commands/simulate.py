"""`residuald simulate`: telemetry of motors or hearts, published over MQTT or written to files."""

import argparse
import math
from pathlib import Path

from monitor.commands.arguments import bursts, count, host_port, not_negative, positive, topic_pattern
from monitor.simulators.catalogue import ECG, ECG_TOPIC, MOTOR, MOTOR_TOPIC, Kind, Profile

_EPILOG = """\
examples:
  four motors on a local broker; the first one's bearing begins to fail after a minute
    residuald simulate motor --devices 4 --fault bearing_outer --fault-after 60 --fault-ramp 30
  healthy motors to fit a model on, one file per motor: an hour in short bursts, so that loads and temperatures
  of a whole hour are covered by few samples
    residuald simulate motor --devices 4 --duration 3600 --bursts 1.3/15 --out data/motor.npz
  a labelled file to evaluate it on: the same motor at another time (--run), with a fault
    residuald simulate motor --run 1 --duration 120 --fault imbalance --fault-after 60 --out data/imbalance.npz
  an hour of a heart with premature beats, as fast as it goes
    residuald simulate ecg --duration 3600 --fault pvc --fault-after 600 --out data/pvc.csv

The same --seed, device number and --run always give the same samples. Published streams use run 1 and files run 0
unless told otherwise, so a model is not tried on the very samples that it was fitted on.
Over MQTT, the truth (which faults show) is published beside the telemetry, on truth/<topic>.

exit codes:
  0 done, or stopped as asked   2 options that do not go together   69 no broker   73 a file cannot be written
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe `residuald simulate`."""
    parser = subparsers.add_parser(
        "simulate",
        help="publish or write telemetry of simulated motors or hearts, with faults",
        description="Simulate motors or hearts, in health and with faults: as MQTT publishers or as files.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="motor|ecg")
    for name, kind, topic in (("motor", MOTOR, MOTOR_TOPIC), ("ecg", ECG, ECG_TOPIC)):
        units = zip(kind.channels, kind.units, strict=True)
        carries = (
            f"channels {', '.join(f'{channel} ({unit})' for channel, unit in units)} at {kind.sample_rate_hz:g} Hz"
        )
        faults = "\n".join(f"  {fault:<18} {meaning}" for fault, meaning in kind.faults.items())
        described = kinds.add_parser(
            name,
            help=carries,
            description=f"{name}: {carries}\n\nfaults:\n{faults}",
            epilog=_EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        _add_options(described, kind, topic)
        described.set_defaults(run=run, usage_error=described.error)


def _add_options(parser: argparse.ArgumentParser, kind: Kind, topic: str) -> None:
    what = parser.add_argument_group("what is simulated")
    what.add_argument("--devices", type=count, default=1, metavar="N", help="how many devices (default: 1)")
    what.add_argument("--duration", type=positive, metavar="S", help="simulated seconds (files: 600, MQTT: endless)")
    what.add_argument("--seed", type=int, default=0, help="of all random numbers (default: 0)")
    what.add_argument("--run", type=int, dest="run_number", metavar="N", help="which stretch of the devices' lives")
    what.add_argument(
        "--sample-rate", type=positive, default=kind.sample_rate_hz, metavar="HZ", help="(default: %(default)g)"
    )
    if kind is MOTOR:
        profiles = [profile.value for profile in Profile]
        what.add_argument(
            "--profile", choices=profiles, default="load_steps", help="speed and load over time (default: %(default)s)"
        )
    fault = parser.add_argument_group("a fault")
    fault.add_argument("--fault", choices=list(kind.faults), metavar="NAME", help="one of the list above")
    fault.add_argument("--fault-after", type=not_negative, default=60.0, metavar="S", help="its onset (default: 60)")
    fault.add_argument("--fault-for", type=positive, default=math.inf, metavar="S", help="(default: it stays)")
    fault.add_argument("--fault-ramp", type=not_negative, default=0.0, metavar="S", help="time to grow (default: 0)")
    fault.add_argument("--severity", type=positive, default=0.6, help="above 0, at most 1 (default: %(default)s)")
    fault.add_argument("--fault-device", type=count, default=1, metavar="N", help="which device (default: 1)")
    if kind is MOTOR:
        fault.add_argument("--fault-channel", choices=kind.channels, metavar="NAME", help="for sensor_stuck (vib_x)")
    where = parser.add_argument_group("where it goes").add_mutually_exclusive_group()
    where.add_argument("--out", type=Path, metavar="FILE", help="a file, .npz or .csv; numbered if several devices")
    where.add_argument(
        "--broker", type=host_port, default=("localhost", 1883), metavar="HOST[:PORT]", help="(default: localhost:1883)"
    )
    files = parser.add_argument_group("files")
    files.add_argument(
        "--bursts", type=bursts, metavar="S/S", help="keep only so many seconds of every so many, e.g. 2/20 (.npz only)"
    )
    mqtt = parser.add_argument_group("MQTT")
    mqtt.add_argument("--topic", type=topic_pattern, default=topic, metavar="PATTERN", help="(default: %(default)s)")
    mqtt.add_argument("--payload", choices=("json", "f32"), default="json", help="(default: %(default)s)")
    mqtt.add_argument("--rate", type=positive, default=10.0, metavar="N", help="messages/s of a device (default: 10)")
    mqtt.add_argument("--qos", type=int, choices=(0, 1, 2), default=0, help="(default: 0)")
    mqtt.add_argument("--speed", type=positive, default=1.0, metavar="X", help="times real time (default: 1)")
    mqtt.add_argument("--username", metavar="NAME")
    mqtt.add_argument("--password-file", type=Path, metavar="FILE")
    mqtt.add_argument("--ca-file", type=Path, metavar="FILE", help="speak TLS and trust this authority (PEM)")


def run(args: argparse.Namespace) -> int:
    """Write the files, or publish until the duration is over or SIGINT or SIGTERM arrives.

    Raises:
        OutputError: a file cannot be written.
        UnavailableError: the broker cannot be reached.

    """
    from monitor.demo.simulate_run import publish, write  # noqa: PLC0415  # keeps numpy and paho out of --help

    try:
        return write(args) if args.out else publish(args)
    except ValueError as error:
        args.usage_error(str(error))
        raise  # not reached: argparse exits
