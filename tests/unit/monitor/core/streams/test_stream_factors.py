"""Streams are held to the multiple of the threshold that the artifact says, and alerts say which one it was."""

import pytest
from pydantic import ValidationError

from monitor.core.artifact.calibration import Calibration
from monitor.core.artifact.manifest import Manifest
from tests.manifests import manifest_fields, model_group_of
from tests.unit.monitor.core.streams.test_model_group import WILD, Walk


def manifest(factors: dict[str, float], **changed: object) -> Manifest:
    fields = manifest_fields(**changed)  # type: ignore[arg-type] # as the helper takes them
    fields["calibration"] |= {"stream_factors": factors}
    return Manifest.model_validate(fields)


def test_a_stream_is_held_to_its_own_multiple_and_the_others_to_the_threshold() -> None:
    walk = Walk(model_group_of(manifest({"a": 10.0})), "a", "b")
    plain = Walk(model_group_of(manifest({})), "a", "b")
    for stream in ("a", "b"):
        walk.send(stream, [WILD] * 8)
        plain.send(stream, [WILD] * 8)
    scores = [group.model_group.streams.score for group in (walk, plain)]
    assert scores[0][0] == pytest.approx(scores[1][0] / 10)
    assert scores[0][1] == scores[1][1]


def test_another_artifact_brings_other_multiples_to_streams_that_are_open() -> None:
    walk = Walk(model_group_of(manifest({})), "a")
    scores = []
    for factors in ({}, {"a": 10.0}, {"b": 10.0}):
        walk.model_group.adopt(manifest(factors), 16)
        done = walk.send("a", [WILD] * 8)
        assert done is not None
        scores.append(float(done.score[-1]))
    assert scores[1] == pytest.approx(scores[0] / 10)
    assert scores[2] == scores[0]


def test_an_alert_says_by_which_threshold_it_was_raised() -> None:
    walk = Walk(model_group_of(manifest({"a": 1.5})), "a")
    done = walk.send("a", [WILD] * 40)
    assert done is not None
    found = [step.evidence.threshold for step in walk.model_group.alerts.open_steps()]
    assert found == [pytest.approx(1.5 * walk.model_group.manifest.threshold)]


@pytest.mark.parametrize("factor", [0.5, 0.0, float("nan"), 100.0])
def test_a_factor_that_would_call_more_often_or_hardly_ever_is_refused(factor: float) -> None:
    fields = manifest_fields()["calibration"] | {"stream_factors": {"a": factor}}
    with pytest.raises(ValidationError, match="stream_factors"):
        Calibration.model_validate(fields)
