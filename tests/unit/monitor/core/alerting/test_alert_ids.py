"""An alert's id follows from the recording, not from how its samples were grouped into messages."""

import math
from collections import Counter

import numpy as np
import pytest

from monitor.core.alerting.alerts import AlertBook, Evidence
from monitor.core.alerting.decision_rule import Phase
from monitor.core.artifact.manifest import WindowSpec
from monitor.core.dataset.cutting import recording_blocks
from monitor.core.dataset.recording import Recording
from monitor.core.grid.sample_grid import GridRules
from monitor.core.windows.stream_windows import StreamWindows


def first_id(since_seconds: float) -> str:
    evidence = Evidence(since_seconds, 2.0, 1.0, {"x": 1.0})
    return AlertBook().transition("s", Phase.CALM, Phase.PENDING, evidence)[0].id


def test_the_last_bits_of_event_time_do_not_change_an_id() -> None:
    since = 1_600_000_034.32
    assert first_id(since) == first_id(math.nextafter(since, math.inf)) == first_id(math.nextafter(since, 0.0))


def test_a_window_one_sample_later_has_another_id() -> None:
    assert first_id(1_600_000_034.32) != first_id(1_600_000_034.321)


@pytest.mark.parametrize("rate_hz", [50, 100, 360, 1000])
def test_however_a_recording_is_cut_into_messages_its_windows_would_get_the_same_ids(rate_hz: int) -> None:
    count, period = 4000, 1 / rate_hz
    times = 1_600_000_000 + (1333 + np.arange(count)) / rate_hz
    recording = Recording("s", ("x",), np.zeros((count, 1), np.float32), times, period, None, np.zeros(count, np.int64))

    def ends(piece_samples: int) -> list[float]:
        windows = StreamWindows(1, WindowSpec(length=64, stride=8), GridRules(period, 64))
        windows.open_stream(0, [[0]])
        pieces = recording_blocks(recording, piece_samples=piece_samples)
        batches = [batch for blocks in pieces for batch in windows.feed([blocks], Counter())]
        return [end for batch in batches for end in batch.end_seconds.tolist()]

    whole, cut = ends(16384), ends(7)
    assert whole != cut  # in their last bits: else this test would show nothing
    assert list(map(first_id, whole)) == list(map(first_id, cut))
