"""What older versions of the daemon left on the disk when they were killed is gone on from."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from monitor.adapters.mqtt.delivery_progress import DeliveryProgress
from monitor.adapters.mqtt.inbound_session import InboundSession, merge_resumes
from monitor.adapters.storage.disk_store import DiskStore
from monitor.core.streams.model_group import ModelGroup
from monitor.core.values.messages import Message, MessageBatch
from monitor.core.windows.stream_windows import WindowBatch
from monitor.durability.checkpointer import Checkpointer
from monitor.durability.outbox import Outbox
from monitor.durability.recovery import Recovered
from monitor.pipeline.pipeline import Moment, Pipeline
from monitor.setup.build import fingerprint_of, older_fingerprints_of
from tests.doors import MemorySink, MemorySource
from tests.states.restored import VERSIONS, Left, phases_of
from tests.states.write import KINDS, LEARNING, LEARNT, LENGTH, RATE_HZ, WARMUP, wave

of_every_version = pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)


@pytest.fixture
def left(version: Path, tmp_path: Path) -> Left:
    return Left.copied(version, tmp_path / "left")


def restored(left: Left) -> Pipeline:
    pipeline = left.pipeline()
    pipeline.restore(left.checkpoint()["pipeline"])
    return pipeline


class BrokerSource(MemorySource):
    """A source that resumes as the link to the broker does."""

    def merge(self, resumes: Sequence[bytes]) -> bytes:
        return merge_resumes(resumes)


def recovered(
    left: Left, sink: MemorySink | None = None, source: MemorySource | None = None
) -> tuple[Pipeline, Recovered]:
    """A pipeline that went on from checkpoint and journal, a moment after the daemon was killed.

    sink, source: what takes the place of the link to the broker.
    """
    pipeline, config = left.pipeline(), left.config()
    store = DiskStore(left.folder / "kept")
    checkpointer = Checkpointer(store, config.journal, fingerprint_of(config), older_fingerprints_of(config))
    sources = {"mqtt": source or MemorySource("mqtt")}
    now = Moment(left.meta["wall_seconds"] + 1, 0.0)
    return pipeline, checkpointer.recover(pipeline, now, sources, Outbox([sink or MemorySink("mqtt")]))


def expected_phases(phases: dict[str, list[str]]) -> dict[str, str]:
    return {stream: phase for phase in ("pending", "firing") for stream in phases[phase]}


@of_every_version
def test_all_streams_are_there_with_their_labels(left: Left) -> None:
    groups = restored(left).model_groups
    for model in KINDS:
        assert set(groups[model].streams.number) == {*LEARNT[model], *LEARNING[model]}
    site, device = "north", "press"
    assert groups["hum"].streams.labels["north.press"] == {"site": site, "device": device}


@of_every_version
def test_open_alerts_go_on_under_their_ids(left: Left) -> None:
    group = restored(left).model_groups["hum"]
    assert phases_of(group) == expected_phases(left.meta["in_checkpoint"])
    ids = {step["stream"]: step["id"] for step in left.meta["said"]}
    assert {step.stream: step.id for step in group.alerts.open_steps()} == ids


@of_every_version
def test_mutes_hold(left: Left) -> None:
    mutes = restored(left).model_groups["hum"].mutes
    (muted,) = left.meta["at_the_end"]["muted"]
    assert list(mutes.ends()) == [muted]
    month = 30 * 86400
    assert left.meta["wall_seconds"] + month - 60 < mutes.ends()[muted] < left.meta["wall_seconds"] + month


def normals_of(group: ModelGroup, stream: str) -> tuple[np.ndarray, np.ndarray]:
    """Centre and scale of one stream, as a window of it would be normalized."""
    values = np.zeros((1, 2, LENGTH), np.float32)
    number = np.array([group.streams.number[stream]])
    batch = WindowBatch(number, np.zeros(1), np.zeros(1), np.ones(1, np.float32), values)
    centre, scale, ready = group.normalizer.parameters(batch, np.zeros(1, np.bool_))
    assert ready.all()
    return centre[0], scale[0]


def test_what_was_learnt_is_the_same_numbers_by_stream(tmp_path: Path) -> None:
    left = Left.copied(next(version for version in VERSIONS if version.name == "ada64b2"), tmp_path / "left")
    groups = restored(left).model_groups
    for model, streams in LEARNT.items():
        theirs = left.checkpoint()["pipeline"]["fleets"][model]
        for stream in streams:
            number = theirs["streams"]["names"].index(stream)
            centre, scale = normals_of(groups[model], stream)
            np.testing.assert_array_equal(centre, theirs["normalizer"]["_centre"][number])
            np.testing.assert_array_equal(scale, theirs["normalizer"]["_scale"][number])


@of_every_version
def test_what_was_learnt_is_usual_for_each_stream_and_what_was_half_learnt_is_learnt_to_the_end(left: Left) -> None:
    pipeline = restored(left)
    names = [name for each in (LEARNT, LEARNING) for model in each for name in each[model]]
    for model, kind in KINDS.items():
        group = pipeline.model_groups[model]
        for stream in LEARNT[model]:
            level = 10.0 * names.index(stream)
            centre = normals_of(group, stream)[0][0]
            usual = level + wave(0, LENGTH)[:, 0] if kind == "template" else level
            np.testing.assert_allclose(centre, usual, atol=0.3)
        (stream,) = LEARNING[model]
        number = np.array([group.streams.number[stream]])
        assert group.normalizer.warmup_progress(number).tolist() == [WARMUP // 2 / WARMUP]


@of_every_version
def test_counts_go_on(left: Left) -> None:
    counters = restored(left).counters
    assert set(counters.received) == {"machines", "furnaces"}
    assert counters.alert_steps == {"pending": 3, "firing": 2}
    assert counters.commands == {("mute", "accepted"): 1}


@of_every_version
def test_checkpoint_and_journal_together_are_the_state_at_the_last_commit(left: Left) -> None:
    pipeline, found = recovered(left)
    assert not found.discarded.keys() - {"rings", "owners"}
    assert (found.trouble, found.dropped) == (None, {})
    assert found.messages_kept == left.meta["messages"]
    group = pipeline.model_groups["hum"]
    assert phases_of(group) == expected_phases(left.meta["at_the_end"])
    assert list(group.mutes.ends()) == left.meta["at_the_end"]["muted"]


def test_rings_of_commit_ada64b2_are_refused_with_a_count(tmp_path: Path) -> None:
    left = Left.copied(next(version for version in VERSIONS if version.name == "ada64b2"), tmp_path / "left")
    _, found = recovered(left)
    assert found.discarded == {"rings": len(KINDS), "owners": 1}


@of_every_version
def test_alerts_end_under_their_ids_when_their_streams_calm_down(left: Left) -> None:
    pipeline, _ = recovered(left)
    group = pipeline.model_groups["hum"]
    ids = {step.stream: step.id for step in group.alerts.open_steps()}
    began = left.meta["wall_seconds"] + 10
    said = []
    for number in range(8):
        now = began + number
        messages = []
        for stream in ids:
            body = {"ts": began + number * LENGTH / RATE_HZ, "rows": wave(number * LENGTH, LENGTH).tolist()}
            topic = f"plant/{stream.replace('.', '/')}/hum"
            messages.append(Message(topic, json.dumps(body).encode(), now))
        step = pipeline.step(MessageBatch.of(messages), Moment(now, now), everything=True)
        said += [json.loads(report.payload) for report in step.reports if report.step]
    assert sorted((alert["id"], alert["phase"]) for alert in said) == sorted((id_, "resolved") for id_ in ids.values())
    assert pipeline.open_alerts == set()


@of_every_version
def test_steps_that_the_broker_does_not_have_are_delivered_and_the_others_only_released(left: Left) -> None:
    sink = MemorySink("mqtt")
    recovered(left, sink)
    told = [(json.loads(each.payload)["stream"], json.loads(each.payload)["phase"], each) for each in sink.delivered]
    unsaid = {(stream, phase) for stream, phase in left.meta["unsaid"]}
    received = {(stream, phase) for stream, phase in left.meta["received"]}
    assert {(stream, phase) for stream, phase, _ in told} == unsaid | received
    released = {(stream, phase) for stream, phase, each in told if DeliveryProgress().take_up(each)[1]}
    assert released == received
    assert all(each.begun for _, _, each in told)
    assert len({DeliveryProgress().take_up(each)[0] for _, _, each in told}) == len(told)


@of_every_version
def test_what_was_journaled_is_known_by_its_packet_identifier(left: Left) -> None:
    source = BrokerSource("mqtt")
    recovered(left, source=source)
    kept = {at: int.from_bytes(source.remembered[at : at + 2], "little") for at in range(0, len(source.remembered), 6)}
    contents = {packet: int.from_bytes(source.remembered[at + 2 : at + 6], "little") for at, packet in kept.items()}
    session = InboundSession()
    session.resume(session_present=True)
    session.remember(source.remembered)
    assert contents
    assert contents.keys() >= left.checkpoint().get("safe", {}).keys()
    for packet_id, content in contents.items():
        assert session.arrived(packet_id, 1, duplicate=True, content=content) is None


@of_every_version
def test_the_fingerprint_is_that_of_the_same_settings_and_of_no_others(left: Left) -> None:
    config, written = left.config(), left.checkpoint()["settings"]
    assert written in (fingerprint_of(config), *older_fingerprints_of(config))
    source = config.source[0].model_copy(update={"topic": "elsewhere/{site}/{device}"})
    other = config.model_copy(update={"source": (source, *config.source[1:])})
    assert written not in (fingerprint_of(other), *older_fingerprints_of(other))
