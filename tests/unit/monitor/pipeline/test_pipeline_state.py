"""The state of a pipeline: kept by name whatever happens to the rings, refused as a whole or taken over as a whole."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.core.alerting.command import Command
from monitor.core.artifact.manifest import RHYTHM_CHANNELS, Manifest
from monitor.core.decode.json_format.settings import JsonFormat
from monitor.core.sources.source import SourceSpec
from monitor.core.values.messages import Message, MessageBatch
from monitor.core.values.snapshots import State, StateError, decode_state, encode_state
from monitor.pipeline.commands import AcceptedCommand, apply_command
from monitor.pipeline.pipeline import Moment, Pipeline, PipelineSettings
from tests.manifests import PERIOD, MeanSquareScorer, array_fields, manifest_fields, model_group_of
from tests.states.mutations import mutate
from tests.states.restored import VERSIONS, Left, phases_of

START = 1e9
CHANNELS = ("x", "y")
SOURCES = tuple(
    SourceSpec(
        name=model,
        topic=f"{model}/{{device}}",
        model=model,
        qos=1,
        format=JsonFormat(kind="json", timestamp="t", rows="r"),
    )
    for model in ("fixed", "stream", "template", "heart")
)


class TemplateScorer(MeanSquareScorer):
    """Takes a template as the centre, too."""

    def score(self, windows: Any, centre: Any, scale: Any) -> Any:
        return super().score(windows - centre if centre.ndim == 3 else windows, np.zeros_like(scale), scale)


@cache
def manifest_for(model: str, names: tuple[str, ...] = CHANNELS, **changed: Any) -> Manifest:
    """A manifest of the kind that the model is called by."""
    if model == "heart":
        fields = manifest_fields((*names, "rr", "rr_change"), length=60)
        fields["window"] |= {"cut": "beat", "stride": 50, "beat": {"before_samples": 20, "max_rr_seconds": 2.0}}
        fields["channels"][-2:] = [channel.model_dump() for channel in RHYTHM_CHANNELS]
    else:
        fields = manifest_fields(names, **{"kind": model, **changed})
    if fields["normalization"]["kind"] in {"stream", "template"}:
        fields["normalization"]["warmup_windows"] = 3
    if model == "template":
        fields["golden"]["centre"] = array_fields(np.zeros((1, len(names), 8), np.float32))
    return Manifest.model_validate(fields | {"model": model})


def pipeline_of(**changed: Any) -> Pipeline:
    """A model of each kind; `changed` is about the artifact of the first."""
    models = [source.model for source in SOURCES]
    groups = {model: model_group_of(manifest_for(model, **(changed if model == "fixed" else {}))) for model in models}
    scorers = {model: TemplateScorer() for model in models}
    return Pipeline(SOURCES, groups, scorers, PipelineSettings(), lambda: 0.0)


def send(pipeline: Pipeline, topic: str, first: int, rows: int, value: float = 1.0) -> None:
    slots = np.arange(first, first + rows)
    wave = np.where(slots % 80 < 4, value, 0.0) if topic.startswith("heart") else np.where(slots % 2, value, -value)
    body = json.dumps({"t": START + first * PERIOD, "r": [[x, -x] for x in wave.tolist()]})
    now = Moment(START + (first + rows) * PERIOD, float(first))
    batch = MessageBatch.of([Message(topic, body.encode(), now.wall_seconds)])
    pipeline.step(batch, now, everything=True)


def walked() -> Pipeline:
    """A pipeline with an alert that fires, one that is pending, a mute, gaps, and streams that learn or have learnt."""
    pipeline = pipeline_of()
    for device in ("one", "two", "three"):
        send(pipeline, f"fixed/{device}", 0, 21)
    for device, rows in ("beating", 1001), ("young", 150):
        send(pipeline, f"heart/{device}", 0, rows)
    send(pipeline, "fixed/one", 22, 30, 3.0)
    send(pipeline, "fixed/two", 21, 3, 3.0)
    apply_command(AcceptedCommand(Command("mute", "three", 1e6), pipeline.model_groups["fixed"], START))
    for model in ("stream", "template"):
        send(pipeline, f"{model}/{model}-learnt", 0, 40)
        send(pipeline, f"{model}/{model}-learning", 0, 13)
    return pipeline


MORE = {"fixed/one": 60, "heart/beating": 1010, "heart/young": 150, "stream/stream-learning": 13}
STATE = encode_state(walked().snapshot())


def state() -> State:
    return decode_state(STATE)


def same(one: object, other: object) -> bool:
    return encode_state({"": one}) == encode_state({"": other})


def test_what_is_restored_gives_the_same_state_again() -> None:
    after = pipeline_of()
    assert after.restore(state()) == []
    assert same(after.snapshot(), state())


def test_the_channels_that_could_not_be_trusted_last_are_told_again_and_of_older_states_none() -> None:
    before = pipeline_of()
    body = json.dumps({"t": START, "r": [[float(at), None] for at in range(8)]}).encode()
    before.step(MessageBatch.of([Message("fixed/one", body, START + 1)]), Moment(START + 1, 1.0), everything=True)
    kept = decode_state(encode_state(before.snapshot()))
    after = pipeline_of()
    after.restore(kept)
    assert after.model_groups["fixed"].masked_names(0) == ["y"]
    for stream in kept["kept"]["models"]["fixed"]["streams"]:
        del stream["masked"]
    older = pipeline_of()
    assert older.restore(kept) == []
    assert older.model_groups["fixed"].masked_names(0) == []


ALERTS = {"one": "firing", "two": "pending"}


@pytest.mark.parametrize(
    "other",
    [{"length": 16}, {"stride": 2}, {"sample_period_seconds": PERIOD * 2}],
    ids=lambda changed: next(iter(changed)),
)
def test_rings_of_other_windows_are_refused_and_streams_keep_alerts_and_mutes(other: dict[str, Any]) -> None:
    after = pipeline_of(**other)
    assert [(refusal.reason, "fixed" in refusal.detail) for refusal in after.restore(state())] == [("rings", True)]
    group = after.model_groups["fixed"]
    assert phases_of(group) == ALERTS
    assert list(group.streams.number) == ["one", "two", "three"]
    assert "three" in group.mutes
    send(after, "fixed/one", 100, 40)
    assert phases_of(group) == {"two": "pending"}


def test_an_artifact_that_normalizes_otherwise_has_its_streams_learn_anew() -> None:
    after = pipeline_of(kind="stream")
    assert [refusal.reason for refusal in after.restore(state())] == ["normals"]
    assert phases_of(after.model_groups["fixed"]) == ALERTS
    assert after.model_groups["fixed"].normalizer.warmup_progress(np.arange(3)).tolist() == [0, 0, 0]


def test_an_artifact_of_other_channels_has_its_streams_start_over_and_mutes_hold() -> None:
    after = pipeline_of(names=("x", "z"))
    assert [refusal.reason for refusal in after.restore(state())] == ["channels"]
    group = after.model_groups["fixed"]
    assert (len(group.streams), after.open_alerts) == (0, set())
    assert "three" in group.mutes
    assert len(after.model_groups["stream"].streams) == 2


@pytest.mark.parametrize("damage", ["schema", "windows"])
def test_rings_that_another_version_wrote_are_refused_and_the_rest_is_kept(damage: str) -> None:
    given_state, after = state(), pipeline_of()
    given_state["rings"]["stream"] = {**given_state["rings"]["stream"], damage: "other"}
    assert [refusal.reason for refusal in after.restore(given_state)] == ["rings"]
    assert same(after.snapshot()["kept"], state()["kept"])


@pytest.mark.parametrize(
    ("model", "place", "number"),
    [
        ("fixed", ("grid", "head"), 2**40),
        ("fixed", ("grid", "run_start"), 2**40),
        ("fixed", ("policy", "next_end"), 0),
        ("heart", ("policy", "run"), 2**40),
        ("heart", ("policy", "beats", "seen"), 0),
    ],
    ids=lambda given: given[-1] if isinstance(given, tuple) else "",
)
def test_a_slot_that_is_far_from_all_others_is_no_state_of_rings(
    model: str, place: tuple[str, ...], number: int
) -> None:
    given_state, after = state(), pipeline_of()
    part = given_state["rings"][model]["windows"]
    for name in place[:-1]:
        part = part[name]
    part[place[-1]] = np.full_like(part[place[-1]], number)
    assert [refusal.reason for refusal in after.restore(given_state)] == ["rings"]


@pytest.mark.parametrize("name", ["begin", "next_pause"])
def test_beats_that_are_overdue_without_end_are_no_state_of_rings(name: str) -> None:
    given_state, after = state(), pipeline_of()
    for rules in given_state["rings"]["heart"]["windows"]["policy"]["beats"]["rules"]:
        rules[name] = -(2**40)
        rules["beat_heights"] = []
    assert [refusal.reason for refusal in after.restore(given_state)] == ["rings"]


def owners_of(pipeline: Pipeline) -> dict[str, list[tuple[str, ...]]]:
    return {
        name: list(layout.owners.values())
        for group in pipeline.model_groups.values()
        for name, layout in group.layouts.items()
    }


def test_streams_belong_to_their_topics_in_the_next_process_too() -> None:
    after = pipeline_of()
    after.restore(state())
    assert owners_of(after)["one"] == [("fixed/one",)]
    assert owners_of(after) == owners_of(walked())


def test_streams_of_version_1_belong_to_nobody_which_is_counted_and_then_to_the_first_topic_that_comes() -> None:
    given_state, after = state(), pipeline_of()
    given_state["kept"]["version"] = 1
    for model in given_state["kept"]["models"].values():
        for stream in model["streams"]:
            del stream["owners"], stream["display_name"]
    (refusal,) = after.restore(given_state)
    assert refusal.reason == "owners"
    assert refusal.detail.startswith("9 streams")
    assert owners_of(after)["one"] == []
    assert phases_of(after.model_groups["fixed"]) == ALERTS
    assert after.model_groups["fixed"].streams.display_names["one"] == "one"
    assert after.model_groups["fixed"].streams.gave_window[:3].all()
    send(after, "fixed/one", 60, 10)
    assert owners_of(after)["one"] == [("fixed/one",)]


def test_what_an_older_version_kept_of_labels_is_shown_without_control_characters() -> None:
    given_state, after = state(), pipeline_of()
    given_state["kept"]["models"]["fixed"]["streams"][0]["labels"] = {"site": "a\u202eb\n"}
    after.restore(given_state)
    assert after.model_groups["fixed"].streams.labels["one"] == {"site": "ab "}


def test_a_state_of_a_later_version_is_refused() -> None:
    given_state, after = state(), pipeline_of()
    given_state["kept"]["version"] += 1
    with pytest.raises(StateError, match="version 3") as refused:
        after.restore(given_state)
    assert refused.value.reason == "version"


def test_a_state_of_other_models_is_refused() -> None:
    given_state, after = state(), pipeline_of()
    given_state["kept"]["models"]["more"] = given_state["kept"]["models"].pop("fixed")
    with pytest.raises(StateError, match="other models") as refused:
        after.restore(given_state)
    assert refused.value.reason == "settings"


def test_a_phase_without_its_alert_is_no_state() -> None:
    given_state, after = state(), pipeline_of()
    given_state["kept"]["models"]["fixed"]["alerts"].pop()
    with pytest.raises(StateError, match="alerts"):
        after.restore(given_state)


def restores_or_refuses(pipeline: Pipeline, given_state: State) -> None:
    """A state is refused as a whole, with nothing changed, or taken over so that the pipeline can go on."""
    fresh = encode_state(pipeline.snapshot())
    try:
        pipeline.restore(given_state)
    except StateError:
        assert encode_state(pipeline.snapshot()) == fresh
        return
    decode_state(encode_state(pipeline.snapshot()))
    pipeline.resume(START + 1000)
    pipeline.housekeep(Moment(START + 1000, 0.0))
    for topic, first in MORE.items():
        if topic.partition("/")[0] in pipeline.model_groups:
            send(pipeline, topic, first, 20)
    pipeline.retire(pipeline.model_groups.keys())
    assert pipeline.open_alerts == set()


@settings(max_examples=200)
@given(data=st.data())
def test_whatever_lies_there_it_is_refused_as_a_whole_or_taken_over(data: st.DataObject) -> None:
    given_state = state()
    for _ in range(data.draw(st.integers(1, 3))):
        mutate(data, given_state)
    restores_or_refuses(pipeline_of(), given_state)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
def test_whatever_became_of_an_older_state_it_is_refused_as_a_whole_or_taken_over(
    version: Path, data: st.DataObject
) -> None:
    left = Left(version)
    given_state = left.checkpoint()["pipeline"]
    for _ in range(data.draw(st.integers(1, 3))):
        mutate(data, given_state)
    restores_or_refuses(left.pipeline(), given_state)


@given(st.binary(max_size=40), st.integers(0, len(STATE)), st.integers(0, len(STATE)))
def test_bytes_that_were_cut_or_overwritten_are_refused_or_taken_over(patch: bytes, at: int, end: int) -> None:
    data = bytearray(STATE)
    data[at : at + len(patch)] = patch
    try:
        given_state = decode_state(bytes(data[:end]) if end > at else bytes(data))
    except StateError:
        return
    restores_or_refuses(pipeline_of(), given_state)
