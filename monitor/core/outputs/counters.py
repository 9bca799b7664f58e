"""The counters: what the pipeline counts that belongs to no single stream. Read at scrape time, written only by it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from monitor.core.alerting.alerts import AlertStep
from monitor.core.alerting.end_reason import EndReason
from monitor.core.values.discards import Reason
from monitor.core.values.histogram import Histogram
from monitor.core.values.snapshots import Count, State

_INFERENCE_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5)
_BATCH_WINDOWS = (1, 4, 16, 64, 256, 1024, 4096)
_END_TO_END_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 10.0)


@dataclass(slots=True)
class Counters:
    """What was counted."""

    received: Counter[str] = field(default_factory=Counter)  # by source
    discarded: Counter[tuple[str, Reason]] = field(default_factory=Counter)  # by source and reason
    alert_steps: Counter[str] = field(default_factory=Counter)  # by phase
    alert_ends: Counter[str] = field(default_factory=Counter)  # by reason
    commands: Counter[tuple[str, str]] = field(default_factory=Counter)  # by command and result
    inference_seconds: dict[str, Histogram] = field(default_factory=dict)  # by model
    batch_windows: dict[str, Histogram] = field(default_factory=dict)  # by model
    end_to_end_seconds: Histogram = field(default_factory=lambda: Histogram(_END_TO_END_SECONDS))

    def begin(self, models: Iterable[str]) -> None:
        """Be ready to count what these models do."""
        for model in models:
            self.inference_seconds.setdefault(model, Histogram(_INFERENCE_SECONDS))
            self.batch_windows.setdefault(model, Histogram(_BATCH_WINDOWS))

    def count_step(self, step: AlertStep) -> None:
        """Count a step of an alert."""
        self.alert_steps[step.phase] += 1
        if step.reason is not None:
            self.alert_ends[step.reason.value] += 1

    def count_end(self, reason: EndReason) -> None:
        """Count the end of an alert of which only the reports of a former process are left."""
        self.alert_steps["resolved"] += 1
        self.alert_ends[reason.value] += 1

    def snapshot(self) -> State:
        """All counts, to be kept."""
        return {
            "received": dict(self.received),
            "discarded": [[source, reason.value, count] for (source, reason), count in self.discarded.items()],
            "alert_steps": dict(self.alert_steps),
            "alert_ends": dict(self.alert_ends),
            "commands": [[command, result, count] for (command, result), count in self.commands.items()],
            "inference_seconds": {name: counts.snapshot() for name, counts in self.inference_seconds.items()},
            "batch_windows": {name: counts.snapshot() for name, counts in self.batch_windows.items()},
            "end_to_end_seconds": self.end_to_end_seconds.snapshot(),
        }

    def restore(self, kept: "KeptCounters") -> None:
        """Count on from a snapshot. Reasons that there are no more are left out."""
        self.received = Counter(kept.received)
        self.discarded = Counter({(source, Reason(name)): n for source, name, n in kept.discarded if name in _REASONS})
        self.alert_steps = Counter(kept.alert_steps)
        self.alert_ends = Counter(kept.alert_ends)
        # changed, not replaced: the command handler counts in it
        self.commands.clear()
        self.commands.update({(command, result): count for command, result, count in kept.commands})
        self.end_to_end_seconds.restore(kept.end_to_end_seconds)
        histograms = (kept.inference_seconds, self.inference_seconds), (kept.batch_windows, self.batch_windows)
        for theirs, ours in histograms:
            for name in ours.keys() & theirs.keys():
                ours[name].restore(theirs[name])


class KeptCounters(msgspec.Struct):
    """What a snapshot of counters is made of."""

    received: dict[str, Count]
    discarded: list[tuple[str, str, Count]]
    alert_steps: dict[str, Count]
    commands: list[tuple[str, str, Count]]
    inference_seconds: dict[str, Any]
    batch_windows: dict[str, Any]
    end_to_end_seconds: Any
    alert_ends: dict[str, Count] = {}  # which older versions did not count


_REASONS = frozenset(reason.value for reason in Reason)
