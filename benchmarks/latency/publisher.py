"""A fleet in real time: thousands of devices that publish when they should, a few of them anomalous now and then.

Run as a process of its own. Devices form groups that send the same values at the same moment, so that the packets of a
group are one join of bytes, and a hundred thousand messages a second leave time to spare. When the last message of each
window left is written down, to compare with when its alert came.
"""

import argparse
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.packets import publish_head
from benchmarks.common.workloads import Telemetry
from benchmarks.throughput.wire import Publisher, Wire

Record = TypeVar("Record")

_TICK_SECONDS = 0.001  # a group's turn comes about so often
_LIMIT = 1000.0
_NUMBER = b"%9.4f"  # blanks are no harm in JSON, and all packets of a group are equally long


@dataclass(frozen=True, slots=True)
class Plan:
    """What a fleet of S devices in G groups sends.

    topics: [S], equally long. normal, anomalous: float64 [G, K, n], the values of K messages that follow one another
    and start over. every: each device is anomalous in one of so many windows. A window ends with a message.
    """

    topics: NDArray[np.str_]
    normal: NDArray[np.float64]
    anomalous: NDArray[np.float64]
    messages_per_window: int
    message_period_seconds: float
    every: int

    @property
    def groups(self) -> int:
        """How many groups."""
        return len(self.normal)

    def members(self, group: int) -> NDArray[np.int64]:
        """The devices of a group, by number."""
        return np.arange(group, len(self.topics), self.groups)

    def is_anomalous(self, group: int, window: int) -> NDArray[np.bool_]:
        """Which members of a group are anomalous in a window (counted from 0); in its first, nobody."""
        members = len(self.members(group))
        turns = (group * members + np.arange(members) + window) % self.every
        return turns == 0 if window else np.zeros(members, np.bool_)

    def delay_messages(self, group: int) -> int:
        """How much later than others a group begins, so that windows do not all end at once."""
        return group % self.messages_per_window


def group_count(telemetry: Telemetry) -> int:
    """How many groups a fleet should have: as many as there are ticks until it is the first one's turn again."""
    ticks = round(telemetry.message_period_seconds / _TICK_SECONDS)
    return max(1, min(telemetry.streams, ticks))


@dataclass(frozen=True, slots=True)
class Sent:
    """What a fleet sent.

    group, window: int64 [N], the windows that were completed; monotonic_seconds: float64 [N], just before their last
    message left. first_seconds: float64 [G], event time of each group's first sample. messages: how many left;
    lag_seconds: how late the latest was.
    """

    group: NDArray[np.int64]
    window: NDArray[np.int64]
    monotonic_seconds: NDArray[np.float64]
    first_seconds: NDArray[np.float64]
    messages: int
    lag_seconds: float


def save(record: "Plan | Sent", path: Path) -> None:
    """Write a record as NPZ."""
    np.savez(path, **{field.name: getattr(record, field.name) for field in fields(record)})


def load(kind: type[Record], path: Path) -> Record:
    """Read what `save` wrote."""
    with np.load(path) as file:
        return kind(**{name: file[name] if file[name].ndim else file[name].item() for name in file.files})


class FleetPackets:
    """The packets of a fleet, group by group."""

    def __init__(self, plan: Plan, epoch_seconds: float) -> None:
        self.plan = plan
        self._tick = plan.message_period_seconds / plan.groups
        # a device sends when it has the last sample of a message
        self.first_seconds = np.array(
            [
                epoch_seconds + self._tick * group + (plan.delay_messages(group) - 1) * plan.message_period_seconds
                for group in range(plan.groups)
            ]
        )
        self._values = [_texts(each) for each in (plan.normal, plan.anomalous)]
        size = len(self._body(0, 0, 0))
        self._heads = [publish_head(topic.encode(), size) for topic in plan.topics.tolist()]
        self._turns: dict[int, _Turn] = {}  # by group

    def message(self, group: int, number: int) -> bytes:
        """Message `number` of every device of a group."""
        turn = self._turn(group, number // self.plan.messages_per_window)
        return self._body(group, number, 0).join(turn.normal) + self._body(group, number, 1).join(turn.anomalous)

    def _turn(self, group: int, window: int) -> "_Turn":
        turn = self._turns.get(group)
        if turn is None or turn.window != window:
            odd, members = self.plan.is_anomalous(group, window), self.plan.members(group)
            # the empty end puts a body behind the last head, too
            normal, anomalous = ([*(self._heads[at] for at in members[chosen].tolist()), b""] for chosen in (~odd, odd))
            turn = self._turns[group] = _Turn(window, normal, anomalous)
        return turn

    def _body(self, group: int, number: int, kind: int) -> bytes:
        seconds = self.first_seconds[group] + number * self.plan.message_period_seconds
        return b'{"ts":%.6f,"values":[%b]}' % (seconds, self._values[kind][group][number % self.plan.normal.shape[1]])


@dataclass(frozen=True, slots=True)
class _Turn:
    """What precedes the payloads of a group's devices during one window."""

    window: int
    normal: list[bytes]
    anomalous: list[bytes]


def publish(plan: Plan, wire: Wire, seconds: float, *, flood: bool) -> Sent:
    """Send so many seconds of a fleet when it is due, or (flood) as fast as it is taken."""
    packets = FleetPackets(plan, time.time())
    groups, last = plan.groups, plan.messages_per_window - 1
    tick = plan.message_period_seconds / groups
    completed: list[tuple[int, int, float]] = []
    messages, lag, began = 0, 0.0, time.monotonic()
    for turn in range(round(seconds / tick)):
        group = turn % groups
        number = turn // groups - plan.delay_messages(group)
        late = time.monotonic() - began - turn * tick
        if not flood and late < 0:
            time.sleep(-late)
        lag = max(lag, late)
        if number < 0:
            continue
        data = packets.message(group, number)
        if number % plan.messages_per_window == last:
            completed.append((group, number // plan.messages_per_window, time.monotonic()))
        wire.send(memoryview(data))
        messages += len(plan.members(group))
    columns = np.array(completed, np.float64).reshape(-1, 3)
    group_column, window_column = columns[:, :2].T.astype(np.int64)
    return Sent(group_column, window_column, columns[:, 2], packets.first_seconds, messages, lag)


def _texts(values: NDArray[np.float64]) -> list[list[bytes]]:
    if (np.abs(values) >= _LIMIT).any():
        raise ValueError(f"values must lie within {_LIMIT:g}, or packets would not be equally long")
    return [[b",".join(_NUMBER % number for number in message) for message in group] for group in values.tolist()]


def main() -> None:
    """Read the command line and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True, help="of the broker on this machine")
    parser.add_argument("--plan", type=Path, required=True, help="what to send (NPZ, see Plan)")
    parser.add_argument("--seconds", type=float, required=True, help="how much of it")
    parser.add_argument("--flood", action="store_true", help="not in real time, but as fast as it is taken")
    parser.add_argument("--sent", type=Path, required=True, help="where to write what was sent when (NPZ, see Sent)")
    args = parser.parse_args()
    wire = Publisher(args.port)
    save(publish(load(Plan, args.plan), wire, args.seconds, flood=args.flood), args.sent)
    wire.close()


if __name__ == "__main__":
    main()
