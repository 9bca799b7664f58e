"""The throughput benchmark, small: everybody gets everything, and a run that lost something is void."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.common.rounds import Turn
from benchmarks.common.workloads import WORKLOADS, Workload
from benchmarks.throughput import contestants, throughput, turns
from benchmarks.throughput.contestants import COUNT, DAEMON, DRAIN, OBVIOUS, Daemon
from benchmarks.throughput.throughput import Size
from benchmarks.throughput.turns import Load, Station, flood_turn, paced_turn, stations

pytestmark = pytest.mark.integration

CRAMPED_INBOX_MESSAGES = 10
MODEL = 'family = "dense"\nhidden = [8]\n'  # what is counted does not depend on the model, and this one is fitted soon


def load(key: str, seconds: float = 2.0, streams: int = 5) -> Load:
    workload = WORKLOADS[key].with_streams(streams)
    return Load(replace(workload, parts=tuple(replace(part, fit=MODEL) for part in workload.parts)), seconds)


@contextlib.contextmanager
def station(name: str, sent: Load, folder: Path, **how: Any) -> Iterator[Station]:
    with stations({name: sent}, folder, **{"direct": False} | how) as ready:
        yield ready[name]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is lost never comes: do not wait long for it."""
    monkeypatch.setattr(contestants, "STALLED_SECONDS", 2.0)


@pytest.fixture
def cramped(impatient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon whose inbox is far too small for a flood."""

    def start(port: int, workload: Workload, _room: int, folder: Path, more: str, **installation: Any) -> Daemon:
        return Daemon(port, workload, CRAMPED_INBOX_MESSAGES, folder, more, **installation)

    monkeypatch.setattr(turns, "Daemon", start)


def test_everybody_takes_the_whole_load_side_by_side(tmp_path: Path) -> None:
    sent = load("W1")
    with stations(dict.fromkeys((DRAIN, COUNT, OBVIOUS, DAEMON), sent), tmp_path, direct=False) as ready:
        done = {name: flood_turn(each) for name, each in ready.items()}
    assert [turn.void for turn in done.values()] == [(), (), (), ()]
    assert {turn.messages for turn in done.values()} == {len(sent.packets(direct=False, mqtt5=False))}
    assert done[DAEMON].windows == done[OBVIOUS].windows == sent.expected.windows > 0
    assert all(turn.seconds > 0 for turn in done.values())
    assert done[DAEMON].cpu_seconds > 0


@pytest.mark.parametrize("name", [OBVIOUS, DAEMON])
def test_a_contestant_is_fed_without_a_broker(name: str, tmp_path: Path) -> None:
    sent = load("W1")
    with station(name, sent, tmp_path, direct=True) as ready:
        turn = flood_turn(ready)
    assert (turn.void, turn.messages, turn.windows) == ((), sent.expected.messages, sent.expected.windows)


def test_a_confirmed_fleet_is_held_in_real_time_after_a_quicker_start(tmp_path: Path) -> None:
    sent = load("W4", seconds=9.0)
    with station(DAEMON, sent, tmp_path) as ready:
        turn = paced_turn(ready, warm_up_seconds=5.0, warm_up_speed=20.0)
    assert turn.void == ()
    assert turn.windows == sent.expected.windows > 0
    assert turn.messages == pytest.approx(sent.expected.messages * 2 / 9, rel=0.1)
    assert turn.seconds > 1.5


@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.usefixtures("cramped")
def test_a_turn_that_lost_messages_is_void_and_says_how_many(direct: bool, tmp_path: Path) -> None:
    sent = load("W1", streams=100)
    with station(DAEMON, sent, tmp_path, direct=direct) as ready:
        turn = flood_turn(ready)
    assert turn.messages < sent.expected.messages
    lost = sent.expected.messages - turn.messages
    assert f"residuald: residuald_inbox_dropped_total is {lost:,}" in turn.void
    assert f"residuald: {turn.messages:,} messages, where {sent.expected.messages:,} were due" in turn.void


@pytest.mark.parametrize("name", [DRAIN, COUNT])
def test_a_reader_that_misses_something_makes_its_turn_void(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contestants, "FINISH_SECONDS", 3.0)
    sent = load("W1")
    with station(name, sent, tmp_path) as ready:
        less = replace(ready, packets=load("W1", seconds=1.0).packets(direct=False, mqtt5=False))
        turn: Turn = flood_turn(less)
    assert turn.void == (f"{name}: not everything came",)


@pytest.fixture
def smallest_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = replace(throughput._QUICK, rounds=1, sizes={"W1": Size(2.0, 1.0, streams=20)})
    monkeypatch.setattr(throughput, "_QUICK", plan)


def run(tmp_path: Path) -> tuple[int, dict[str, Any]]:
    figures = tmp_path / "figures.json"
    arguments = ["--quick", "--workload", "W1", "--mode", "direct", "--json", str(figures), "--out", str(tmp_path)]
    code = throughput.main(arguments)
    return code, json.loads(figures.read_text())


@pytest.mark.usefixtures("smallest_plan")
def test_the_benchmark_writes_targets_figures_and_a_plot(tmp_path: Path) -> None:
    code, figures = run(tmp_path)
    assert (code, figures["void"]) == (0, [])
    (target,) = figures["targets"]
    assert target["name"] == "W1 processor time per message, fed directly"
    assert target["met"] == (target["reached"] <= target["target"])
    assert [each["contestant"] for each in figures["turns"]] == [DAEMON]
    assert (tmp_path / "throughput.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("smallest_plan", "cramped")
def test_a_void_run_exits_1_and_keeps_its_reasons(tmp_path: Path) -> None:
    code, figures = run(tmp_path)
    assert code == 1
    assert any("residuald_inbox_dropped_total" in reason for reason in figures["void"])
