"""The devices of the chaos run: numbered messages with injected anomalies, on one topic or on several.

A device of several topics has a topic for each channel, of one source or of two. A gateway holds samples back and then
passes them on topic by topic, one topic whole after the other. An operator's commands belong to the messages of the
device that they are about: they are published in the same order.
"""

import json
import random
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

CHANNELS = ("a", "b")
RATE_HZ = 100.0
ROWS = 10  # per message
_CALM, _WILD = (40, 120), (15, 40)  # how many steps a stretch lasts
_HELD = (5, 60)  # how many steps a gateway holds back
_FIRING = 13  # steps after which an ill device has an alert, however its windows lie
_MUTED = 30  # steps that a mute lasts, until it is ended
_MUTE = b"4h"  # longer than any run, and than a clock may jump


@dataclass(frozen=True, slots=True)
class Sent:
    """A message as it was published. command: what an operator asks for with it; empty: it holds samples."""

    topic: str
    payload: bytes
    command: str = ""


@dataclass(frozen=True, slots=True)
class Expired:
    """Nothing came of the device for so long that its stream was forgotten."""


@dataclass(frozen=True, slots=True)
class Reconfigured:
    """The daemon went on with another configuration; all that was sent before had been walked through."""

    config: Path


@dataclass(frozen=True, slots=True)
class Lane:
    """A topic of a device, and the channel whose samples go there; None: all."""

    topic: str
    channel: int | None = None

    def payload(self, number: int, began: float, rows: np.ndarray) -> bytes:
        """The samples of step `number`, whose `rows` are float64 [ROWS, 2]."""
        values = rows if self.channel is None else rows[:, self.channel]
        name = "rows" if self.channel is None else "values"
        body = {"n": number, "ts": began + number * ROWS / RATE_HZ, name: np.round(values, 4).tolist()}
        return json.dumps(body).encode()


@dataclass
class Device:
    """One device: a wave, four times as strong while it is ill.

    stream: how the daemon calls it. commands: what an operator is to ask for, each while the device is ill. resting: it
    sends nothing.
    """

    stream: str
    number: int
    lanes: tuple[Lane, ...]
    rng: random.Random
    holds_back: bool = False
    resting: bool = False
    commands: list[str] = field(default_factory=list)
    history: list[Sent | Expired | Reconfigured] = field(default_factory=list)
    steps: int = 0
    _held: list[list[Sent]] = field(default_factory=list)
    _hold: int = 0
    _left: int = 0
    _ill: bool = True
    _ill_for: int = 0
    _muted_for: int = -1  # steps; -1: it is not muted

    @property
    def sent(self) -> list[Sent]:
        """All that was published for the device."""
        return [each for each in self.history if isinstance(each, Sent)]

    @property
    def is_firing(self) -> bool:
        """Whether it has been ill for long enough to have an alert."""
        return self._ill and self._ill_for >= _FIRING

    def fall_ill(self) -> None:
        """Begin an anomaly that lasts until an alert is open, and longer."""
        self._ill, self._left, self._ill_for = True, _WILD[1], 0

    def step(self, began: float, *, calm: bool = False) -> list[Sent]:
        """Measure `ROWS` samples more; the messages that are to be published now. began: event time of the first."""
        if self._left == 0 or calm:
            self._ill = not self._ill and not calm
            self._left = self.rng.randint(*(_WILD if self._ill else _CALM))
        self._left -= 1
        self._ill_for = self._ill_for + 1 if self._ill else 0
        messages = self._commands_due(calm=calm)
        rows = self._rows()
        self._held.append([Sent(lane.topic, lane.payload(self.steps, began, rows)) for lane in self.lanes])
        self.steps += 1
        self._hold -= 1
        if not self.holds_back or self._hold < 0:
            messages += self.flush()
        return messages

    def flush(self) -> list[Sent]:
        """What was held back, topic by topic."""
        messages = [step[at] for at in range(len(self.lanes)) for step in self._held]
        self._held.clear()
        self._hold = self.rng.randint(*_HELD)
        self.history += messages
        return messages

    def _commands_due(self, *, calm: bool) -> list[Sent]:
        found = []
        if self._muted_for >= 0:
            self._muted_for += 1
            if self._muted_for > _MUTED or calm:
                self._muted_for = -1
                found.append(Sent(f"residuald/{self.stream}/set/mute", b"", "unmute"))
        elif self.commands and self.is_firing:
            command = self.commands.pop(0)
            self._muted_for = 0 if command == "mute" else -1
            payload = _MUTE if command == "mute" else b""
            found.append(Sent(f"residuald/{self.stream}/set/{command}", payload, command))
        self.history += found
        return found

    def _rows(self) -> np.ndarray:
        first = self.steps * ROWS
        at = (first + np.arange(ROWS)) / RATE_HZ
        rows = wave(at)
        rows[:, 0] *= 4.0 if self._ill else 1.0
        return rows + np.random.default_rng((self.number, first)).normal(0, 0.05, rows.shape)


def wave(seconds: np.ndarray) -> np.ndarray:
    """What a healthy device measures at these times [N]: float64 [N, 2]."""
    return np.stack([np.sin(2 * np.pi * 5 * seconds), np.cos(2 * np.pi * 5 * seconds)], axis=1)


def plain_device(topic: str, number: int, rng: random.Random) -> Device:
    """A device whose messages hold all channels; the second level of the topic names it."""
    return Device(topic.split("/")[1], number, (Lane(topic),), rng)
