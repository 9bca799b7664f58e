"""The work of `residuald simulate`: wires simulators to files, or to a broker."""

import argparse
import math
import signal
import threading

from rich.console import Console

from monitor.demo.device_fleet import Broker, Payload, SimulatedDevice, SimulatedFleet
from monitor.demo.simulated_files import SUFFIXES, numbered, write_files
from monitor.simulators.catalogue import Profile
from monitor.simulators.ecg import Ecg
from monitor.simulators.fault import Fault
from monitor.simulators.motor import Motor
from monitor.simulators.simulator import Simulator

_FILE_SECONDS = 600.0


def _simulators(args: argparse.Namespace, default_run: int) -> list[Simulator]:
    if args.fault and args.fault_device > args.devices:
        raise ValueError(f"--fault-device {args.fault_device}: --devices is only {args.devices}")
    run_number = default_run if args.run_number is None else args.run_number
    made: list[Simulator] = []
    for device in range(1, args.devices + 1):
        faults = [_fault(args)] if args.fault and device == args.fault_device else []
        common = {"seed": args.seed, "device": device, "run": run_number, "sample_rate_hz": args.sample_rate}
        if args.kind == "motor":
            made.append(Motor(**common, faults=faults, profile=Profile(args.profile)))
        else:
            made.append(Ecg(**common, faults=faults))
    return made


def _fault(args: argparse.Namespace) -> Fault:
    return Fault(
        name=args.fault,
        onset_seconds=args.fault_after,
        severity=args.severity,
        ramp_seconds=args.fault_ramp,
        end_seconds=args.fault_after + args.fault_for,
        channel=args.fault_channel if args.kind == "motor" else None,
    )


def write(args: argparse.Namespace) -> int:
    """Write one file per device."""
    if args.out.suffix not in SUFFIXES:
        raise ValueError(f"--out {args.out}: the name must end in {' or '.join(SUFFIXES)}")
    paths, simulators = numbered(args.out, args.devices), _simulators(args, default_run=0)
    seconds = args.duration or _FILE_SECONDS
    all_episodes = write_files(paths, simulators, seconds, Console(stderr=True), args.bursts)
    for path, episodes in zip(paths, all_episodes, strict=True):
        print(f"{path}: {seconds:g} s of {args.kind} at {args.sample_rate:g} Hz", end="")
        spans = [f"{episode.start_seconds:g} to {episode.end_seconds:g} s" for episode in episodes]
        more = f" and {len(spans) - 3} more" if len(spans) > 3 else ""
        print(f", {args.fault} at {', '.join(spans[:3])}{more}" if spans else ", healthy")
    return 0


def publish(args: argparse.Namespace) -> int:
    """Publish all devices until the end, and say what happens."""
    fleet = _fleet(args)
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        fleet.start()
        try:
            _watch(fleet, stop)
        finally:
            fleet.stop()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    status = fleet.status
    print(f"{status.messages} messages published, {status.unsent} lost, {status.simulated_seconds:.1f} s simulated")
    return 0


def _fleet(args: argparse.Namespace) -> SimulatedFleet:
    host, port = args.broker
    try:
        password = args.password_file.read_text().rstrip("\r\n") if args.password_file else None
        return SimulatedFleet(
            Broker(host, port, args.username, password, args.ca_file),
            [
                SimulatedDevice(
                    f"{'motor' if args.kind == 'motor' else 'bed'}-{number}",
                    args.topic,
                    simulator,
                    Payload(args.payload),
                )
                for number, simulator in enumerate(_simulators(args, default_run=1), start=1)
            ],
            message_period_seconds=1 / args.rate,
            qos=args.qos,
            speed=args.speed,
            duration_seconds=args.duration or math.inf,
        )
    except OSError as error:
        raise ValueError(f"cannot read {error.filename or args.ca_file}: {error.strerror or error}") from error


def _watch(fleet: SimulatedFleet, stop: threading.Event) -> None:
    """Say what happens until the end: one live line on a terminal, a line per fault everywhere."""
    console = Console(stderr=True, highlight=False)
    more = f" and {len(fleet.devices) - 1} more" if len(fleet.devices) > 1 else ""
    console.print(f"publishing to {fleet.devices[0].topic}{more}; Ctrl-C ends it")
    shown: dict[str, tuple[str, ...]] = {}
    with console.status("") as line:
        while not stop.is_set() and not fleet.wait(0.2):
            status = fleet.status
            for device in sorted(shown.keys() | status.faults.keys()):
                if status.faults.get(device) != shown.get(device):
                    names = ", ".join(status.faults.get(device, ())) or "healthy"
                    console.print(f"{status.simulated_seconds:8.1f} s  {device}: {names}")
            shown = status.faults
            lost = f", {status.unsent} lost" if status.unsent else ""
            behind = f", {status.behind_seconds:.0f} s behind" if status.behind_seconds > 1 else ""
            away = "" if status.connected else ", broker away"
            line.update(f"{status.simulated_seconds:.1f} s, {status.messages} messages{lost}{behind}{away}")
