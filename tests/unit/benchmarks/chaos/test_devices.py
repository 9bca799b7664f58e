"""What the devices of the chaos run send, and in which order."""

import json
import random

from benchmarks.chaos.devices import ROWS, Device, Lane, Sent, plain_device
from benchmarks.chaos.settings import Settings

BEGAN = 1e9


def device(*, holds_back: bool = False) -> Device:
    lanes = Lane("line/m/a", 0), Lane("line/m/b", 1)
    return Device("m", 1, lanes, random.Random(1), holds_back)


def steps(one: Device, count: int, *, calm: bool = False) -> list[list[Sent]]:
    return [one.step(BEGAN, calm=calm) for _ in range(count)]


def test_a_device_of_several_topics_sends_each_channel_to_its_own() -> None:
    a, b = steps(device(), 1)[0]
    assert (a.topic, b.topic) == ("line/m/a", "line/m/b")
    both = json.loads(plain_device("line/m", 1, random.Random(1)).step(BEGAN)[0].payload)
    assert json.loads(a.payload)["values"] == [row[0] for row in both["rows"]]
    assert json.loads(b.payload)["values"] == [row[1] for row in both["rows"]]
    assert json.loads(a.payload)["ts"] == json.loads(b.payload)["ts"] == both["ts"]


def test_a_gateway_passes_on_what_it_held_back_one_topic_whole_after_the_other() -> None:
    flushes = [messages for messages in steps(device(holds_back=True), 400) if len(messages) > 2]
    assert len(flushes) > 3
    for messages in flushes:
        topics = [message.topic for message in messages]
        assert topics == sorted(topics)
        assert topics.count("line/m/a") == topics.count("line/m/b")


def test_a_gateway_loses_and_repeats_no_sample() -> None:
    one = device(holds_back=True)
    steps(one, 100)
    one.flush()
    for topic in ("line/m/a", "line/m/b"):
        numbers = [json.loads(message.payload)["n"] for message in one.sent if message.topic == topic]
        assert numbers == list(range(100))
        assert all(len(json.loads(message.payload)["values"]) == ROWS for message in one.sent)


def test_a_command_comes_while_the_device_is_ill_and_a_mute_is_ended() -> None:
    one = device()
    one.commands += ["mute", "forget"]
    steps(one, 1000)
    steps(one, 40, calm=True)
    assert [message.command for message in one.sent if message.command] == ["mute", "unmute", "forget"]
    assert one.sent[-1].command == ""


def test_each_reconfiguration_changes_the_source_of_the_shop_or_its_model_and_no_other(tmp_path: object) -> None:
    before = Settings(1883, 9464, tmp_path, tmp_path)  # type: ignore[arg-type]
    for what in ("root", "stream", "model", "k"):
        after = before.with_other(what)
        changed = set(after.text.splitlines()) ^ set(before.text.splitlines())
        assert changed, what
        assert after.with_other(what) == before
    moved = before.with_other("root").with_other("stream")
    assert [lane.topic for lane in moved.lanes_of("m")] == ["works/m/a", "works/m/b"]
    assert moved.stream_of("m") == "bench-m"
