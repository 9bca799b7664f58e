"""What is fed: fleets of devices whose telemetry is mostly normal, laid out as devices lay it out.

A workload is one or more kinds of devices (`Telemetry`). All values come from one formula, so that the models can be
fitted to it and alerts are rare but possible: each device runs through the harmonics of a common cycle, which reach
each of its channels with a fixed amplitude and phase, and sensor noise is on top. Everything here is pure and seeded.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

Payload = Literal["json", "binary", "number"]

HARMONICS = 4
# No simple fraction: windows that follow one another must begin in ever other phases, or a model learns a few. After
# `CYCLE_WINDOWS` it starts over.
CYCLES_PER_WINDOW = 1.62
CYCLE_WINDOWS = 50
NOISE = 0.05  # standard deviation; the harmonics have amplitudes around 1
JSON_DECIMALS = 4


@dataclass(frozen=True, slots=True)
class Telemetry:
    """One kind of device: how many there are, what they measure, how they send it and which model judges it.

    name: of source, model and topics. fit: the `[model]` table of the trainer's settings file. A message carries all
    channels of `samples_per_message` samples, except that a `number` is one sample of one channel. JSON carries one
    channel.
    """

    name: str
    payload: Payload
    streams: int
    channels: int
    samples_per_message: int
    sample_rate_hz: float
    window: int
    stride: int
    fit: str

    @property
    def channel_groups(self) -> int:
        """How many topics: one per device, or one per channel where a message is one number."""
        return self.streams * (self.channels if self.payload == "number" else 1)

    @property
    def message_period_seconds(self) -> float:
        """How long until the same topic comes again."""
        return self.samples_per_message / self.sample_rate_hz

    @property
    def messages_per_second(self) -> float:
        """Over all topics, in real time."""
        return self.channel_groups / self.message_period_seconds

    @property
    def topic_pattern(self) -> str:
        """The topic with placeholders, as the daemon's configuration has it."""
        return f"{self.name}/{{device}}/{{channel}}" if self.payload == "number" else f"{self.name}/{{device}}"

    @property
    def topic_filter(self) -> str:
        """What to subscribe to."""
        return f"{self.name}/+/+" if self.payload == "number" else f"{self.name}/+"

    @property
    def channel_names(self) -> tuple[str, ...]:
        """The channels, in the order of the payload."""
        return tuple(f"c{channel:02}" for channel in range(self.channels))

    def topics(self) -> list[str]:
        """The topics, stream by stream. Devices of two kinds are named apart: they share no stream."""
        devices = [f"{self.name}/{self.name[0]}{stream:04}" for stream in range(self.streams)]
        if self.payload == "number":
            return [f"{device}/{channel}" for device in devices for channel in self.channel_names]
        return devices

    def windows_of(self, samples: int) -> int:
        """How many windows a gapless stream of so many samples gives."""
        return max(0, (samples - self.window) // self.stride + 1)

    def signals(self, streams: int, samples: int, seed: int, noise: float = NOISE) -> NDArray[np.float32]:
        """Telemetry of so many devices: float32 [S, n, C]. What channels have in common does not depend on `seed`."""
        physics = np.random.default_rng([self.channels, self.window])
        amplitude = physics.normal(1.0, 0.3, (self.channels, HARMONICS)) / np.arange(1, HARMONICS + 1)
        phase = physics.uniform(0.0, 2 * np.pi, (self.channels, HARMONICS))
        rng = np.random.default_rng([self.channels, self.window, seed])
        begins = rng.uniform(0.0, 2 * np.pi, (streams, 1))
        angle = begins + np.arange(samples) * (2 * np.pi * CYCLES_PER_WINDOW / self.window)  # [S, n]
        values = rng.normal(0.0, noise, (streams, samples, self.channels)).astype(np.float32)
        for channel in range(self.channels):
            for harmonic in range(HARMONICS):
                wave = np.sin((harmonic + 1) * angle + phase[channel, harmonic])
                values[:, :, channel] += (amplitude[channel, harmonic] * wave).astype(np.float32)
        return values


@dataclass(frozen=True, slots=True)
class Workload:
    """What one figure is measured with. qos: of publishing and subscribing."""

    key: str
    title: str
    parts: tuple[Telemetry, ...]
    qos: Literal[0, 1] = 0

    @property
    def messages_per_second(self) -> float:
        """Over all parts, in real time."""
        return sum(part.messages_per_second for part in self.parts)

    def with_streams(self, streams: int) -> "Workload":
        """The same with so many devices of each kind."""
        return replace(self, parts=tuple(replace(part, streams=streams) for part in self.parts))


@dataclass(frozen=True, slots=True)
class Messages:
    """The messages of a workload in the order in which they are sent: N of them.

    due_seconds: float64 [N], ascending, when each is sent if it goes in real time, from 0. windows: how many windows
    they complete.
    """

    topics: list[bytes]
    payloads: list[bytes]
    due_seconds: NDArray[np.float64]
    windows: int

    def __len__(self) -> int:
        """How many messages."""
        return len(self.payloads)


def generate(workload: Workload, seconds: float, end_seconds: float, seed: int = 1) -> Messages:
    """Make so many seconds of a workload, rounded down to whole messages of every topic.

    end_seconds: epoch; the last timestamps in payloads lie just before it.
    """
    topics: list[bytes] = []
    payloads: list[bytes] = []
    dues: list[NDArray[np.float64]] = []
    windows = 0
    for part in workload.parts:
        # the least excess is rounding: 61 s at 1 Hz are 61 messages, not 60
        ticks = int(seconds / part.message_period_seconds + 1e-9)
        names = [topic.encode() for topic in part.topics()]
        due = (np.arange(ticks * part.channel_groups) / part.channel_groups) * part.message_period_seconds
        topics += names * ticks
        payloads += _payloads(part, ticks, end_seconds - seconds + due, seed)
        dues.append(due)
        windows += part.streams * part.windows_of(ticks * part.samples_per_message)
    due_seconds = np.concatenate(dues)
    order = np.argsort(due_seconds, kind="stable").tolist()
    return Messages([topics[at] for at in order], [payloads[at] for at in order], due_seconds[order], windows)


def _payloads(part: Telemetry, ticks: int, first_seconds: NDArray[np.float64], seed: int) -> Iterator[bytes]:
    """The payloads of one kind of device, tick by tick and channel group by channel group."""
    values = part.signals(part.streams, ticks * part.samples_per_message, seed)
    # [S, tick, n, C] -> [tick, S, n, C]
    blocks = values.reshape(part.streams, ticks, part.samples_per_message, part.channels).swapaxes(0, 1)
    if part.payload == "binary":
        return (block.astype("<f4").tobytes() for tick in blocks for block in tick)
    rounded = np.round(blocks.astype(np.float64), JSON_DECIMALS)
    if part.payload == "number":
        return (b"%.*f" % (JSON_DECIMALS, number) for number in rounded.ravel().tolist())
    encode = msgspec.json.Encoder().encode
    rows = rounded.reshape(ticks * part.streams, part.samples_per_message).tolist()
    times = np.round(first_seconds, 6).tolist()
    return (encode({"ts": time, "values": row}) for time, row in zip(times, rows, strict=True))


_DENSE_140 = 'family = "dense"\nhidden = [64, 32, 8]\nactivation = "relu"\n'
_VIBRATION = Telemetry(
    name="vibration",
    payload="binary",
    streams=50,
    channels=3,
    samples_per_message=1000,
    sample_rate_hz=1000.0,
    window=256,
    stride=256,
    fit='family = "conv"\nfeatures = [16, 32, 32]\nactivation = "relu"\n',
)
_WARD = Telemetry(
    name="ward",
    payload="json",
    streams=100,
    channels=1,
    samples_per_message=10,
    sample_rate_hz=360.0,
    window=140,
    stride=140,
    fit=_DENSE_140,
)

W1 = Workload("W1", "ward: JSON of 10 numbers, 100 streams, dense 140-64-32-8", (_WARD,))
W2 = Workload("W2", "vibration: binary 3 x 1000 samples, 50 streams, convolutional 3 x 256", (_VIBRATION,))
W3 = Workload(
    "W3",
    "station: 20,000 topics of one number at 1 Hz, 400 streams x 50 channels",
    (
        Telemetry(
            name="station",
            payload="number",
            streams=400,
            channels=50,
            samples_per_message=1,
            sample_rate_hz=1.0,
            window=60,
            stride=10,
            fit='family = "dense"\nhidden = [64, 16]\nactivation = "relu"\n',
        ),
    ),
)
W4 = Workload(
    "W4",
    "mixed fleet, QoS 1: 1,000 streams of JSON arrays of 25 samples a second, and 50 of W2",
    (
        replace(_WARD, name="fleet", streams=1000, samples_per_message=25, sample_rate_hz=25.0),
        _VIBRATION,
    ),
    qos=1,
)
WORKLOADS = {workload.key: workload for workload in (W1, W2, W3, W4)}
