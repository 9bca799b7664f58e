"""A walk of devices whose channels come by several sources or topics, through a pipeline of one model."""

import json
import struct
from typing import Any

from monitor.core.sources.source import SourceSpec
from monitor.core.streams.notices import Notice
from monitor.core.values.messages import Message, MessageBatch
from monitor.pipeline.pipeline import Moment, Pipeline, PipelineSettings
from tests.manifests import MeanSquareScorer, manifest_of, model_group_of

Table = dict[str, Any]
START, PERIOD = 1_700_000_000.0, 0.125
CHANNELS = ("x", "y", "z")
JSON = {"kind": "json", "timestamp": "t"}
BOTH: tuple[Table, ...] = (  # a controller with two channels, a logger with one
    {"name": "controller", "topic": "plc/{device}", "channels": ["x", "y"], "format": JSON | {"fields": ["x", "y"]}},
    {"name": "logger", "topic": "loggers/{device}", "channels": ["z"], "format": JSON | {"values": "v"}},
)
WITHOUT_TIME = (BOTH[0], BOTH[1] | {"format": {"kind": "binary", "encoding": "f32"}})
ONE_TOPIC: tuple[Table, ...] = (  # all channels of a device at once
    {"name": "all", "topic": "plc/{device}", "format": JSON | {"fields": ["x", "y", "x"]}},
)
GATEWAY: Table = {"name": "gateway", "topic": "plant/{device}/{channel}", "format": JSON | {"values": "v"}}


class Walk:
    """A pipeline of windows of 8 samples every 4 that is fed by several topics for each device."""

    def __init__(self, *sources: Table, lateness_samples: int = 16) -> None:
        manifest = manifest_of(CHANNELS, sample_period_seconds=PERIOD)
        self.group = model_group_of(manifest, lateness_samples=lateness_samples)
        specs = tuple(SourceSpec.model_validate({"model": "m"} | source) for source in sources)
        scorers = {"m": MeanSquareScorer()}
        self.pipeline = Pipeline(specs, {"m": self.group}, scorers, PipelineSettings(), lambda: START)
        self.windows: list[tuple[str, float, float, float]] = []
        self.notices: list[Notice] = []
        self.pipeline.on_notice = lambda model, notice: self.notices.append(notice)

    def step(self, messages: list[Message]) -> None:
        now = self.latest_seconds = messages[-1].arrival_seconds
        step = self.pipeline.step(MessageBatch.of(messages), Moment(now, now), everything=True)
        for _, done in step.scored_batches:
            columns = done.windows.stream, done.windows.end_seconds, done.windows.arrival_seconds, done.score
            for stream, end, arrival, score in zip(*(column.tolist() for column in columns), strict=True):
                self.windows.append((self.group.streams.name(stream), round(end, 6), arrival, round(score, 5)))

    def told(self) -> object:
        return sorted(self.windows), self.group.samples_discarded, self.pipeline.counters.received


def controller(at: int, arrival: float, device: str = "m") -> Message:
    return Message(f"plc/{device}", json.dumps({"t": START + at * PERIOD, "x": 1.0, "y": at % 5}).encode(), arrival)


def logger(at: int, arrival: float, device: str = "m", *, timed: bool = True) -> Message:
    fields = json.dumps({"t": START + at * PERIOD, "v": at % 7}).encode()
    return Message(f"loggers/{device}", fields if timed else struct.pack("<f", at % 7), arrival)


def channel(name: str, at: int, arrival: float, clock_seconds: float = 0.0) -> Message:
    """A sample of one channel. clock_seconds: by how much its time stamp is ahead."""
    fields = {"t": START + at * PERIOD + clock_seconds, "v": at % 7}
    return Message(f"plant/m/{name}", json.dumps(fields).encode(), arrival)
