"""What the demo shows, from what the daemon tells."""

import io
import time

from rich.console import Console

from monitor.demo.device_fleet import FleetStatus
from monitor.demo.observer import Alert, State
from monitor.demo.scrape import Metrics
from monitor.demo.screen import Screen

METRICS = Metrics({"site1.motor-1": 0.5, "site1.motor-2": 12.0}, 10, 20, 3, 0.002)
FLEET = FleetStatus(1.0, 20, 0, 0.0, connected=True, faults={"motor-2": ("looseness",)})


def screen(*, terminal: bool, started: float | None = None) -> tuple[Screen, io.StringIO]:
    out = io.StringIO()
    console = Console(file=out, width=110, force_terminal=terminal, color_system=None, highlight=False)
    return Screen(console, time.monotonic() if started is None else started, live=True), out


def alert(phase: str, *, fired: bool) -> Alert:
    return Alert("7", phase, "site1.motor-2", fired, 12.0, "vib_y", 0.0)


def test_alerts_that_fired_are_told_and_others_are_not() -> None:
    shown, out = screen(terminal=False)
    for phase, fired in (("pending", False), ("resolved", False), ("firing", True), ("resolved", True)):
        shown.tell_alert(alert(phase, fired=fired))
    lines = out.getvalue().splitlines()
    assert [line.split()[2:5] for line in lines] == [
        ["ALERT", "firing", "site1.motor-2,"],
        ["ALERT", "resolved", "site1.motor-2,"],
    ]


def test_a_fault_that_comes_and_goes_is_told_once() -> None:
    shown, _ = screen(terminal=False)
    shown.tell_fault("bed-1", "pvc")
    assert shown.faults_told("bed-1") == {"pvc"}
    assert shown.faults_told("bed-2") == set()


def test_the_table_sets_state_score_and_simulated_fault_side_by_side() -> None:
    shown, out = screen(terminal=True)
    states = {name: State(name, "normal", "good", "vib_x") for name in ("site1.motor-1", "site1.motor-2")}
    with shown.table():
        shown.update(states, METRICS, FLEET)
    rows = {words[0]: words for words in map(str.split, out.getvalue().splitlines()) if words}
    assert rows["site1.motor-1"][1:3] == ["normal", "0.50"]
    assert rows["site1.motor-1"][-1] == "vib_x"
    assert rows["site1.motor-2"][2] == "12.00"
    assert rows["site1.motor-2"][-1] == "looseness"
    assert "20 messages, 3 discarded, 10 windows scored, 2.0 ms a batch" in out.getvalue()


def test_without_a_terminal_the_scores_are_lines_now_and_then() -> None:
    shown, out = screen(terminal=False, started=time.monotonic() - 60)
    with shown.table():
        shown.update({}, METRICS, FLEET)
        shown.update({}, METRICS, FLEET)
    [line] = out.getvalue().splitlines()
    assert line.endswith("site1.motor-1 0.50, site1.motor-2 12.00")


def test_nothing_is_shown_before_the_daemon_has_scored_anything() -> None:
    shown, out = screen(terminal=False, started=time.monotonic() - 60)
    shown.update({}, None, FLEET)
    shown.update({}, Metrics({}, 0, 0, 0, 0.0), FLEET)
    assert out.getvalue() == ""
