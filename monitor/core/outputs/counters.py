"""The counters: what the pipeline counts that belongs to no single stream. Read at scrape time, written only by it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from monitor.core.values.discards import Reason
from monitor.core.values.histogram import Histogram
from monitor.core.values.snapshots import State

_INFERENCE_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5)
_BATCH_WINDOWS = (1, 4, 16, 64, 256, 1024, 4096)
_END_TO_END_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 10.0)


@dataclass(slots=True)
class Counters:
    """What was counted."""

    received: Counter[str] = field(default_factory=Counter)  # by source
    discarded: Counter[tuple[str, Reason]] = field(default_factory=Counter)  # by source and reason
    alert_steps: Counter[str] = field(default_factory=Counter)  # by phase
    commands: Counter[tuple[str, str]] = field(default_factory=Counter)  # by command and result
    inference_seconds: dict[str, Histogram] = field(default_factory=dict)  # by model
    batch_windows: dict[str, Histogram] = field(default_factory=dict)  # by model
    end_to_end_seconds: Histogram = field(default_factory=lambda: Histogram(_END_TO_END_SECONDS))

    def begin(self, models: Iterable[str]) -> None:
        """Be ready to count what these models do."""
        for model in models:
            self.inference_seconds.setdefault(model, Histogram(_INFERENCE_SECONDS))
            self.batch_windows.setdefault(model, Histogram(_BATCH_WINDOWS))

    def snapshot(self) -> State:
        """All counts, to be kept."""
        return {
            "received": dict(self.received),
            "discarded": [[source, reason.value, count] for (source, reason), count in self.discarded.items()],
            "alert_steps": dict(self.alert_steps),
            "commands": [[command, result, count] for (command, result), count in self.commands.items()],
            "inference_seconds": {name: counts.snapshot() for name, counts in self.inference_seconds.items()},
            "batch_windows": {name: counts.snapshot() for name, counts in self.batch_windows.items()},
            "end_to_end_seconds": self.end_to_end_seconds.snapshot(),
        }

    def restore(self, state: State) -> None:
        """Count on from this state."""
        self.received = Counter(state["received"])
        self.discarded = Counter({(source, Reason(name)): count for source, name, count in state["discarded"]})
        self.alert_steps = Counter(state["alert_steps"])
        # changed, not replaced: the command handler counts in it
        self.commands.clear()
        self.commands.update({(command, result): count for command, result, count in state["commands"]})
        self.end_to_end_seconds.restore(state["end_to_end_seconds"])
        for kept, histograms in ("inference_seconds", self.inference_seconds), ("batch_windows", self.batch_windows):
            for name in histograms.keys() & state[kept].keys():
                histograms[name].restore(state[kept][name])
