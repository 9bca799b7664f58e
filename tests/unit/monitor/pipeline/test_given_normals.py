"""Numbers that an artifact brings of single streams are used at once, but not against an operator's word."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from monitor.core.alerting.command import Command
from monitor.core.artifact.array import Array
from monitor.core.artifact.normalization_spec import NormalizationSpec
from monitor.core.artifact.stream_normals import StreamNormals
from monitor.core.scoring.given_normals import MOST_RELEARNT, GivenNormals
from monitor.core.streams.stream_table import StreamState
from monitor.core.values.snapshots import decode_state, encode_state
from monitor.pipeline.commands import AcceptedCommand, apply_command
from tests.unit.monitor.pipeline.test_normals_outlive_streams import (
    GAIN,
    START,
    Walk,
    after_another,
    after_changed_restart,
    after_restart,
    manifest_for,
)

END = START + 3600.0  # of the data that the numbers were found in
OURS = START + 7200.0  # when an operator has a word


def numbers(number: float, until: float = END, **changed: Any) -> dict[str, Any]:
    """The normalization of an artifact that has the numbers of stream `one`: centre 0, and this scale."""
    normals = StreamNormals(
        names=("one",),
        until_seconds=(until,),
        centre=Array.of(np.zeros((1, 1, 1))),
        scale=Array.of(np.full((1, 1), number)),
    )
    fields = normals.model_dump(mode="json") | changed
    return {"kind": "stream", "scale_floor": [1e-3], "warmup_windows": 3, "of_streams": fields}


def scale_of(walk: Walk, name: str = "one") -> float:
    learnt = walk.group.normalizer.learnt(walk.group.streams.number[name])
    assert learnt is not None
    return float(learnt.scale[0])


def relearn(walk: Walk, at_seconds: float) -> None:
    apply_command(AcceptedCommand(Command("relearn", "one"), walk.group, at_seconds))


def test_a_stream_of_which_the_artifact_has_numbers_is_judged_from_its_first_window() -> None:
    walk = Walk(normalization=numbers(GAIN))
    walk.run(8)
    assert walk.state is not StreamState.WARMING_UP
    assert scale_of(walk) == GAIN
    walk.run(8, device="two")
    assert walk.group.normalizer.learnt(walk.group.streams.number["two"]) is None


def test_an_artifact_that_is_put_in_use_brings_its_numbers_to_streams_that_are_open() -> None:
    walk = Walk()
    walk.run(100)
    before = scale_of(walk)
    walk.group.adopt(manifest_for("stream", version="2", normalization=numbers(GAIN)), 256)
    assert before == pytest.approx(1.4826, rel=0.01)
    assert scale_of(walk) == GAIN


def test_numbers_come_to_a_stream_that_still_learns() -> None:
    walk = Walk()
    walk.run(8)
    walk.group.adopt(manifest_for("stream", version="2", normalization=numbers(GAIN)), 256)
    walk.run(8)
    assert walk.state is not StreamState.WARMING_UP
    assert scale_of(after_restart(walk, normalization=numbers(GAIN))) == GAIN


def test_numbers_come_to_a_stream_that_was_remembered_and_is_back() -> None:
    walk = Walk()
    walk.run(100)
    walk.pause(2 * 86400.0)
    walk.group.adopt(manifest_for("stream", version="2", normalization=numbers(GAIN)), 256)
    walk.run(8)
    assert scale_of(walk) == GAIN


@pytest.mark.parametrize("way", [after_restart, after_another, after_changed_restart])
def test_numbers_of_an_artifact_that_came_while_nobody_ran_are_used(way: Any) -> None:
    walk = Walk()
    walk.run(100)
    other = way(walk, normalization=numbers(GAIN))
    other.run(8)
    assert scale_of(other) == GAIN


@pytest.mark.parametrize("way", [after_restart, after_another])
def test_a_stream_that_relearnt_after_the_data_ended_keeps_its_own_numbers(way: Any) -> None:
    walk = Walk(normalization=numbers(GAIN))
    walk.run(8)
    relearn(walk, OURS)
    assert walk.state is StreamState.WARMING_UP
    walk.run(100)
    assert scale_of(walk) < GAIN / 2
    walk.group.adopt(manifest_for("stream", version="2", normalization=numbers(GAIN)), 256)
    assert scale_of(walk) < GAIN / 2
    other = way(walk, normalization=numbers(GAIN))
    other.run(30)
    assert scale_of(other) < GAIN / 2
    newer = manifest_for("stream", version="3", normalization=numbers(GAIN, OURS + 1))
    other.group.adopt(newer, 256)
    assert scale_of(other) == GAIN


def test_what_older_versions_kept_has_no_word_of_relearning() -> None:
    walk = Walk()
    walk.run(100)
    state = decode_state(encode_state(walk.pipeline.snapshot()))
    del state["kept"]["models"]["m"]["relearnt"]
    other = Walk(normalization=numbers(GAIN))
    other.pipeline.restore(state)
    assert scale_of(other) == GAIN


def test_names_that_relearnt_are_bounded_and_the_oldest_go_first() -> None:
    given = GivenNormals()
    for number in range(MOST_RELEARNT + 2):
        given.relearn(f"s{number}", 1.0)
    assert len(given.relearnt) == MOST_RELEARNT
    assert "s1" not in given.relearnt
    assert "s2" in given.relearnt


@pytest.mark.parametrize(
    "changed",
    [
        {"names": ("one", "one"), "until_seconds": (0.0, 0.0)},
        {"until_seconds": ()},
        {"scale": Array.of(np.zeros((1, 1))).model_dump()},
        {"scale": Array.of(np.full((1, 1), np.inf)).model_dump()},
        {"centre": Array.of(np.full((1, 1, 1), np.nan)).model_dump()},
        {"centre": Array.of(np.zeros((1, 2, 1))).model_dump()},
        {"centre": Array.of(np.zeros(1)).model_dump()},
        {"names": (), "until_seconds": (), "centre": Array.of(np.zeros((0, 1, 1))).model_dump()},
    ],
)
def test_numbers_that_make_no_sense_are_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NormalizationSpec.model_validate(numbers(GAIN, **changed))


def test_numbers_of_streams_belong_to_kinds_that_have_them_and_to_the_channels_of_the_model() -> None:
    fixed = numbers(GAIN) | {"kind": "fixed", "centre": [0.0], "scale": [1.0]}
    with pytest.raises(ValidationError, match="of_streams"):
        NormalizationSpec.model_validate(fixed)
    with pytest.raises(ValidationError, match=r"of_streams.centre is not of shape \[S, 1, 8\]"):
        manifest_for("template", normalization=numbers(GAIN) | {"kind": "template"})
