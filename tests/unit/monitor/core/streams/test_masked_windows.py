"""A window is judged by the channels that can be trusted, and nobody is told that it was good."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from monitor.core.alerting.decision_rule import Verdict
from monitor.core.artifact.manifest import Manifest
from monitor.core.outputs.reports import alert_fields
from monitor.core.scoring.quality import QUALITIES, Quality
from monitor.core.streams.model_group import ModelGroup
from monitor.core.streams.scored_batch import ScoredBatch
from monitor.core.streams.stream_table import StreamState
from monitor.core.values.scorer import Floats32, ScoreBatch
from monitor.core.windows.stream_windows import WindowBatch
from tests.manifests import MeanSquareScorer, array_fields, manifest_fields, manifest_of, masking_fields, model_group_of

NAMES = ("a", "b", "c", "d")
LENGTH = 8
CALM, WILD = 1.0, 4.0  # amplitudes, of errors 1 and 16 in one channel; the threshold is 2
SPOILT: dict[Quality, list[float]] = {
    Quality.STUCK: [0.5] * LENGTH,
    Quality.OUT_OF_RANGE: [9.0, *[0.5, -0.5] * 3, 0.0],
    Quality.NON_FINITE: [np.nan, *[0.5, -0.5] * 3, 0.0],
}


def manifest(*, calibrated: bool = True, kind: str = "fixed", **masking: Any) -> Manifest:
    """Four channels, none of which stands still."""
    changed: dict[str, Any] = {"channels": [{"name": name, "may_rest": False, "high": 8.0} for name in NAMES]}
    if calibrated:
        own: dict[str, Any] = {"centre": [0.0] * 4, "scale": [1.0] * 4} if kind == "window" else {}
        changed["masking"] = masking_fields(4, **(own | masking))
    fields = manifest_fields(NAMES, kind=kind) | changed
    if kind in {"stream", "template"}:
        fields["normalization"]["warmup_windows"] = 3
    if kind == "template":
        fields["golden"]["centre"] = array_fields(np.zeros((1, 4, LENGTH), np.float32))
    return Manifest.model_validate(fields)


class JointScorer(MeanSquareScorer):
    """A model that reconstructs each channel as the mean of all of them: what one shows changes the error of all."""

    def score(self, windows: Floats32, centre: Floats32, scale: Floats32) -> ScoreBatch:
        return super().score(windows - windows.mean(axis=1, keepdims=True), centre, scale)


def judged(
    model_group: ModelGroup,
    *windows: Mapping[str, list[float] | float],
    coverage: float = 1.0,
    scorer: MeanSquareScorer | None = None,
) -> ScoredBatch:
    """Judge windows of stream 0, of alternating samples of these amplitudes, or of just these samples."""
    sign = np.array([1, -1] * (LENGTH // 2), np.float32)
    values = np.array(
        [
            [
                sample * sign if isinstance(sample := window.get(name, CALM), float) else np.array(sample, np.float32)
                for name in NAMES
            ]
            for window in windows
        ],
        np.float32,
    )
    ends = np.arange(len(windows), dtype=np.float64)
    covered = np.ones(values.shape[:2], np.float32)
    covered[:, NAMES.index("b")] = coverage
    batch = WindowBatch(np.zeros(len(windows), np.int64), ends, ends, covered, values)
    prepared = model_group.prepare(batch)
    use = prepared.judged
    values, centre = prepared.windows.values[use], prepared.centre[use]
    if centre.ndim == 3:  # a template
        values, centre = values - centre, np.zeros(values.shape[:2], np.float32)
    scores = (scorer or MeanSquareScorer()).score(values, centre, prepared.scale[use])
    return model_group.conclude(prepared, scores)


def group_of(chosen: Manifest, **judge: Any) -> ModelGroup:
    model_group = model_group_of(chosen, **judge)
    model_group.open_stream("s", {}, [[0, 1, 2, 3]])
    return model_group


def state_of(model_group: ModelGroup) -> tuple[StreamState, Quality, list[str]]:
    streams = model_group.streams
    return StreamState(int(streams.state[0])), QUALITIES[streams.quality[0]], model_group.masked_names(0)


@pytest.mark.parametrize("why", SPOILT)
def test_a_window_with_one_bad_channel_is_judged_by_the_others_and_called_masked(why: Quality) -> None:
    model_group = group_of(manifest())
    done = judged(model_group, {"b": SPOILT[why]}, {"b": SPOILT[why], "a": WILD})
    assert done.verdict.tolist() == [Verdict.NORMAL, Verdict.ANOMALOUS]
    assert done.error.tolist() == [1, (16 + 1 + 1) / 3]
    assert state_of(model_group) == (StreamState.PENDING, Quality.MASKED, ["b"])
    assert not model_group.windows_withheld


def test_a_sample_that_no_sensor_delivers_masks_its_channel_and_not_the_machine() -> None:
    model_group = group_of(manifest_of(NAMES, masking=masking_fields(4)))
    done = judged(model_group, {"b": [-1e30, *[0.5, -0.5] * 3, 0.0], "a": WILD})
    assert done.verdict.tolist() == [Verdict.ANOMALOUS]
    assert state_of(model_group) == (StreamState.PENDING, Quality.MASKED, ["b"])


def test_a_channel_of_which_too_little_came_is_masked_alone() -> None:
    model_group = group_of(manifest())
    done = judged(model_group, {"a": WILD}, coverage=0.5)
    assert done.verdict.tolist() == [Verdict.ANOMALOUS]
    assert state_of(model_group) == (StreamState.PENDING, Quality.MASKED, ["b"])


def test_what_a_masked_channel_shows_changes_no_verdict_and_no_number() -> None:
    found = [judged(group_of(manifest()), {"b": why}, scorer=JointScorer()) for why in SPOILT.values()]
    assert np.isfinite(found[0].error).all()
    for name in ("error", "score", "channel_error", "verdict"):
        np.testing.assert_array_equal(getattr(found[0], name), getattr(found[1], name))
        np.testing.assert_array_equal(getattr(found[0], name), getattr(found[2], name))


def test_windows_without_a_bad_channel_are_judged_as_ever_beside_those_with_one() -> None:
    beside = judged(group_of(manifest()), {"a": WILD}, {"b": SPOILT[Quality.STUCK]}, {})
    alone = judged(group_of(manifest(calibrated=False)), {"a": WILD}, {})
    assert beside.error[[0, 2]].tolist() == alone.error.tolist()
    assert beside.quality[[0, 2]].tolist() == alone.quality.tolist()


def test_the_score_is_by_the_threshold_of_what_is_masked() -> None:
    done = judged(group_of(manifest(threshold=[2.0, 8.0, 2.0, 2.0])), {"b": SPOILT[Quality.STUCK], "a": WILD}, {})
    assert done.score.tolist() == pytest.approx([6 / 8, 1 / 2])
    assert done.verdict.tolist() == [Verdict.NORMAL, Verdict.NORMAL]


def test_of_more_than_half_of_the_channels_nothing_is_judged() -> None:
    model_group = group_of(manifest())
    stuck = SPOILT[Quality.STUCK]
    assert judged(model_group, {"a": stuck, "b": stuck, "d": WILD}).verdict.tolist() == [Verdict.ANOMALOUS]
    done = judged(model_group, {"a": stuck, "b": stuck, "c": stuck, "d": WILD})
    assert done.verdict.tolist() == [Verdict.WITHHELD]
    assert model_group.windows_withheld == {"stuck": 1}
    assert state_of(model_group)[1:] == (Quality.STUCK, ["a", "b", "c"])


def test_an_artifact_that_was_not_calibrated_for_it_withholds_and_names_the_channel() -> None:
    model_group = group_of(manifest(calibrated=False))
    done = judged(model_group, {"b": SPOILT[Quality.NON_FINITE], "a": WILD})
    assert done.verdict.tolist() == [Verdict.WITHHELD]
    assert state_of(model_group) == (StreamState.WITHHELD, Quality.NON_FINITE, ["b"])


@pytest.mark.parametrize("kind", ["window", "stream", "template"])
def test_it_is_so_whatever_normalizes(kind: str) -> None:
    model_group = group_of(manifest(kind=kind))
    rng = np.random.default_rng(0)
    judged(model_group, *({name: list(rng.normal(size=LENGTH)) for name in NAMES} for _ in range(3)))
    done = judged(model_group, {"b": SPOILT[Quality.NON_FINITE]})
    assert QUALITIES[done.quality[0]] is Quality.MASKED
    assert np.isfinite(done.error).all()


@pytest.mark.parametrize("kind", ["stream", "template"])
def test_masked_windows_teach_nothing(kind: str) -> None:
    taught, spoilt = group_of(manifest(kind=kind)), group_of(manifest(kind=kind))
    rng = np.random.default_rng(0)
    windows: list[Any] = [{name: list(rng.normal(size=LENGTH)) for name in NAMES} for _ in range(3)]
    judged(taught, *windows)
    judged(spoilt, windows[0], {"b": SPOILT[Quality.STUCK], "a": WILD}, *windows[1:])
    assert state_of(spoilt)[0] is StreamState.WARMING_UP
    assert spoilt.windows_withheld == {"stuck": 1, "warming_up": 3}
    fresh: Floats32 = np.zeros((1, 4, LENGTH), np.float32)
    batch = WindowBatch(np.zeros(1, np.int64), np.zeros(1), np.zeros(1), np.ones((1, 4), np.float32), fresh)
    ours, theirs = (group.normalizer.parameters(batch, np.zeros(1, np.bool_)) for group in (taught, spoilt))
    assert ours[2].all()
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_an_alert_names_what_it_was_judged_without_and_the_threshold_that_held() -> None:
    model_group = group_of(manifest(threshold=[2.0, 4.0, 2.0, 2.0]), k=1, n=1)
    done = judged(model_group, {"b": SPOILT[Quality.STUCK], "a": WILD})
    fields = alert_fields(done.steps[-1][1], model_group)
    assert (fields["channel"], fields["masked"], fields["threshold"]) == ("a", ("b",), 4.0)
    assert np.isnan(fields["channels"]["b"])
    assert fields["score"] == pytest.approx(fields["error"] / fields["threshold"])
    done = judged(group_of(manifest(), k=1, n=1), {"a": WILD})
    fields = alert_fields(done.steps[-1][1], model_group)
    assert (fields["masked"], fields["threshold"]) == ((), 2.0)


def test_a_stream_is_told_anew_when_another_channel_is_masked_and_when_all_are_well() -> None:
    model_group = group_of(manifest())
    stuck = SPOILT[Quality.STUCK]
    judged(model_group, {"b": stuck})
    for window, names in (({"b": stuck}, None), ({"c": stuck}, ["c"]), ({}, [])):
        model_group.changed.clear()
        judged(model_group, window)
        assert model_group.changed == (set() if names is None else {"s"})
        assert names is None or model_group.masked_names(0) == names
    assert state_of(model_group) == (StreamState.NORMAL, Quality.GOOD, [])


def test_another_artifact_brings_its_own_masking() -> None:
    model_group = group_of(manifest(calibrated=False))
    model_group.adopt(manifest(), 256)
    assert judged(model_group, {"b": SPOILT[Quality.STUCK]}).verdict.tolist() == [Verdict.NORMAL]


def test_a_manifest_with_masking_of_another_model_is_refused() -> None:
    for masking in (
        masking_fields(3),
        masking_fields(4, length=LENGTH + 1),
        masking_fields(4, pair_threshold=[1.0]),
        masking_fields(4, centre=[0.0] * 4, scale=[1.0] * 4),
        masking_fields(4, version=2),
    ):
        with pytest.raises(ValueError, match="masking"):
            manifest_of(NAMES, masking=masking)
