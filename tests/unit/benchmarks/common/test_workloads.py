"""What the benchmarks feed, and how they count it: a figure is worth no more than what was expected of the run."""

import dataclasses
import math
from typing import Any, Literal

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.common.packets import CHUNK_BYTES, connect_packet, publish_packets, split, subscribe_packet
from benchmarks.common.rounds import Rounds, Spread, Turn
from benchmarks.common.workloads import WORKLOADS, Telemetry, Workload, generate
from benchmarks.throughput.contestants import totals
from monitor.adapters.mqtt.frames import FrameReader
from monitor.adapters.mqtt.inbound_session import InboundSession
from monitor.adapters.mqtt.outbound_session import OutboundSession
from monitor.core.artifact.manifest import WindowSpec
from monitor.core.dataset.cutting import windows_of
from monitor.core.dataset.recording import Recording
from monitor.core.sources.topics import TopicPattern

END_SECONDS = 1_700_000_000.0


def small(key: str) -> Workload:
    return WORKLOADS[key].with_streams(3)


def ward(**changes: Any) -> Telemetry:
    return dataclasses.replace(WORKLOADS["W1"].parts[0], **changes)


@pytest.mark.parametrize("key", WORKLOADS)
def test_every_topic_gets_equally_many_messages_and_is_admitted_by_its_source(key: str) -> None:
    messages = generate(small(key), 2.0, END_SECONDS)
    for part in small(key).parts:
        pattern = TopicPattern.parse(part.topic_pattern)
        mine = [topic for topic in messages.topics if topic.startswith(part.name.encode() + b"/")]
        assert len(set(mine)) == part.channel_groups
        assert len(mine) == part.channel_groups * int(2.0 / part.message_period_seconds + 1e-9)
        assert all(pattern.match(topic.decode()) for topic in set(mine))
        assert pattern.subscription == part.topic_filter


@pytest.mark.parametrize("key", WORKLOADS)
def test_messages_are_due_in_order_at_the_rate_of_real_time(key: str) -> None:
    workload = small(key)
    messages = generate(workload, 10.0, END_SECONDS)
    assert (np.diff(messages.due_seconds) >= 0).all()
    assert 0 <= messages.due_seconds[0] < messages.due_seconds[-1] < 10.0
    assert len(messages) == pytest.approx(workload.messages_per_second * 10.0, rel=0.01)


def test_json_carries_samples_and_times_that_follow_one_another() -> None:
    messages = generate(small("W1"), 1.0, END_SECONDS)
    first_topic = [at for at, topic in enumerate(messages.topics) if topic == messages.topics[0]]
    documents = [msgspec.json.decode(messages.payloads[at]) for at in first_topic]
    times = np.array([document["ts"] for document in documents])
    assert np.diff(times) == pytest.approx(10 / 360, abs=1e-5)
    assert END_SECONDS - 1.1 < times[0] < times[-1] < END_SECONDS
    assert {len(document["values"]) for document in documents} == {10}


def test_the_same_seed_gives_the_same_telemetry_and_another_one_does_not() -> None:
    payloads = [generate(small("W2"), 1.0, END_SECONDS, seed).payloads for seed in (1, 1, 2)]
    assert payloads[0] == payloads[1] != payloads[2]


@given(
    samples=st.integers(1, 300), window=st.integers(2, 60), stride=st.integers(1, 90), per_message=st.integers(1, 30)
)
def test_windows_are_counted_as_they_are_cut(samples: int, window: int, stride: int, per_message: int) -> None:
    telemetry = ward(window=window, stride=stride, samples_per_message=per_message)
    recording = Recording(
        name="generated",
        channels=telemetry.channel_names,
        samples=telemetry.signals(1, samples, seed=0)[0],
        time_seconds=np.arange(samples, dtype=np.float64),
        sample_period_seconds=1.0,
        labels=None,
        segment=np.zeros(samples, np.int64),
    )
    cut = windows_of(recording, WindowSpec(length=window, stride=stride), 1.0)
    assert telemetry.windows_of(samples) == len(cut)


@pytest.mark.parametrize("mqtt5", [False, True])
@pytest.mark.parametrize("qos", [0, 1])
@pytest.mark.parametrize("key", WORKLOADS)
def test_packets_are_read_by_the_daemon_as_the_messages_they_were(key: str, qos: Literal[0, 1], mqtt5: bool) -> None:
    messages = generate(small(key), 2.0, END_SECONDS)
    packets = publish_packets(messages, qos, mqtt5=mqtt5)
    read = FrameReader(mqtt5, 1_000_000, InboundSession(), OutboundSession(mqtt5=True)).feed(packets.data, 0.0)
    assert [message.topic.encode() for message in read.rows()] == messages.topics
    assert read.payload == messages.payloads
    assert len(read.tokens) == (len(messages) if qos else 0)
    assert packets.ends[-1] == len(packets.data)


LARGE_PACKETS = publish_packets(generate(small("W2"), 70.0, END_SECONDS), 0, mqtt5=False)


@given(start=st.integers(0, 200), count=st.integers(0, 200))
def test_chunks_hold_whole_packets_and_together_all_that_was_asked_for(start: int, count: int) -> None:
    packets = LARGE_PACKETS
    stop = min(start + count, len(packets))
    edges = [0, *packets.ends.tolist()]
    chunks = packets.chunks(start, stop)
    assert b"".join(chunks) == packets.data[edges[start] : edges[max(start, stop)]]
    ends = edges[start] + np.cumsum([len(chunk) for chunk in chunks], dtype=np.int64)
    assert np.isin(ends, packets.ends).all()
    longest = max(len(chunk) for chunk in chunks) if chunks else 0
    assert longest < CHUNK_BYTES + 2 * 12_100  # a chunk may pass the mark by one packet at either end


@given(st.data())
def test_packets_are_split_alike_however_they_arrive(data: st.DataObject) -> None:
    whole = connect_packet("somebody") + subscribe_packet(["a/+", "b/#"], 1) + bytes([0xC0, 0])
    whole += publish_packets(generate(small("W2"), 1.0, END_SECONDS), 0, mqtt5=False).data
    expected = split(bytearray(whole))
    assert [kind for kind, _ in expected] == [0x10, 0x82, 0xC0, *[0x30] * 3]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    buffer, found = bytearray(), []
    for left, right in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        buffer += whole[left:right]
        found += split(buffer)
    assert found == expected
    assert not buffer


def turn(name: str, messages: int, seconds: float, *void: str) -> Turn:
    return Turn(name, messages, messages // 10, seconds, seconds / 2, 1_000_000, void)


def test_everybody_begins_a_round_in_turn() -> None:
    rounds = Rounds(["a", "b", "c"])
    assert [rounds.order(number) for number in range(4)] == [
        ["a", "b", "c"],
        ["b", "c", "a"],
        ["c", "a", "b"],
        ["a", "b", "c"],
    ]


def test_ratios_are_taken_within_a_round_so_that_a_slow_moment_cancels() -> None:
    rounds = Rounds(["wire", "daemon"])
    for seconds in (1.0, 5.0, 2.0):
        rounds.add(turn("wire", 1000, seconds))
        rounds.add(turn("daemon", 900, seconds))
    ratio = rounds.ratio("daemon", "wire", lambda each: each.messages_per_second)
    assert dataclasses.astuple(ratio) == pytest.approx((0.9, 0.9, 0.9))
    assert rounds.spread("wire", lambda each: each.messages_per_second) == Spread(500.0, 200.0, 1000.0)


def test_one_void_turn_is_told_with_its_reason() -> None:
    rounds = Rounds(["daemon"])
    rounds.add(turn("daemon", 1000, 1.0))
    rounds.add(turn("daemon", 999, 1.0, "a message is missing"))
    assert rounds.void == ["a message is missing"]


def test_metrics_are_summed_over_their_series_and_absent_ones_are_zero() -> None:
    exposition = (
        "# HELP seen_total Messages.\n# TYPE seen_total counter\n"
        'seen_total{source="a b"} 3.0\nseen_total{source="c"} 4e+06\n'
        "seen_total_created 17\nplain 2\n"
    )
    assert totals(exposition, ("seen_total", "plain", "absent")) == {"seen_total": 4e6 + 3, "plain": 2.0, "absent": 0.0}


def test_what_devices_have_in_common_does_not_hang_on_the_seed() -> None:
    telemetry = WORKLOADS["W3"].parts[0]
    one, two = (telemetry.signals(4, 600, seed) for seed in (1, 2))
    assert not np.array_equal(one, two)
    # the amplitude of each channel is physics; which moment of the cycle a device is in is chance
    assert np.abs(one.std(axis=1).mean(axis=0) - two.std(axis=1).mean(axis=0)).max() < 0.05
    assert math.isfinite(float(one.sum()))
