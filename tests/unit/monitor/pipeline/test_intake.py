"""Payloads that name their streams and channels, decoders that remember, and batches that may be cut anywhere."""

import json
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.decode.decoded import Decoded, Decoder
from monitor.core.decode.payload_format import PayloadFormat
from monitor.core.outputs.journal_record import StepRecord, decode_step, encode_step
from monitor.core.sources.source import SourceSpec
from monitor.core.values.discards import Discard, Reason
from monitor.core.values.messages import Message, MessageBatch, TopicTable
from monitor.core.values.snapshots import State, StateError, decode_state, encode_state
from monitor.pipeline.pipeline import Moment, Pipeline, PipelineSettings
from tests.manifests import PERIOD, MeanSquareScorer, manifest_of, model_group_of

START = 1_700_000_000.0
CHANNELS = ("x", "y")

NAMED = {"kind": "json", "timestamp": "t", "rows": "r", "keys": {"device": "meta.id"}}
CHANNEL_NAMED = {"kind": "json", "timestamp": "t", "values": "v", "keys": {"device": "id", "channel": "name"}}


def source(name: str, topic: str, layout: dict[str, Any], **more: Any) -> SourceSpec:
    return SourceSpec.model_validate({"name": name, "topic": topic, "model": "m", "format": layout, **more})


class Walk:
    """A pipeline of one model with channels x and y, windows of 8 samples every 4; `windows` keeps what was scored."""

    def __init__(self, *sources: SourceSpec, **limits: Any) -> None:
        self.refused: list[tuple[str, str, Discard]] = []
        self.windows: list[tuple[str, float, bytes]] = []
        self.model_group = model_group_of(manifest_of(CHANNELS), lateness_samples=100)
        self.pipeline = Pipeline(
            sources,
            {"m": self.model_group},
            {"m": MeanSquareScorer()},
            PipelineSettings(commands_below="residuald", **limits),
            lambda: START,
            lambda *refusal: self.refused.append(refusal),
        )

    def step(self, messages: Sequence[Message], *, everything: bool = True) -> None:
        self.step_batch(MessageBatch.of(messages), everything=everything)

    def step_batch(self, batch: MessageBatch | None, *, everything: bool = True) -> None:
        step = self.pipeline.step(batch, Moment(START + 60, 60.0), everything=everything)
        for _, done in step.scored_batches:
            for at, stream in enumerate(done.windows.stream.tolist()):
                end, values = float(done.windows.end_seconds[at]), done.windows.values[at].tobytes()
                self.windows.append((str(done.names[stream]), end, values))

    @property
    def streams(self) -> list[str]:
        return list(self.model_group.streams.number)

    def reasons(self) -> Counter[tuple[str, Reason]]:
        return Counter((name, discard.reason) for name, _, discard in self.refused)


def rows(device: object, first: int = 0, count: int = 8, value: float = 1.0, topic: str = "plant/all") -> Message:
    body = {"t": START + first * PERIOD, "r": [[value, -value]] * count, "meta": {"id": device}}
    return Message(topic, json.dumps(body).encode(), START + 60)


def one_channel(device: str, channel: str, values: Sequence[float], topic: str = "plant/values") -> Message:
    body = {"t": START, "v": list(values), "id": device, "name": channel}
    return Message(topic, json.dumps(body).encode(), START + 60)


# payloads that name their streams


def test_two_devices_in_one_topic_are_two_streams() -> None:
    walk = Walk(source("all", "plant/all", NAMED))
    walk.step([rows("a", value=1.0), rows("b", value=2.0), rows("a", 8, value=3.0)])
    assert walk.streams == ["a", "b"]
    assert walk.model_group.streams.labels["b"] == {"device": "b"}
    ends = {name: [end for stream, end, _ in walk.windows if stream == name] for name in "ab"}
    assert ends["a"] == pytest.approx([START + last * PERIOD for last in (7, 11, 15)])
    assert ends["b"] == pytest.approx([START + 7 * PERIOD])
    assert walk.pipeline.counters.received == {"all": 3}


def test_placeholders_may_come_from_topic_and_payload() -> None:
    walk = Walk(source("all", "plant/{site}", NAMED, stream="{device}_at_{site}"))
    walk.step([rows("a", topic="plant/north"), rows("a", topic="plant/south")])
    assert walk.streams == ["a_at_north", "a_at_south"]
    assert walk.model_group.streams.labels["a_at_north"] == {"site": "north", "device": "a"}


def test_without_a_template_the_topic_comes_first() -> None:
    walk = Walk(source("all", "plant/{site}", NAMED))
    walk.step([rows("a", topic="plant/north")])
    assert walk.streams == ["north.a"]


def test_a_payload_may_name_the_channel() -> None:
    walk = Walk(source("all", "plant/values", CHANNEL_NAMED))
    walk.step([one_channel("a", "y", [5.0] * 8), one_channel("a", "x", [1.0] * 8), one_channel("b", "x", [2.0] * 8)])
    assert walk.streams == ["a", "b"]
    ((name, _, window),) = walk.windows
    assert name == "a"
    assert np.frombuffer(window, np.float32).reshape(2, 8).tolist() == [[1.0] * 8, [5.0] * 8]


def test_a_topic_may_name_the_channel_and_the_payload_the_stream() -> None:
    layout = {"kind": "json", "timestamp": "t", "values": "v", "keys": {"device": "id"}}
    walk = Walk(source("all", "plant/{channel}", layout))
    walk.step([one_channel("a", "", [1.0] * 8, topic=f"plant/{channel}") for channel in CHANNELS])
    assert walk.streams == ["a"]
    assert len(walk.windows) == 1


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (rows(" "), Reason.BAD_NAME),
        (rows(""), Reason.BAD_NAME),
        (rows("x" * 5000), Reason.BAD_NAME),
        (rows(17), Reason.MALFORMED),
        (rows(None), Reason.MALFORMED),
        (Message("plant/all", b'{"t":1,"r":[[1,2]],"meta":{}}', START), Reason.MISSING_FIELD),
        (Message("plant/all", b'{"t":1,"r":[[1,2]]}', START), Reason.MISSING_FIELD),
        (one_channel("a", "z", [1.0]), Reason.UNKNOWN_CHANNEL),
        (one_channel("third", "x", [1.0]), Reason.STREAM_LIMIT),
        (one_channel("whole", "x", [1.0]), Reason.STREAM_CONFLICT),
    ],
)
def test_what_names_no_stream_is_refused_and_counted_every_time(message: Message, reason: Reason) -> None:
    walk = Walk(source("all", "plant/all", NAMED), source("values", "plant/values", CHANNEL_NAMED), max_streams=2)
    walk.step([rows("a"), rows("whole")])
    windows = len(walk.windows)
    name = "all" if message.topic == "plant/all" else "values"
    walk.step([message, message])
    walk.step([message])
    assert walk.reasons() == {(name, reason): 3}
    assert walk.pipeline.counters.discarded == {(name, reason): 3}
    assert walk.pipeline.counters.received[name] == (5 if name == "all" else 3)
    assert len(walk.windows) == windows
    walk.step([rows("a", 8)])  # and the others go on
    assert len(walk.windows) > windows


@pytest.mark.parametrize("label", ["x" * 129, "nul\0"])
def test_a_key_beside_the_name_may_hold_what_a_topic_may(label: str) -> None:
    layout = {"kind": "json", "timestamp": "t", "values": "v", "keys": {"device": "id", "place": "name"}}
    walk = Walk(source("all", "plant/values", layout, stream="{device}", channels=["x"]))
    walk.step([one_channel("a", label, [1.0]), one_channel("b", "any text, ü and \n", [1.0])])
    assert walk.reasons() == {("all", Reason.BAD_NAME): 1}
    assert walk.model_group.streams.labels == {"b": {"device": "b", "place": "any text, ü and  "}}


def test_a_stream_that_was_forgotten_is_found_again_by_its_key() -> None:
    walk = Walk(source("all", "plant/all", NAMED), expire_after_seconds=100.0)
    walk.step([rows("a")])
    walk.pipeline.housekeep(Moment(START + 1000, 1000.0))
    assert walk.streams == []
    walk.step([rows("b"), rows("a")])
    assert walk.streams == ["b", "a"]


def test_keys_without_end_are_not_remembered_without_end() -> None:
    walk = Walk(source("all", "plant/all", NAMED), max_streams=1)
    router = walk.pipeline.router
    table = TopicTable()
    topic = table.number_of("plant/all")
    for number in range(25_000):
        router.settle(0, table, topic, (f"{number}" * 26,))
    for number in range(100):
        router.settle(0, table, topic, (f"{number}" * 2000,))
    assert len(router._refused) <= 10_000
    assert max(len(str(place)) for place in router._refused) < 2000


def test_a_topic_that_says_too_much_is_refused_before_it_is_remembered() -> None:
    walk = Walk(source("all", "plant/{site}", NAMED))
    walk.step([rows("a", topic="plant/" + "x" * 60_000)])
    assert walk.reasons() == {("all", Reason.BAD_NAME): 1}
    assert walk.pipeline.router._sources == {}


# the same, however it is cut


PLAIN = source("plain", "plain/{device}", {"kind": "json", "timestamp": "t", "rows": "r"})
SOURCES = (
    source("all", "plant/all", NAMED),
    source("other", "hall/{site}", NAMED, stream="{device}"),
    source("values", "plant/values", CHANNEL_NAMED),
    PLAIN,
)
DEVICES = st.sampled_from(["a", "b", "c", "no name", "no_name"])
ANY_MESSAGE = st.one_of(
    st.builds(rows, DEVICES, st.integers(0, 20), st.integers(1, 12), st.floats(-9, 9, width=16)),
    st.builds(
        rows, DEVICES, st.integers(0, 20), st.integers(1, 12), st.just(1.0), st.sampled_from(["hall/n", "hall/s"])
    ),
    st.builds(rows, st.just(""), st.integers(0, 20), st.integers(1, 12), st.just(2.0), DEVICES.map("plain/{}".format)),
    st.builds(one_channel, DEVICES, st.sampled_from(["x", "y", "z"]), st.lists(st.just(1.0), max_size=9)),
    st.builds(
        Message,
        st.builds("residuald/{}/set/{}".format, DEVICES, st.sampled_from(["mute", "forget"])),
        st.sampled_from([b"1h", b"", b"?"]),
        st.just(START + 60),
        st.none(),
        st.booleans(),
        st.just(0),
    ),
    st.just(Message("plant/all", b"?", START)),
    DEVICES.map(lambda device: Message(f"plain/{device}", b"?", START)),
    st.just(Message("nowhere", b"?", START)),
)


def told(walk: Walk) -> object:
    return (
        walk.streams,
        sorted(walk.windows),
        {name: dict(layout.owners) for name, layout in walk.model_group.layouts.items()},
        {
            name: dict(walk.model_group.inputs.discards.totals(number)).get(Reason.MALFORMED, 0)
            for name, number in walk.model_group.streams.number.items()
        },
        walk.model_group.streams_evicted,
        sorted(map(str, walk.refused)),
        walk.pipeline.counters.received,
        walk.pipeline.counters.commands,
        {name: walk.model_group.mutes.until(name) for name in walk.streams},
    )


@given(st.lists(ANY_MESSAGE, max_size=14), st.lists(st.integers(0, 14), max_size=5), st.integers(1, 4))
def test_batches_cut_anywhere_give_the_same_streams_windows_and_counts(
    messages: list[Message], cuts: list[int], max_streams: int
) -> None:
    batch = MessageBatch.of(messages)
    whole, parts, replayed = (Walk(*SOURCES, max_streams=max_streams) for _ in range(3))
    whole.step_batch(batch)
    bounds = sorted({0, len(batch), *(min(cut, len(batch)) for cut in cuts)})
    for start, stop in pairwise(bounds):
        parts.step_batch(batch.slice(start, stop), everything=False)
    parts.step_batch(None)
    replayed.step_batch(decode_step(encode_step(StepRecord(START, batch))).messages)
    assert told(parts) == told(whole)
    assert told(replayed) == told(whole)


def test_a_command_meets_the_streams_that_payloads_before_it_opened_and_no_others() -> None:
    walk = Walk(SOURCES[0])
    mute = [Message(f"residuald/{name}/set/mute", b"1h", START) for name in "ab"]
    walk.step([rows("a"), *mute, rows("b")])
    assert walk.pipeline.counters.commands == {("mute", "accepted"): 1, ("mute", "unknown_stream"): 1}


def test_a_command_that_was_seen_before_meets_them_too() -> None:
    walk = Walk(SOURCES[0])
    mute = Message("residuald/a/set/mute", b"1h", START)
    walk.step([mute])
    walk.step([rows("a"), mute])
    assert walk.pipeline.counters.commands == {("mute", "unknown_stream"): 1, ("mute", "accepted"): 1}


def test_the_last_place_for_a_stream_goes_to_the_message_that_comes_first_whatever_its_source() -> None:
    walk = Walk(*SOURCES, max_streams=3)
    walk.step([rows("a"), rows("b", topic="hall/n")])  # both topics are known now
    walk.step([rows("c"), rows("d", topic="hall/n"), rows("e")])
    assert walk.streams == ["a", "b", "c"]
    assert walk.reasons() == {("other", Reason.STREAM_LIMIT): 1, ("all", Reason.STREAM_LIMIT): 1}


def test_what_came_before_in_one_batch_proves_a_stream_that_would_have_to_make_room() -> None:
    walk = Walk(PLAIN, max_streams=1)
    first, second = (rows("", topic=f"plain/{name}", count=8) for name in "ab")
    walk.step([first, second])
    assert walk.streams == ["a"]
    assert walk.reasons() == {("plain", Reason.STREAM_LIMIT): 1}


def test_blocks_of_a_stream_that_made_room_are_not_those_of_the_one_that_took_its_place() -> None:
    walk = Walk(PLAIN, max_streams=1)
    walk.step([rows("", topic="plain/a", count=4, value=1.0), rows("", topic="plain/b", count=8, value=2.0)])
    assert walk.streams == ["b"]
    ((_, _, window),) = walk.windows
    assert np.frombuffer(window, np.float32).reshape(2, 8)[0].tolist() == [2.0] * 8


def test_what_comes_of_a_stream_after_it_made_room_is_not_taken_for_the_one_in_its_place() -> None:
    walk = Walk(PLAIN, max_streams=1)
    walk.step([rows("", topic="plain/a", count=1)])  # the topic is known now
    again = [rows("", first, 4, 9.0, "plain/a") for first in (0, 4)]
    walk.step([rows("", count=4, topic="plain/b"), *again])
    assert walk.streams == ["a"]
    ((_, _, window),) = walk.windows
    assert np.frombuffer(window, np.float32).reshape(2, 8)[0].tolist() == [9.0] * 8
    assert walk.model_group.streams_evicted == 2


def test_a_stream_that_was_forgotten_by_command_belongs_to_the_next_topic_that_comes() -> None:
    walk = Walk(source("all", "{site}/{device}", PLAIN.format.model_dump(), stream="{device}"))
    mine, theirs = (rows("", topic=f"{site}/d") for site in ("north", "south"))
    forget = Message("residuald/d/set/forget", b"", START)
    walk.step([mine, theirs, forget, theirs, mine])
    assert walk.model_group.layouts["d"].owners == {0: ("south/d",)}
    assert walk.reasons() == {("all", Reason.STREAM_CONFLICT): 2}
    assert walk.pipeline.counters.commands == {("forget", "accepted"): 1}
    assert [end for _, end, _ in walk.windows] == pytest.approx([START + 7 * PERIOD] * 2)


def test_a_device_cannot_write_into_the_stream_of_its_neighbour_or_keep_it_out() -> None:
    walk = Walk(source("all", "plant/{site}/{device}", PLAIN.format.model_dump()))
    victim, neighbour = "plant/a/b.c", "plant/a.b/c"
    walk.step([rows("", topic=victim, count=4, value=1.0)])
    for first in range(4, 40, 4):
        walk.step([rows("", first, 4, 9.0, neighbour), rows("", first, 4, 1.0, victim)])
    assert len(walk.windows) == 9
    assert {np.frombuffer(window, np.float32).max() for _, _, window in walk.windows} == {1.0}
    assert walk.model_group.streams.conflicts[0] == 9
    ((name, topic, discard), *_) = walk.refused
    assert (name, topic, discard.reason, discard.stream) == ("all", neighbour, Reason.STREAM_CONFLICT, "a.b.c")
    assert victim in discard.detail


# decoders that remember


class CountingFormat(PayloadFormat):
    """One number a message, and each message of a topic continues the last: `d1.5` means 1.5 more than before."""

    kind: Literal["deltas"] = "deltas"

    @property
    def carries_time(self) -> bool:
        return False

    def decoder(self, channels: int) -> Decoder:
        return DeltaDecoder(channels)


class DeltaDecoder(Decoder):
    def __init__(self, channels: int) -> None:
        self._channels = channels
        self._last: dict[str, float] = {}

    def decode(self, batch: MessageBatch) -> Decoded:
        values = []
        for message in batch.rows():
            self._last[message.topic] = self._last.get(message.topic, 0.0) + float(message.payload)
            values.append([self._last[message.topic]] * self._channels)
        count = len(batch)
        return Decoded(
            np.arange(count),
            np.full(count, np.nan),
            np.ones(count, np.int64),
            np.array(values, np.float32).reshape(count, self._channels),
        )

    def snapshot(self) -> State:
        return {"last": dict(self._last)} if self._last else {}

    def restore(self, state: State) -> None:
        last = state.get("last")
        if not isinstance(last, dict):
            raise StateError("no last values")
        self._last = {str(topic): float(value) for topic, value in last.items()}


def remembering() -> Walk:
    return Walk(PLAIN.model_copy(update={"format": CountingFormat()}))


def deltas(first: int, count: int) -> list[Message]:
    return [Message("plain/a", b"1", START + number * PERIOD) for number in range(first, first + count)]


@pytest.mark.parametrize("at", range(17))
def test_what_a_decoder_remembers_is_in_the_state_of_the_pipeline(at: int) -> None:
    alone, before, after = remembering(), remembering(), remembering()
    alone.step(deltas(0, 16))
    before.step(deltas(0, at))
    after.pipeline.restore(decode_state(encode_state(before.pipeline.snapshot())))
    after.step(deltas(at, 16 - at))
    assert len(alone.windows) == 3
    assert before.windows + after.windows == alone.windows


def test_what_a_decoder_remembers_goes_on_in_another_pipeline_where_the_source_is_the_same() -> None:
    before, after, changed = remembering(), remembering(), Walk(PLAIN)
    before.step(deltas(0, 5))
    after.pipeline.inherit_decoders(before.pipeline)
    changed.pipeline.inherit_decoders(before.pipeline)
    assert after.pipeline.snapshot()["decoders"]["sources"] == {"plain": {"last": {"plain/a": 5.0}}}
    assert changed.pipeline.snapshot()["decoders"]["sources"] == {}


@pytest.mark.parametrize(
    "damaged",
    [
        None,
        [],
        {},
        {"version": 2, "sources": {}},
        {"version": 1},
        {"version": 1, "sources": 7},
        {"version": 1, "sources": {"plain": {}}},
        {"version": 1, "sources": {"plain": {"last": 3}}},
        {"version": 1, "sources": {"plain": 3}},
    ],
)
def test_a_damaged_state_of_decoders_is_refused_alone_and_said(damaged: object) -> None:
    walk, other = remembering(), remembering()
    other.step(deltas(0, 9))
    before = walk.pipeline.snapshot()["decoders"]
    refusals = walk.pipeline.restore(other.pipeline.snapshot() | {"decoders": damaged})
    assert [refusal.reason for refusal in refusals] == ["decoders"]
    assert walk.pipeline.snapshot()["decoders"] == before
    assert walk.pipeline.counters.received == other.pipeline.counters.received


def test_a_decoder_that_keeps_nothing_takes_no_state() -> None:
    decoder = PLAIN.format.decoder(2)
    assert decoder.snapshot() == {}
    decoder.restore({})
    with pytest.raises(StateError):
        decoder.restore({"last": 1})
