"""`residuald replay`: recordings through the very pipeline that the daemon runs."""

import argparse
import math
import mmap
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from monitor.commands.arguments import positive
from monitor.commands.json_lines import JsonLines
from monitor.commands.label_arguments import instant
from monitor.core.alerting.decision_rule import DecisionSettings
from monitor.core.dataset.capture import Capture, CaptureError, read_capture
from monitor.core.dataset.cutting import PIECE_SAMPLES, recording_blocks, recording_rows, segments_of
from monitor.core.dataset.recording import Recording, RecordingError, WindowSet, parse_recording
from monitor.core.grid.sample_grid import GridRules
from monitor.core.streams.model_group import ModelGroup
from monitor.core.streams.sample_rates import is_other_rate
from monitor.core.values.messages import Message, MessageBatch, TopicTable
from monitor.core.windows.stream_windows import WindowBatch
from monitor.errors import DataError
from monitor.pipeline.pipeline import Moment, Pipeline, PipelineSettings, Step
from monitor.settings.regular_file import open_regular, read_regular

if TYPE_CHECKING:  # loading it loads torch
    from monitor.adapters.engines.loader import Artifact

_EPILOG = """\
Prints one JSON line per window and one per alert step, in the order of events:
  {"kind":"window","stream":…,"time":…,"verdict":"normal","quality":"good","score":…,"error":…,"channel":…,"masked":[]}
  {"kind":"alert","phase":"firing","id":…, …as on MQTT…}
and one per message that is refused; at the end one for each reason for which samples of a stream were refused:
  {"kind":"discard","source":…,"topic":…,"reason":…,"detail":…}
  {"kind":"discard","source":…,"stream":…,"reason":…,"samples":…,"detail":…}
Which streams had samples refused, or have another sampling rate than their model, goes to standard error, too.

examples:
  residuald replay --model models/motor recordings/fault.npz
  residuald replay --model models/motor --speed 1 recordings/fault.npz      as slowly as it happened
  residuald replay --config configs/monitor.toml night.capture              messages kept by `residuald record`
  residuald replay --model models/motor --since "30d ago" --alerts-only journal/history.sqlite

Of a history (`residuald history`) each stream is walked through on its own; which share of its time is covered by
samples goes to standard error and into a line {"kind":"covered","stream":…,"share":…}.

Of a capture that was cut off (a crash, a full disk) all whole messages are replayed; how much is left over goes to
standard error.

exit codes:
  0 replayed   65 a file cannot be used   66 the model cannot be used   78 the configuration cannot be used
"""
_PIECE_SECONDS = 0.1  # what a live stream would bring at a time
_MAX_RECORDING_BYTES = 2 * 2**30  # a CSV or NPZ file is held in memory, and more than once
_STEP_JITTER = 0.7  # over the root of their number: how far the median of irregular steps may be off
HISTORY_SUFFIX = ".sqlite"
_MAX_BATCH = 256  # fixed, so that the same recording always gives the same figures to the last digit

_Data = TypeVar("_Data")
_Content = TypeVar("_Content")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe `residuald replay`."""
    parser = subparsers.add_parser(
        "replay",
        help="score recordings as the daemon would",
        description="Send recordings (CSV, NPZ, captures) through the pipeline of the daemon and print what it says.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "files", type=Path, nargs="+", metavar="FILE", help="each CSV or NPZ file is one stream; history.sqlite"
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--model", type=Path, metavar="PATH", help="a model's folder or an artifact (for CSV and NPZ)")
    source.add_argument("--config", type=Path, metavar="FILE", help="a configuration (for captures)")
    parser.add_argument(
        "--speed", type=positive, metavar="FACTOR", help="1 is real time; as fast as it goes when left out"
    )
    kept = parser.add_argument_group("of a history (history.sqlite), all of whose streams of the model are replayed")
    kept.add_argument("--stream", metavar="S", help="this stream alone")
    kept.add_argument("--since", type=instant, default=-math.inf, metavar="T", help="from then on, e.g. `30d ago`")
    kept.add_argument("--until", type=instant, default=math.inf, metavar="T", help="until then")
    kept.add_argument("--as-model", metavar="M", help="of this model of the daemon's (default: as the artifact says)")
    parser.add_argument("--alerts-only", action="store_true", help="leave the windows out")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Replay the files, one after another.

    Raises:
        DataError: a file cannot be read or does not fit the model.
        ArtifactError: the model cannot be used.
        ConfigError: the configuration cannot be used.

    """
    from monitor.adapters.engines.loader import load_artifact  # noqa: PLC0415 - keeps torch out of --help
    from monitor.setup.build import build_pipeline, load_setup  # noqa: PLC0415

    printer = JsonLines(sys.stdout, sys.stderr, alerts_only=args.alerts_only)
    pace = _pace(args.speed)
    if args.config is not None:
        setup = load_setup(args.config)
        for path in args.files:
            pipeline = build_pipeline(setup, printer.discard)
            capture = _read(path, _mapped, read_capture)
            try:
                for step in _replay_capture(pipeline, capture, pace):
                    printer.show(step, pipeline)
            except CaptureError as error:  # a record is damaged: what came before it is replayed
                raise DataError(f"{path}: {error}") from None
            printer.sum_up(path, pipeline)
            if capture.leftover_bytes:
                _tell_cut_off(path, capture)
        return 0
    artifact = load_artifact(args.model, max_batch=_MAX_BATCH)
    for path in args.files:
        for whole in _contents(path, artifact, args, printer):
            content = _fitting(path, whole, artifact)
            pipeline = _pipeline_for(artifact)
            model_group = pipeline.model_groups[artifact.manifest.model]
            channel_groups = [list(range(len(model_group.measured)))]
            stream = model_group.open_stream(content.name, {}, channel_groups)
            if isinstance(content, WindowSet):
                steps = _replay_windows(pipeline, model_group, content, stream)
            else:
                steps = _replay_recording(pipeline, model_group, content, channel_groups, pace if args.speed else None)
            for step in steps:
                printer.show(step, pipeline)
            printer.sum_up(path, pipeline)
    return 0


def _contents(
    path: Path, artifact: "Artifact", args: argparse.Namespace, printer: JsonLines
) -> Iterator[Recording | WindowSet]:
    """What there is in a file: one stream, or those of a history."""
    if path.suffix.lower() != HISTORY_SUFFIX:
        yield _read(path, _whole, partial(parse_recording, path.name))
        return
    from monitor.commands.replay_history import remembered_streams  # noqa: PLC0415 - keeps rich out of --help

    for stream in remembered_streams(path, artifact.manifest.model, args):
        printer.tell_covered(path, stream.recording.name, stream.share, stream.told)
        yield stream.recording


def _replay_recording(
    pipeline: Pipeline,
    model_group: ModelGroup,
    recording: Recording,
    channel_groups: list[list[int]],
    pace: Callable[[float], None] | None,
) -> Iterator[Step]:
    piece = PIECE_SAMPLES
    if pace is not None:
        piece = max(1, round(_PIECE_SECONDS / recording.sample_period_seconds))
    ratio = recording.sample_period_seconds / model_group.manifest.sample_period_seconds
    slack = _STEP_JITTER / math.sqrt(len(recording.samples))
    if is_other_rate(ratio, model_group.inputs.rates.tolerance + slack):  # too short a file to see it step by step
        model_group.inputs.rates.put(0, ratio)
    for segment in segments_of(recording):
        model_group.windows.open_stream(0, channel_groups)
        pieces = zip(recording_rows(segment, piece), recording_blocks(segment, piece_samples=piece), strict=True)
        for rows, blocks in pieces:
            model_group.inputs.observe(rows)
            arrival = float(blocks.arrival_seconds[-1])
            if pace is not None:
                pace(arrival)
            model_group.ingest(blocks, arrival)
            yield pipeline.score(Moment(arrival, arrival))
    yield pipeline.score(Moment(arrival, arrival), everything=True)


def _replay_windows(pipeline: Pipeline, model_group: ModelGroup, content: WindowSet, stream: int) -> Iterator[Step]:
    """Ready-made windows are taken to follow one another without overlap, from second 0."""
    count, _, length = content.windows.shape
    ends = (np.arange(1, count + 1) * length - 1) * model_group.manifest.sample_period_seconds
    coverage = np.ones(content.windows.shape[:2], np.float32)
    batch = WindowBatch(np.full(count, stream), ends, ends, coverage, content.windows)
    model_group.batch.add(batch, 0.0)
    yield pipeline.score(Moment(float(ends[-1]), 0.0), everything=True)


def _replay_capture(pipeline: Pipeline, capture: Capture, pace: Callable[[float], None]) -> Iterator[Step]:
    first, last = -math.inf, 0.0
    messages: list[Message] = []
    topics = TopicTable()
    for message in capture:
        if message.arrival_seconds > first + _PIECE_SECONDS:
            pace(last)
            yield pipeline.step(MessageBatch.of(messages, topics), Moment(last, last))
            messages, first = [], message.arrival_seconds
        last = message.arrival_seconds
        messages.append(message)
    yield pipeline.step(MessageBatch.of(messages, topics), Moment(last, last), everything=True)


def _tell_cut_off(path: Path, capture: Capture) -> None:
    print(
        f"residuald: {path}: cut off: its last {capture.leftover_bytes} bytes are no whole message "
        f"(whole messages replayed: {capture.message_count})",
        file=sys.stderr,
    )


def _pipeline_for(artifact: "Artifact") -> Pipeline:
    manifest = artifact.manifest
    rules = GridRules(manifest.sample_period_seconds, manifest.window.length, manifest.window.max_gap_samples)
    model_group = ModelGroup(
        manifest.model, manifest, rules, DecisionSettings(), max_batch=artifact.max_batch, max_delay_seconds=0.0
    )
    return Pipeline(
        (), {model_group.name: model_group}, {model_group.name: artifact.scorer}, PipelineSettings(), time.monotonic
    )


def _read(path: Path, load: Callable[[Path], _Data], parse: Callable[[_Data], _Content]) -> _Content:
    try:
        return parse(load(path))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
    except (RecordingError, CaptureError) as error:
        raise DataError(f"{path}: {error}") from None


def _whole(path: Path) -> bytes:
    return read_regular(path, _MAX_RECORDING_BYTES)


def _mapped(path: Path) -> bytes | memoryview:
    """The content of a file that may be larger than the memory."""
    with open_regular(path) as file:
        empty = os.fstat(file.fileno()).st_size == 0
        return b"" if empty else memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _fitting(path: Path, content: Recording | WindowSet, artifact: "Artifact") -> Recording | WindowSet:
    """The model's channels of a file, in the model's order."""
    manifest = artifact.manifest
    # windows that somebody else has cut bring all channels, samples those that are measured
    wanted = manifest.measured_names if isinstance(content, Recording) else manifest.channel_names
    missing = [name for name in wanted if name not in content.channels]
    if missing:
        raise DataError(
            f"{path}: lacks {', '.join(missing)} of the model's channels; has {', '.join(content.channels)}"
        )
    columns = [content.channels.index(name) for name in wanted]
    if isinstance(content, Recording):
        return replace(content, channels=wanted, samples=content.samples[:, columns])
    if content.windows.shape[2] != artifact.manifest.window.length:
        length = artifact.manifest.window.length
        raise DataError(f"{path}: windows of {content.windows.shape[2]} samples; the model takes {length}")
    return replace(content, channels=wanted, windows=content.windows[:, columns])


def _pace(speed: float | None) -> Callable[[float], None]:
    """Sleep until `speed` times as much has happened as in real time; no speed: never."""
    began: list[float] = []

    def wait(event_seconds: float) -> None:
        if speed is None:
            return
        if not began:
            began.extend((event_seconds, time.monotonic()))
        time.sleep(max(0.0, began[1] + (event_seconds - began[0]) / speed - time.monotonic()))

    return wait
