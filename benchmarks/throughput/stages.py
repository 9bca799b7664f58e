"""Where a message's processor time goes: the walk of a workload in this process, stage by stage, without a network."""

import argparse
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.common.artifacts import FitError, artifact_folder
from benchmarks.common.packets import publish_packets
from benchmarks.common.targets import add_common_options, write_json
from benchmarks.common.workloads import W1, W2, Workload, generate
from benchmarks.throughput.contestants import daemon_config
from monitor.adapters.engines.torchscript import TorchScriptScorer
from monitor.adapters.mqtt.frames import FrameReader
from monitor.adapters.mqtt.inbound_session import InboundSession
from monitor.adapters.mqtt.inbox import Inbox
from monitor.adapters.mqtt.outbound_session import OutboundSession
from monitor.core.decode.binary_format.decoder import BinaryDecoder
from monitor.core.decode.json_format.decoder import JsonDecoder
from monitor.core.ports import TAKE_LIMITS
from monitor.core.streams.model_group import ModelGroup
from monitor.pipeline.pipeline import Moment, Pipeline
from monitor.setup.build import build_pipeline, load_setup

_DESCRIPTION = """\
Feed prebuilt packets to the daemon's own parts, one after another in one thread: cut them out of the stream, put them
into the inbox and take them out, decode, write rings and cut windows, assess and normalize, score, judge. What the
network thread and the kernel do besides is not in it; `throughput.py --mode direct` measures the sum.
"""
_EPILOG = """\
examples:
  python -m benchmarks.stages                  W1 and W2, half a minute
  python -m benchmarks.stages --quick

exit codes: 0 measured, 1 void
"""
_WALK = "routing, and the rest of the walk"
# no stage is within another, but all from `decoding` on within the walk
_STAGES: tuple[tuple[str, tuple[tuple[type, str], ...]], ...] = (
    ("framing", ((FrameReader, "feed"),)),
    ("inbox", ((Inbox, "extend"), (Inbox, "take"))),
    (_WALK, ((Pipeline, "step"),)),
    ("decoding", ((JsonDecoder, "decode"), (BinaryDecoder, "decode"))),
    ("sample grid, rings, windows", ((ModelGroup, "ingest_all"),)),
    ("quality and normalization", ((ModelGroup, "prepare"),)),
    ("model", ((TorchScriptScorer, "score"),)),
    ("verdicts and alerts", ((ModelGroup, "conclude"),)),
)
_WITHIN_WALK = tuple(name for name, _ in _STAGES[3:])
_SECONDS = {W1.key: 10.0, W2.key: 15.0}  # of telemetry in a round

Microseconds = dict[str, float]  # by stage, per message


def measure(workload: Workload, rounds: int, seconds: float) -> list[Microseconds]:
    """Walk through so many rounds of telemetry, after one that opens streams."""
    messages = generate(workload, seconds * (rounds + 1), time.time())
    packets = publish_packets(messages, 0, mqtt5=True)
    stops = [len(messages) * number // (rounds + 1) for number in range(1, rounds + 2)]
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "residuald.toml")
        config.write_text(daemon_config(1883, 9108, workload, len(messages)))
        pipeline = build_pipeline(load_setup(config), _refuse)
    reader, inbox = FrameReader(True, 2**22, InboundSession(), OutboundSession(mqtt5=True)), Inbox(len(messages), 2**32)
    found: list[Microseconds] = []
    start = 0
    for stop in stops:
        with _stopwatch() as seconds_by_stage:
            for chunk in packets.chunks(start, stop):
                inbox.extend(reader.feed(bytes(chunk), time.time()))
            # under load so much waits that each walk takes all it may
            while taken := inbox.take(TAKE_LIMITS):
                pipeline.step(taken, Moment(time.time(), time.monotonic()))
        seconds_by_stage[_WALK] -= sum(seconds_by_stage[name] for name in _WITHIN_WALK)
        found.append({name: seconds_by_stage[name] / (stop - start) * 1e6 for name, _ in _STAGES})
        start = stop
    received = sum(pipeline.counters.received.values())
    if received != len(messages):
        raise RuntimeError(f"{workload.key}: {received:,} messages came through of {len(messages):,}")
    return found[1:]


@contextmanager
def _stopwatch() -> Iterator[dict[str, float]]:
    """Time all stages while the context lasts: seconds by stage."""
    seconds: dict[str, float] = defaultdict(float)

    def timed(stage: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **more: Any) -> Any:
            began = time.perf_counter()
            try:
                return call(*args, **more)
            finally:
                seconds[stage] += time.perf_counter() - began

        return wrapper

    with ExitStack() as stack:
        for stage, calls in _STAGES:
            for owner, name in calls:
                stack.enter_context(mock.patch.object(owner, name, timed(stage, getattr(owner, name))))
        yield seconds


def _refuse(source: str, topic: str, discard: Any) -> None:
    raise RuntimeError(f"{source} refused {topic}: {discard}")


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; its exit code."""
    parser = argparse.ArgumentParser(
        description=_DESCRIPTION, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_common_options(parser, Path("out/stages"))
    args = parser.parse_args(arguments)
    console = Console()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    workloads, rounds = (W1, W2), 2 if args.quick else 5
    try:
        for workload in workloads:
            artifact_folder(workload.parts[0])
        measured = {
            workload.key: measure(workload, rounds, _SECONDS[workload.key])
            for workload in track(workloads, "walking", console=console, transient=True)
        }
    except (FitError, RuntimeError) as error:
        console.print(f"[bold red]void:[/] {error}", highlight=False)
        return 1
    medians = {
        key: {stage: median(each[stage] for each in found) for stage, _ in _STAGES} for key, found in measured.items()
    }
    table = Table("us per message", *medians)
    for stage, _ in _STAGES:
        table.add_row(stage, *(f"{figures[stage]:.2f}" for figures in medians.values()))
    table.add_row("together", *(f"{sum(figures.values()):.2f}" for figures in medians.values()))
    console.print(table)
    if args.json:
        write_json(args.json, [], quick=args.quick, rounds=rounds, us_per_message=medians)
    return 0


if __name__ == "__main__":
    sys.exit(main())
