"""The fleet of the latency benchmark sends what its plan says, and latencies are told of the right windows."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.common.packets import split
from benchmarks.common.workloads import W1, Telemetry
from benchmarks.latency import latency
from benchmarks.latency.latency import Results, during, targets_of
from benchmarks.latency.observers import Scrape
from benchmarks.latency.publisher import FleetPackets, Plan, Sent, group_count, load, publish, save
from benchmarks.latency.run import FleetRun

STREAMS, GROUPS, MESSAGES_PER_WINDOW, EVERY = 23, 4, 5, 6
PERIOD_SECONDS = 0.01
EPOCH_SECONDS = 1_700_000_000.0


@pytest.fixture
def plan() -> Plan:
    normal = np.arange(GROUPS * 10 * 3, dtype=np.float64).reshape(GROUPS, 10, 3)
    topics = np.array([f"ward/w{stream:04}" for stream in range(STREAMS)])
    return Plan(topics, normal, -normal, MESSAGES_PER_WINDOW, PERIOD_SECONDS, EVERY)


class Wire:
    """Keeps what is sent."""

    def __init__(self) -> None:
        self.data = bytearray()

    def send(self, packets: memoryview) -> None:
        self.data += packets


def messages(data: bytes) -> list[tuple[str, dict[str, object]]]:
    found = []
    for kind, body in split(bytearray(data)):
        assert kind == 0x30
        end = 2 + int.from_bytes(body[:2], "big")
        found.append((body[2:end].decode(), json.loads(body[end:])))
    return found


def test_every_device_belongs_to_one_group(plan: Plan) -> None:
    members = np.concatenate([plan.members(group) for group in range(plan.groups)])
    assert sorted(members.tolist()) == list(range(STREAMS))


def test_each_device_is_anomalous_in_one_of_so_many_windows_and_not_in_its_first(plan: Plan) -> None:
    for group in range(plan.groups):
        assert not plan.is_anomalous(group, 0).any()
        turns = np.array([plan.is_anomalous(group, window) for window in range(1, 1 + EVERY)])
        assert (turns.sum(axis=0) == 1).all()


@pytest.mark.parametrize("every", [4, 81, 200])
def test_about_as_many_are_anomalous_in_any_window(every: int) -> None:
    values = np.zeros((28, 50, 10))
    plan = Plan(np.array([str(stream) for stream in range(1267)]), values, values, 14, 0.028, every)
    counts = [sum(int(plan.is_anomalous(group, window).sum()) for group in range(28)) for window in range(1, 20)]
    assert all(abs(count - 1267 / every) <= 1 + 28 / every for count in counts)


def test_a_message_goes_to_every_member_with_the_values_that_are_its_turn(plan: Plan) -> None:
    packets, group = FleetPackets(plan, EPOCH_SECONDS), 1
    for number in (0, 4, 5, 17):
        odd = plan.is_anomalous(group, number // MESSAGES_PER_WINDOW)
        sent = dict(messages(packets.message(group, number)))
        assert len(sent) == len(plan.members(group))
        for device, is_odd in zip(plan.members(group).tolist(), odd.tolist(), strict=True):
            values = (plan.anomalous if is_odd else plan.normal)[group, number % 10]
            assert sent[plan.topics[device]]["values"] == values.tolist()


def test_timestamps_go_on_from_message_to_message_without_a_gap(plan: Plan) -> None:
    packets = FleetPackets(plan, EPOCH_SECONDS)
    times = [messages(packets.message(2, number))[0][1]["ts"] for number in range(20)]
    np.testing.assert_allclose(np.diff(np.array(times, np.float64)), PERIOD_SECONDS, atol=2e-6)


def test_what_was_sent_is_written_down(plan: Plan) -> None:
    wire = Wire()
    sent = publish(plan, wire, seconds=0.3, flood=True)
    found = messages(bytes(wire.data))
    assert len(found) == sent.messages
    by_topic = {topic: [message for to, message in found if to == topic] for topic in plan.topics.tolist()}
    for group in range(plan.groups):
        windows = sent.window[sent.group == group]
        assert windows.tolist() == list(range(len(windows)))
        for device in plan.members(group).tolist():
            own = by_topic[plan.topics[device]]
            assert len(own) // MESSAGES_PER_WINDOW == len(windows)
            assert own[0]["ts"] == pytest.approx(sent.first_seconds[group], abs=2e-6)


def test_windows_of_different_groups_do_not_end_with_the_same_round_of_messages(plan: Plan) -> None:
    sent = publish(plan, Wire(), seconds=0.3, flood=True)
    rounds = [plan.delay_messages(group) + MESSAGES_PER_WINDOW for group in range(plan.groups)]
    assert len(set(rounds)) == plan.groups
    # who begins later is done later: group by group, although all take turns
    assert sent.group[sent.window == 0].tolist() == list(range(plan.groups))


def test_a_record_survives_its_file(plan: Plan, tmp_path: Path) -> None:
    save(plan, tmp_path / "plan.npz")
    again = load(Plan, tmp_path / "plan.npz")
    assert (again.every, again.messages_per_window) == (EVERY, MESSAGES_PER_WINDOW)
    np.testing.assert_array_equal(again.normal, plan.normal)
    np.testing.assert_array_equal(again.topics, plan.topics)


def test_there_are_no_more_groups_than_devices() -> None:
    ward = W1.parts[0]
    assert group_count(replace(ward, streams=3)) == 3
    assert group_count(replace(ward, streams=3000)) == 28


def run_of(alert_seconds: float, *, scrapes: tuple[Scrape, ...] = (), lag_seconds: float = 0.0) -> FleetRun:
    sent = np.arange(100.0)
    return FleetRun(
        streams=10,
        messages=1000,
        wall_seconds=10.0,
        daemon_seconds=1.0,
        lag_seconds=lag_seconds,
        sent_seconds=sent,
        alert_seconds=np.full(100, alert_seconds),
        metric_seconds=np.full(5, alert_seconds),
        scrapes=scrapes,
        rss_bytes=np.ones(1),
        void=(),
    )


def test_only_alerts_that_meet_a_scrape_count_as_during_it() -> None:
    run = run_of(0.5, scrapes=(Scrape(10.2, 10.3, 1), Scrape(20.6, 20.9, 1), Scrape(49.4, 50.1, 1)))
    assert np.flatnonzero(during(run)).tolist() == [10, 49, 50]


def results_of(level: FleetRun, scraped: FleetRun) -> Results:
    return Results(1000.0, dict.fromkeys(("1 %", "50 %", "90 %"), (level, level)), scraped)


def test_targets_tell_missed_from_met() -> None:
    scraped = run_of(0.15, scrapes=(Scrape(10.0, 10.7, 1),))
    met = {target.name: target.met for target in targets_of(results_of(run_of(0.08), scraped))}
    assert met == {
        "p99 latency of alerts at 1 % load": False,
        "p99 latency of alerts at 50 % load": True,
        "slowest scrape of 10,000 streams": False,
        "p99 latency of alerts during a scrape": False,
    }


def test_a_publisher_that_fell_behind_makes_the_run_void() -> None:
    assert results_of(run_of(0.05), run_of(0.05)).void == []
    assert "the load was not held" in results_of(run_of(0.05, lag_seconds=3.0), run_of(0.05)).void[0]


def test_the_highest_load_held_is_one_that_is_published_in_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tried: list[int] = []

    def run(fleet: Telemetry, *_: object, flood: bool = False, poll: bool = False) -> FleetRun:
        tried.append(fleet.streams)
        return replace(run_of(0.05, lag_seconds=0.0 if flood or len(tried) > 3 else 1.0), messages=1_000_000)

    monkeypatch.setattr(latency, "run_fleet", run)
    held = latency._highest_held(1.0, 1.0, tmp_path)
    assert held == pytest.approx(100_000 * 0.85**2)
    assert tried[1] > tried[2] > tried[3]


def test_a_machine_that_publishes_nothing_in_time_has_no_highest_load(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(
        latency, "run_fleet", lambda *_, flood=False, **__: run_of(0.05, lag_seconds=0.0 if flood else 1.0)
    )
    with pytest.raises(RuntimeError, match="is the machine busy"):
        latency._highest_held(1.0, 1.0, tmp_path)


def test_nothing_sent_is_a_record_too(plan: Plan) -> None:
    sent = publish(plan, Wire(), seconds=0.0, flood=True)
    assert isinstance(sent, Sent)
    assert (sent.messages, len(sent.group)) == (0, 0)
