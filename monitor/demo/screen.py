"""What the demo shows: lines for what happens, and below them, on a terminal, a live table of all streams."""

import contextlib
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from monitor.demo.device_fleet import FleetStatus
from monitor.demo.observer import Alert, State
from monitor.demo.scrape import Metrics

_BAR_CELLS = 24
_BAR_SCORE = 2.0  # the score at the right end; the threshold is in the middle
_STATE_STYLES = {"normal": "green", "pending": "yellow", "firing": "bold red", "withheld": "magenta"}
_PHASE_STYLES = {"pending": "yellow", "firing": "bold red", "resolved": "green"}
_PLAIN_SECONDS = 5.0  # how often the scores are told where there is no table


class Screen:
    """Tells lines as they come, with the seconds since the start, and keeps the table up to date."""

    def __init__(self, console: Console, started_monotonic: float, *, live: bool) -> None:
        self.console = console
        self._started = started_monotonic
        self._live = live and console.is_terminal
        self._table: Live | None = None
        self._faults: set[tuple[str, str]] = set()
        self._told_scores = started_monotonic

    def tell(self, what: str, text: str, style: str = "") -> None:
        """Write one line."""
        line = Text.assemble(
            (f"{time.monotonic() - self._started:7.1f} s  ", "dim"), (f"{what:<9}", "bold"), (text, style)
        )
        self.console.print(line, soft_wrap=True)

    def tell_fault(self, device: str, fault: str) -> None:
        """Say, once, that a fault begins to show."""
        self._faults.add((device, fault))
        self.tell("fault", f"{device}: {fault} begins", "cyan")

    def faults_told(self, device: str) -> set[str]:
        """The faults of a device that were told; ectopic beats come and go, and once is enough."""
        return {fault for name, fault in self._faults if name == device}

    def tell_alert(self, alert: Alert) -> None:
        """Say that an alert began, fires or is over; one that never fired is not worth a line."""
        if alert.phase == "firing" or (alert.phase == "resolved" and alert.fired):
            text = f"{alert.phase} {alert.stream}, score {alert.score:.1f}, most in {alert.channel}"
            self.tell("ALERT", text, _PHASE_STYLES[alert.phase])

    def waiting(self, text: str) -> AbstractContextManager[object]:
        """Show that something goes on."""
        if self._live:
            return self.console.status(text)
        self.tell("wait", text)
        return contextlib.nullcontext()

    @contextlib.contextmanager
    def table(self) -> Iterator[None]:
        """Show the table below the lines."""
        if not self._live:
            yield
            return
        with Live(console=self.console, auto_refresh=False) as live:
            self._table = live
            yield
            self._table = None

    def update(self, states: dict[str, State], metrics: Metrics | None, fleet: FleetStatus) -> None:
        """Show the newest states and scores."""
        if metrics is None or not metrics.scores:
            return
        if self._table is not None:
            self._table.update(_render(dict(states), metrics, fleet), refresh=True)
        elif time.monotonic() - self._told_scores >= _PLAIN_SECONDS:
            self._told_scores = time.monotonic()
            scores = (f"{stream} {score:.2f}" for stream, score in sorted(metrics.scores.items()))
            self.tell("scores", ", ".join(scores))


def _render(states: dict[str, State], metrics: Metrics, fleet: FleetStatus) -> Group:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("stream", "state", "score", "", "most in", "simulated fault"):
        table.add_column(heading, justify="right" if heading == "score" else "left")
    for name, told in sorted(states.items()):
        score = metrics.scores.get(name)
        # a stream is named after its topic, so its device is the last part
        faults = ", ".join(fleet.faults.get(name.rpartition(".")[2], ()))
        table.add_row(
            name,
            Text(told.state, _STATE_STYLES.get(told.state, "dim")),
            "" if score is None else f"{score:.2f}",
            _bar(score or 0.0),
            told.channel or "",
            Text(faults, "cyan"),
        )
    counts = (
        f"{metrics.messages_received} messages, {metrics.messages_discarded} discarded, "
        f"{metrics.windows_scored} windows scored, {metrics.inference_seconds * 1000:.1f} ms a batch"
    )
    return Group("", table, Text(f"{counts}; Ctrl-C ends", "dim"))


def _bar(score: float) -> Text:
    """Draw the score on a line from 0 to twice the threshold, which is in the middle."""
    filled = round(min(score / _BAR_SCORE, 1.0) * _BAR_CELLS)
    middle = _BAR_CELLS // 2
    below, above = min(filled, middle), max(filled - middle, 0)
    return Text.assemble(
        ("━" * below, "green" if score < 1 else "red"),
        ("─" * (middle - below), "dim"),
        ("┃", "bold"),
        ("━" * above, "red"),
        ("─" * (_BAR_CELLS - middle - above), "dim"),
    )
