"""What the history keeps of scored windows: samples, scores, alerts with a margin, all within what may be written."""

import math
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import msgspec
import numpy as np
import pytest

from monitor.adapters.storage.history_store import HistoryStore
from monitor.core.alerting.decision_rule import Verdict
from monitor.core.artifact.manifest import Manifest
from monitor.core.history.score_line import ScoreLine
from monitor.core.history.shares import StreamKey
from monitor.durability.history_queue import OfferedBatch
from monitor.durability.history_sampler import HistorySampler
from monitor.durability.history_writer import HistoryWriter
from monitor.readers.history import History
from tests.manifests import manifest_of

START = 1_700_000_000.0
LENGTH, STRIDE = 8, 4
SLOW = manifest_of(("x", "y"), LENGTH, STRIDE, sample_period_seconds=1.0)


class Walk:
    """Windows of some streams through a sampler into a file, one second of processor at a time."""

    def __init__(self, file: Path, streams: int = 2, rate: float = 1e9, manifest: Manifest = SLOW) -> None:
        self.store = HistoryStore(file, 2**30)
        self.store.open()
        self.sampler = HistorySampler(lambda: self.store.shares, rate, lambda model, version: "ab" * 32, 0.0)
        self.writer = HistoryWriter(self.store, self.sampler, 64.0)
        self.names: list[str | None] = [f"m{number}" for number in range(streams)]
        self.manifest = manifest
        self.at = 0
        self.monotonic = 0.0

    def feed(self, windows: int, score: float = 0.5, *, samples: bool = True, masked: bool = False) -> None:
        """So many windows of each stream, whose values are the numbers of the samples."""
        count, period = len(self.names), self.manifest.sample_period_seconds
        for _ in range(windows):
            last = LENGTH - 1 + self.at * STRIDE
            self.at += 1
            numbers = np.arange(last - LENGTH + 1, last + 1, dtype=np.float32)
            values = np.tile(numbers, (count, 2, 1))
            errors = np.ones((count, 2), np.float32)
            if masked:
                errors[:, 1] = np.nan
            line = ScoreLine(
                np.full(count, START + last * period),
                np.full(count, score, np.float32),
                np.full(count, Verdict.ANOMALOUS if score > 1 else Verdict.NORMAL, np.int8),
                np.zeros(count, np.int8),
            )
            batch = OfferedBatch(
                "motor", self.manifest, self.names, np.arange(count), line, errors, values if samples else None
            )
            self.monotonic += STRIDE * period
            self.sampler.take([batch], [], self.monotonic)

    @property
    def now(self) -> float:
        """Event time of the last sample."""
        return START + (LENGTH - 1 + (self.at - 1) * STRIDE) * self.manifest.sample_period_seconds

    def alert(self, phase: str, since: float, *, fired: bool = True, reason: str | None = None) -> None:
        """A step of an alert of `m0`."""
        fields = {"id": f"a{since}", "phase": phase, "fired": fired, "reason": reason, "stream": "m0", "model": "motor"}
        payload = msgspec.json.encode(fields | {"time": self.now, "since": since, "score": 1.5, "channel": "x"})
        self.sampler.take([], [payload], self.monotonic)

    def end(self) -> History:
        """Write everything, and open what was written."""
        self.writer.write(self.monotonic, everything=True)
        return History.open(self.store.file)


@pytest.fixture
def walk(tmp_path: Path) -> Iterator[Walk]:
    walk = Walk(tmp_path / "history.sqlite")
    yield walk
    walk.store.close()


def test_slow_streams_are_kept_whole_and_in_one_piece(walk: Walk) -> None:
    walk.feed(1000)
    with walk.end() as history:
        assert history.models() == ["motor"]
        assert [each.name for each in history.streams("motor")] == ["m0", "m1"]
        for stream in ("m0", "m1"):
            (whole,) = history.stretches("motor", stream)
            assert whole.start_seconds == START
            assert whole.kept == "whole"
            np.testing.assert_array_equal(whole.values[0], np.arange(LENGTH + 999 * STRIDE))
            assert len(whole.ends_seconds) == len(history.scores("motor", stream)) == 1000
        (layout,) = history.layouts("motor")
        assert (layout.channels, layout.window_length, layout.sha256) == (("x", "y"), LENGTH, "ab" * 32)
    stored = sum(each.samples for each in [whole]) * 2
    assert walk.store.written_bytes < 4 * stored * 4  # what windows share is written once


def test_a_masked_channel_is_missing_and_the_others_are_there(walk: Walk) -> None:
    walk.feed(100)
    walk.feed(100, masked=True)
    with walk.end() as history:
        (whole,) = history.stretches("motor", "m0")
    assert np.isfinite(whole.values[0]).all()
    assert np.isfinite(whole.values[1, : 100 * STRIDE]).all()
    assert np.isnan(whole.values[1, -50 * STRIDE :]).all()


def test_scores_of_all_windows_are_kept_where_there_was_no_room_for_samples(walk: Walk) -> None:
    walk.feed(200)
    walk.feed(200, samples=False)
    with walk.end() as history:
        assert len(history.scores("motor", "m0")) == 400
        assert sum(len(each.ends_seconds) for each in history.stretches("motor", "m0")) == 200


def test_fast_streams_are_sampled_within_what_may_be_written(tmp_path: Path) -> None:
    fast = manifest_of(("x", "y"), LENGTH, STRIDE, sample_period_seconds=0.001)
    walk = Walk(tmp_path / "history.sqlite", manifest=fast, rate=100.0)
    walk.feed(30_000)  # 960 KB of samples of each stream; 60 KB may be written at once, and 100 bytes each second
    with walk.end() as history:
        kept = [sum(each.values.nbytes for each in history.stretches("motor", name)) for name in ("m0", "m1")]
        assert {each.kept for each in history.stretches("motor", "m0")} == {"sample"}
        assert len(history.scores("motor", "m0")) < 30_000
    assert all(nbytes > 10_000 for nbytes in kept)
    assert sum(kept) < 72_000 + 2 * 16_384
    assert walk.sampler.thinned > 0
    walk.store.close()


def test_what_a_full_stratum_would_delete_next_is_not_even_written(walk: Walk) -> None:
    walk.feed(1)
    for month, hour, band in product(range(1, 13), range(0, 24, 4), "0123w"):
        walk.store.shares.raise_bar(StreamKey("motor", "m0"), f"m{month:02} h{hour:02} s{band}", 2.0)
    walk.feed(2000)
    with walk.end() as history:
        kept = {each.name: each.stretches for each in history.streams("motor")}
    assert kept["m0"] == 0
    assert kept["m1"] > 10


def test_an_alert_is_kept_with_a_margin_though_nothing_else_may_be_written(tmp_path: Path) -> None:
    walk = Walk(tmp_path / "history.sqlite", rate=1e-9)
    walk.sampler._budget.spend(1.0)
    walk.feed(400)
    since = walk.now
    walk.feed(3, score=1.5)
    walk.alert("pending", since, fired=False)
    walk.alert("firing", since)
    walk.feed(50, score=2.5)
    to = walk.now
    walk.alert("resolved", since, reason="calm")
    walk.feed(400)
    with walk.end() as history:
        (alert,) = history.alerts("motor")
        stretches = list(history.stretches("motor", "m0"))
        others = list(history.stretches("motor", "m1"))
    assert others == []
    assert {each.kept for each in stretches} == {"alert"}
    margin = (16 * STRIDE + LENGTH) * 1.0
    (only,) = stretches
    assert only.start_seconds <= since - margin + LENGTH
    assert only.end_seconds >= to + margin - STRIDE
    assert (alert.stream, alert.from_seconds, alert.to_seconds, alert.fired) == ("m0", since, to, True)
    assert (alert.peak, alert.end_reason, alert.channels) == (2.5, "calm", ("x",))
    walk.store.close()


def test_what_was_kept_before_an_alert_becomes_exempt_by_it(walk: Walk) -> None:
    walk.feed(600)
    walk.writer.write(walk.monotonic)
    since = walk.now - 100.0
    walk.alert("firing", since)
    walk.end().close()
    assert sum(walk.store.shares.exempt.values()) > 0
    assert sum(walk.store.shares.ordinary.values()) > 0


def test_an_alert_that_never_fired_exempts_nothing_and_is_on_record(walk: Walk) -> None:
    walk.feed(300)
    walk.alert("pending", walk.now, fired=False)
    walk.feed(300)
    walk.alert("resolved", walk.now - 1200, fired=False, reason="calm")
    with walk.end() as history:
        assert {each.fired for each in history.alerts("motor")} == {False}
    assert not walk.store.shares.exempt


def test_an_alert_that_lasts_is_kept_up_to_a_bound_and_then_sampled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.durability.history_sampler._ALERT_BYTES", 20_000)
    walk = Walk(tmp_path / "history.sqlite", rate=1e-9)
    walk.feed(200)
    walk.alert("firing", walk.now)
    walk.feed(20_000, score=1.5)
    with walk.end() as history:
        kept = sum(each.samples for each in history.stretches("motor", "m0"))
    assert 20_000 / 8 < kept < 60_000 / 8
    walk.store.close()


def test_another_artifact_ends_stretches_and_both_are_read(walk: Walk) -> None:
    walk.feed(200)
    walk.manifest = manifest_of(("x", "y"), LENGTH, STRIDE, sample_period_seconds=1.0, version="2")
    walk.feed(200)
    with walk.end() as history:
        assert [each.version for each in history.stretches("motor", "m0")] == ["1", "2"]
        assert len(history.scores("motor", "m0")) == 400


def test_memory_is_bounded_by_holding_fewer_slots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.durability.history_sampler._HELD_BYTES", 100_000)
    walk = Walk(tmp_path / "history.sqlite", streams=200)
    for _ in range(200):
        walk.feed(1)
        assert walk.sampler.held_bytes <= 100_000
    with walk.end() as history:
        assert len(history.scores("motor", "m5")) == 200
    walk.store.close()


def test_what_is_dropped_of_a_stream_is_not_written(walk: Walk) -> None:
    walk.feed(500)
    walk.sampler.drop("m0")
    with walk.end() as history:
        assert [each.name for each in history.streams("motor")] == ["m1"]


def test_times_without_a_window_are_in_no_stretch(walk: Walk) -> None:
    walk.feed(300)
    walk.at += 1000
    walk.feed(300)
    with walk.end() as history:
        first, second = history.stretches("motor", "m0")
    assert second.start_seconds - first.end_seconds > 900 * STRIDE
    assert not math.isnan(float(first.values.sum()))
