"""The recent history of a model's streams: slots, priorities, alerts, and memory that is given back."""

import numpy as np

from monitor.core.history.layout import Layout
from monitor.core.history.model_history import ModelHistory, Piece
from monitor.core.history.score_line import ScoreLine

LENGTH, STRIDE, PERIOD = 8, 4, 1.0
START = 1_700_000_000.0
LAYOUT = Layout("motor", "v1", ("vib",), PERIOD, LENGTH, "")
NAMES: list[str | None] = ["m0", "m1", "m2"]


class Feed:
    """Windows of three streams, one of each at a time, into a history."""

    def __init__(self) -> None:
        self.history = ModelHistory(LAYOUT, STRIDE)
        self.at = 0
        self.pieces: list[Piece] = []

    def windows(self, count: int, score: float = 0.5, kept: bool = True) -> list[Piece]:
        """Feed so many windows of each stream; the pieces that came of it, and whether they are kept."""
        found: list[Piece] = []
        for _ in range(count):
            end = START + self.at * STRIDE
            self.at += 1
            numbers = self.history.numbers_of(np.arange(3), NAMES)
            zeros = np.zeros(3, np.int8)
            line = ScoreLine(np.full(3, end), np.full(3, score, np.float32), zeros, zeros)
            values = np.full((3, 1, LENGTH), end, np.float32)
            chosen = np.flatnonzero(self.history.wanted(numbers, line.ends_seconds))
            for piece in self.history.take(numbers[chosen], line.select(chosen), values[chosen], float(self.at)):
                if kept:
                    self.history.kept(piece)
                found.append(piece)
        self.pieces += found
        return found


def test_every_window_is_in_one_piece_and_streams_do_not_end_their_slots_together() -> None:
    feed = Feed()
    feed.windows(1000)
    first_ends = {each.stream: each.rows.line.ends_seconds[-1] for each in reversed(feed.pieces)}
    assert len(set(first_ends.values())) > 1
    feed.pieces += list(feed.history.finish())
    for stream in ("m0", "m1", "m2"):
        ends = np.concatenate([each.rows.line.ends_seconds for each in feed.pieces if each.stream == stream])
        np.testing.assert_array_equal(ends, START + np.arange(1000) * STRIDE)
    assert feed.history.nbytes == 0


def test_what_follows_a_piece_that_is_kept_is_told_what_is_held_already() -> None:
    feed = Feed()
    feed.windows(500)
    of_one = [each for each in feed.pieces if each.stream == "m0"]
    assert of_one[0].after_seconds == -np.inf
    assert of_one[1].after_seconds == of_one[0].rows.line.ends_seconds[-1]


def test_below_the_bar_nothing_is_held_and_memory_is_given_back() -> None:
    feed = Feed()
    feed.windows(100)
    assert feed.history.nbytes > 0
    feed.history.raise_bar(0.7)
    found = feed.windows(30_000)
    assert found
    assert all(each.priority >= 0.7 for each in found if each not in feed.pieces[:3])
    seconds = sum(len(each.rows) for each in found) / (3 * 30_000)
    assert 0.15 < seconds < 0.45
    feed.history.raise_bar(1.0)
    assert feed.history.nbytes == 0


def test_an_alert_brings_the_margin_before_it_though_it_was_not_kept_and_all_that_follows() -> None:
    feed = Feed()
    slot_windows = int(feed.history.slots.seconds / (STRIDE * PERIOD))
    margin = feed.history.slots.margin_seconds
    feed.windows(3 * slot_windows, kept=False)
    since = START + (feed.at - 3) * STRIDE
    before = feed.history.watch("m1", since)
    assert before is not None
    assert before.alert
    ends = before.rows.line.ends_seconds
    assert ends[0] >= since - margin
    feed.history.raise_bar(0.999)
    found = [each for each in feed.windows(2 * slot_windows, kept=False) if each.stream == "m1"]
    assert all(each.alert for each in found)
    assert len(found) >= 2
    joined = np.concatenate([ends, *(each.rows.line.ends_seconds for each in found)])
    assert (np.diff(joined) == STRIDE).all()  # nothing of what went before is missing
    over = START + feed.at * STRIDE
    feed.history.unwatch("m1", over)
    later = [*feed.windows(4 * slot_windows, kept=False), *feed.history.finish()]
    later = [each for each in later if each.stream == "m1"]
    alert_until = max(each.rows.line.ends_seconds[-1] for each in later if each.alert)
    assert alert_until >= over + margin - STRIDE
    assert alert_until < over + 2 * margin


def test_a_stream_that_falls_silent_ends_its_slot_and_names_are_not_gathered_for_ever() -> None:
    history = ModelHistory(LAYOUT, STRIDE)
    zeros = np.zeros(1, np.int8)
    for number in range(3000):
        line = ScoreLine(np.array([START]), np.array([0.5], np.float32), zeros, zeros)
        ours = history.numbers_of(np.array([0]), [f"device-{number}"])
        assert list(history.take(ours, line, np.zeros((1, 1, LENGTH), np.float32), float(number))) == []
        history.lines.add(ours, line)
    pieces = list(history.finish(2990.0))
    assert len(pieces) == 2990
    history.lines.take(10_000)
    history.forget_idle()
    assert len(history.names) == 10
    assert len(list(history.finish())) == 10
    assert history.nbytes == 0


def test_a_number_that_another_stream_got_is_looked_up_anew() -> None:
    history = ModelHistory(LAYOUT, STRIDE)
    names: list[str | None] = ["m0"]
    first = history.numbers_of(np.array([0]), names)
    names.append("m1")
    assert history.numbers_of(np.array([1, 0]), names).tolist() == [1, first[0]]
    other: list[str | None] = ["m2", "m1"]  # `m0` was closed
    assert history.numbers_of(np.array([0, 1]), other).tolist() == [2, 1]


def test_what_is_dropped_of_a_stream_is_gone() -> None:
    feed = Feed()
    feed.windows(100)
    feed.history.drop("m1")
    assert "m1" not in {each.stream for each in feed.history.finish()}
    assert feed.history.nbytes == 0
