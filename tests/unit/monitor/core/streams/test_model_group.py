"""A model group: what streams are in, what is remembered of them, and when they are silent or gone."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from monitor.core.alerting.alerts import AlertStep
from monitor.core.alerting.decision_rule import Phase, Verdict
from monitor.core.artifact.manifest import Manifest
from monitor.core.scoring.quality import QUALITIES, Quality
from monitor.core.streams.model_group import ModelGroup
from monitor.core.streams.scored_batch import ScoredBatch
from monitor.core.streams.stream_table import StreamState
from monitor.core.values.discards import Reason
from monitor.core.values.scorer import Floats32, ScoreBatch
from monitor.core.windows.stream_windows import StreamBlocks
from tests.manifests import PERIOD, MeanSquareScorer, manifest_fields, manifest_of, model_group_of

START = 1e9
CALM, WILD = 1.0, 3.0  # sample values of windows with scores 0.5 and 4.5 at the threshold of 2


class Walk:
    """One model group with streams that send a whole number of strides at a time."""

    def __init__(self, model_group: ModelGroup, *names: str) -> None:
        self.model_group = model_group
        self.scorer = MeanSquareScorer()
        self.channel_groups = [list(range(len(model_group.channels)))]
        self.slot: Counter[str] = Counter()
        for name in names:
            model_group.open_stream(name, {}, self.channel_groups)

    def send(self, name: str, values: list[float] | Floats32, arrival: float | None = None) -> ScoredBatch | None:
        """Send samples (the same on all channels) and score what is ready; the last batch that was concluded."""
        rows = np.repeat(np.asarray(values, np.float32)[:, None], len(self.model_group.channels), axis=1)
        time = START + self.slot[name] * PERIOD
        self.slot[name] += len(rows)
        number = self.model_group.streams.number[name]
        blocks = StreamBlocks(
            channel_group=np.array([number * len(self.model_group.channels)]),
            columns=np.array(self.channel_groups),
            first_time_seconds=np.array([time]),
            length=np.array([len(rows)]),
            arrival_seconds=np.array([time + (len(rows) - 1) * PERIOD if arrival is None else arrival]),
            timed=True,
            values=rows,
        )
        self.model_group.ingest(blocks, 0.0)
        return self.score()

    def score(self) -> ScoredBatch | None:
        windows = self.model_group.ready(0.0, everything=True)
        if windows is None:
            return None
        prepared = self.model_group.prepare(windows)
        judged = prepared.judged
        scores = self.scorer.score(prepared.windows.values[judged], prepared.centre[judged], prepared.scale[judged])
        return self.model_group.conclude(prepared, scores)

    def state(self, name: str) -> StreamState:
        return StreamState(int(self.model_group.streams.state[self.model_group.streams.number[name]]))

    def quality(self, name: str) -> Quality:
        return Quality(QUALITIES[self.model_group.streams.quality[self.model_group.streams.number[name]]])

    def news(self) -> set[str]:
        """The streams that changed since the last look."""
        changed = set(self.model_group.changed)
        self.model_group.changed.clear()
        return changed


def phases(steps: tuple[tuple[int, AlertStep], ...]) -> list[str]:
    return [step.phase for _, step in steps]


def test_a_stream_walks_from_warming_up_to_firing_and_back() -> None:
    walk = Walk(model_group_of(k=2, n=3, release_windows=2), "a")
    states = [walk.state("a")]
    for value in [CALM] * 2 + [WILD] * 3 + [CALM] * 6:
        walk.send("a", [value] * 4)
        states.append(walk.state("a"))
    seen = [state.label for at, state in enumerate(states) if at == 0 or state is not states[at - 1]]
    assert seen == ["warming_up", "normal", "pending", "firing", "normal"]


def test_a_change_is_told_once() -> None:
    walk = Walk(model_group_of(), "a", "b")
    assert walk.news() == {"a", "b"}  # they appeared
    walk.send("a", [CALM] * 8)
    assert walk.news() == {"a"}  # normal
    walk.send("a", [CALM] * 8)
    assert walk.news() == set()
    walk.send("a", [WILD] * 8)
    assert walk.news() == {"a"}


def test_the_last_scored_window_is_remembered_and_windows_are_counted() -> None:
    walk = Walk(model_group_of(manifest_of(("x", "y"))), "a")
    walk.send("a", [CALM] * 8 + [WILD] * 8)
    table = walk.model_group.streams
    assert table.windows_scored[0] == 3
    assert table.windows_anomalous[0] == 2
    assert table.error[0] == pytest.approx(9)
    assert table.score[0] == pytest.approx(4.5)
    assert table.channel_error[0].tolist() == pytest.approx([9, 9])
    assert table.end_seconds[0] == pytest.approx(START + 15 * PERIOD)


def test_a_window_with_missing_values_is_withheld_and_neither_remembered_nor_shown_as_zero() -> None:
    walk = Walk(model_group_of(), "a")
    walk.send("a", [CALM] * 8)
    done = walk.send("a", [CALM, float("nan"), float("nan"), float("nan")])
    assert done is not None
    assert done.verdict.tolist() == [Verdict.WITHHELD]
    assert np.isnan([done.error[0], done.score[0], done.channel_error[0, 0]]).all()
    assert walk.state("a") is StreamState.WITHHELD
    assert walk.quality("a") is Quality.NON_FINITE
    assert walk.model_group.windows_withheld == {"non_finite": 1}
    assert walk.model_group.streams.score[0] == 0.5
    assert walk.model_group.streams.windows_scored[0] == 1


class BrokenScorer(MeanSquareScorer):
    """A model that comes to no number."""

    def score(self, windows: Floats32, centre: Floats32, scale: Floats32) -> ScoreBatch:
        scores = super().score(windows, centre, scale)
        return ScoreBatch(scores.error * np.float32("nan"), scores.channel_error)


def test_a_window_whose_error_is_no_number_is_withheld_and_counted_as_such() -> None:
    walk = Walk(model_group_of(), "a")
    walk.scorer = BrokenScorer()
    done = walk.send("a", [CALM] * 8)
    assert done is not None
    assert done.verdict.tolist() == [Verdict.WITHHELD]
    assert QUALITIES[done.quality[0]] is Quality.NON_FINITE
    assert np.isnan(done.channel_error).all()
    assert walk.quality("a") is Quality.NON_FINITE
    assert walk.model_group.windows_withheld == {"non_finite": 1}


def test_values_that_no_sensor_delivers_are_withheld_before_they_overflow_the_error() -> None:
    walk = Walk(model_group_of(), "a")
    done = walk.send("a", [1e30, -1e30] * 4)
    assert done is not None
    assert done.verdict.tolist() == [Verdict.WITHHELD]
    assert walk.model_group.windows_withheld == {"non_finite": 1}


def test_an_alert_tells_which_channel_contributed_most() -> None:
    model_group = model_group_of(manifest_of(("x", "y")), k=1, n=1)
    walk = Walk(model_group, "a")
    windows_scored = walk.send("a", [WILD] * 8)
    assert windows_scored is not None
    assert phases(windows_scored.steps) == ["pending", "firing"]
    assert windows_scored.steps[0][1].evidence.channel_error == {"x": 9.0, "y": 9.0}


def test_a_stream_that_learns_is_warming_up_until_its_first_verdict() -> None:
    model_group = model_group_of(manifest_of(kind="stream", normalization=stream_normalization(4)))
    walk = Walk(model_group, "a")
    rng = np.random.default_rng(0)
    states = []
    for _ in range(8):
        walk.send("a", rng.normal(size=4).astype(np.float32))
        states.append(walk.state("a").label)
    assert (
        states == ["warming_up"] * 5 + ["normal"] * 3
    )  # one stride before the first window, then four are learnt from
    assert model_group.windows_withheld == {"warming_up": 4}


def stream_normalization(windows: int) -> dict[str, Any]:
    return {**manifest_fields(kind="stream")["normalization"], "warmup_windows": windows}


def test_a_silent_stream_is_withheld_until_windows_come_again() -> None:
    walk = Walk(model_group_of(), "a")
    walk.send("a", [CALM] * 8)
    walk.news()
    walk.model_group.mark_silent(START + 20, 30)
    assert walk.news() == set()
    walk.model_group.mark_silent(START + 31, 30)
    assert (walk.state("a"), walk.quality("a")) == (StreamState.WITHHELD, Quality.SILENT)
    assert walk.news() == {"a"}
    walk.model_group.mark_silent(START + 32, 30)
    assert walk.news() == set()
    walk.send("a", [CALM] * 4)
    assert (walk.state("a"), walk.quality("a")) == (StreamState.NORMAL, Quality.GOOD)


def test_a_firing_stream_that_falls_silent_goes_on_firing() -> None:
    walk = Walk(model_group_of(k=1, n=1), "a")
    walk.send("a", [WILD] * 8)
    walk.model_group.mark_silent(START + 31, 30)
    assert (walk.state("a"), walk.quality("a")) == (StreamState.FIRING, Quality.SILENT)


def test_a_stream_of_which_one_channel_is_silent_is_silent_and_yet_not_gone() -> None:
    model_group = model_group_of(manifest_of(("x", "y")), lateness_samples=10)
    model_group.open_stream("a", {}, [[0], [1]])
    for at in range(100):
        for channel_group in (0, 1) if at < 50 else (0,):
            time = np.array([START + at])
            value = np.ones((1, 1), np.float32)
            model_group.ingest(
                StreamBlocks(
                    np.array([channel_group]), np.array([[channel_group]]), time, np.array([1]), time, True, value
                ),
                0.0,
            )
    model_group.mark_silent(START + 70, 30)
    assert StreamState(int(model_group.streams.state[0])) is not StreamState.WITHHELD
    model_group.mark_silent(START + 99, 30)
    assert QUALITIES[model_group.streams.quality[0]] is Quality.SILENT
    assert model_group.gone(START + 99, 30) == []
    assert model_group.gone(START + 130, 30) == ["a"]


def test_a_stream_that_never_sent_a_sample_is_silent_and_gone_by_when_it_was_first_looked_at() -> None:
    walk = Walk(model_group_of(), "a")
    walk.model_group.mark_silent(START, 30)
    assert walk.quality("a") is Quality.GOOD
    walk.model_group.mark_silent(START + 31, 30)
    assert walk.quality("a") is Quality.SILENT
    assert walk.model_group.gone(START + 99, 100) == []
    assert walk.model_group.gone(START + 101, 100) == ["a"]


def test_a_slow_sensor_is_not_silent_between_two_samples() -> None:
    walk = Walk(model_group_of(manifest_of(sample_period_seconds=60.0)), "a")
    now = START + 7 * 60
    walk.send("a", [CALM] * 8, arrival=now)
    walk.model_group.mark_silent(now + 179, 30)
    assert walk.quality("a") is Quality.GOOD
    assert walk.model_group.gone(now + 179, 100) == []
    walk.model_group.mark_silent(now + 181, 30)
    assert walk.quality("a") is Quality.SILENT
    assert walk.model_group.gone(now + 181, 100) == ["a"]


def test_a_backlog_is_shown_as_clock_skew_and_judged_all_the_same() -> None:
    walk = Walk(model_group_of(k=1, n=1), "a")
    done = walk.send("a", [WILD] * 8, arrival=START + 3600)
    assert done is not None
    assert done.verdict.tolist() == [Verdict.ANOMALOUS]
    assert (walk.state("a"), walk.quality("a")) == (StreamState.FIRING, Quality.CLOCK_SKEW)
    assert not walk.model_group.windows_withheld


def test_forgetting_a_stream_resolves_its_alert_and_frees_its_number() -> None:
    walk = Walk(model_group_of(k=1, n=1), "a", "b")
    walk.send("a", [WILD] * 8)
    step = walk.model_group.close_stream("a")
    assert step is not None
    assert (step.stream, step.phase, step.fired) == ("a", "resolved", True)
    assert "a" not in walk.news()
    assert (walk.model_group.decision.phase == Phase.CALM).all()
    assert walk.model_group.open_stream("c", {}, walk.channel_groups) == 0
    assert walk.state("c") is StreamState.WARMING_UP


def test_a_number_given_to_a_new_stream_brings_nothing_of_the_old_one() -> None:
    walk = Walk(model_group_of(k=2, n=2), "a")
    walk.send("a", [WILD] * 11)  # pending, and three quarters of the next stride
    walk.model_group.close_stream("a")
    walk.model_group.open_stream("b", {}, walk.channel_groups)
    done = walk.send("b", [WILD] * 8)
    assert done is not None
    assert len(done.windows) == 1
    assert phases(done.steps) == ["pending"]
    assert walk.model_group.streams.windows_scored[0] == 1


def test_a_stream_is_found_by_its_name_only_once_everything_about_it_is_there() -> None:
    """Metrics are read by another thread, by the numbers of the names it finds."""
    model_group = model_group_of()
    sizes = []

    class Watched(dict[str, int]):
        def __setitem__(self, name: str, number: int) -> None:
            sizes.append(
                (len(model_group.streams.score), len(model_group.windows.grid.clock), len(model_group.decision.phase))
            )
            super().__setitem__(name, number)

    model_group.streams.number = Watched()
    for at in range(40):
        model_group.open_stream(f"s{at}", {}, [[0]])
    assert all(min(size) > at for at, size in enumerate(sizes))


def test_another_artifact_of_the_same_shape_is_adopted_with_rings_and_phases() -> None:
    walk = Walk(model_group_of(k=1, n=1), "a")
    walk.send("a", [WILD] * 11)
    other = manifest_of(version="2", threshold=100.0)
    assert walk.model_group.fits(other)
    walk.model_group.adopt(other, 16)
    assert walk.state("a") is StreamState.FIRING
    done = walk.send("a", [WILD])  # completes a window that began before
    assert done is not None
    assert done.verdict.tolist() == [Verdict.NORMAL]
    assert done.score.tolist() == pytest.approx([0.09])


@pytest.mark.parametrize(
    "other",
    [
        manifest_of(length=16),
        manifest_of(stride=2),
        manifest_of(("y",)),
        manifest_of(sample_period_seconds=PERIOD * 2),
        manifest_of(kind="stream"),
    ],
    ids=["length", "stride", "channels", "period", "warm-up"],
)
def test_an_artifact_of_another_shape_does_not_fit(other: Manifest) -> None:
    assert not model_group_of().fits(other)


def test_what_streams_learnt_survives_an_artifact_that_learns_alike() -> None:
    walk = Walk(model_group_of(manifest_of(normalization=stream_normalization(2))), "a")
    rng = np.random.default_rng(0)
    walk.send("a", rng.normal(size=12).astype(np.float32))
    walk.model_group.adopt(manifest_of(version="2", normalization=stream_normalization(2)), 256)
    walk.send("a", rng.normal(size=4).astype(np.float32))
    assert walk.state("a") is not StreamState.WARMING_UP


def test_samples_are_received_or_discarded_and_never_both_stored_and_discarded() -> None:
    walk = Walk(model_group_of(), "a")
    walk.send("a", [CALM] * 8)
    walk.slot["a"] -= 4  # comes again
    walk.send("a", [CALM] * 4)
    assert walk.model_group.samples_received == 12
    assert walk.model_group.samples_discarded == Counter({Reason.DUPLICATE: 4})
