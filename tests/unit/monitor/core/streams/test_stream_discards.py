"""What is refused of each stream is counted by reason, and a stream of which all is refused is known."""

import numpy as np
from numpy.typing import NDArray

from monitor.core.streams.stream_discards import StreamDiscards
from monitor.core.values.channel_groups import ChannelGroups
from monitor.core.values.discards import Discard, Reason

NONE = np.full(4, np.nan)  # nothing was accepted of two streams of two channels


def discards() -> StreamDiscards:
    made = StreamDiscards(ChannelGroups(2))
    made.open_stream(0)
    made.open_stream(1)
    return made


def refusing(found: StreamDiscards, accepted: NDArray[np.float64] = NONE, since: float = -np.inf) -> list[list[bool]]:
    listed: list[list[bool]] = found.refusing(accepted, np.array([0, 1]), since).tolist()
    return listed


def test_refusals_are_counted_by_stream_and_reason() -> None:
    found = discards()
    found.add(2, Reason.LATE, 5, 1.0, np.nan)
    found.add(3, Reason.LATE, 1, 1.0, np.nan)
    found.add_message(2, Discard(Reason.MALFORMED, "no"), 2.0, np.nan)
    assert found.totals(0) == []
    assert sorted(found.totals(1)) == [(Reason.LATE, 6), (Reason.MALFORMED, 1)]
    assert found.last_of(2) == (Reason.MALFORMED, "no", 2.0)


def test_a_channel_of_which_all_is_refused_for_a_while_is_refusing() -> None:
    found = discards()
    for second in range(7):
        found.add(1, Reason.FUTURE, 1, float(second), np.nan)
    assert refusing(found) == [[False, True], [False, False]]


def test_a_few_refusals_in_a_short_time_are_no_state() -> None:
    found = discards()
    for at in (0.0, 1.0, 2.0, 4.9):
        found.add(0, Reason.DUPLICATE, 100, at, np.nan)
    found.add(2, Reason.DUPLICATE, 1, 0.0, np.nan)
    found.add(2, Reason.DUPLICATE, 1, 60.0, np.nan)
    assert refusing(found) == [[False, False], [False, False]]


def test_what_is_accepted_in_between_ends_it() -> None:
    found = discards()
    for second in range(20):
        found.add(0, Reason.DUPLICATE, 1, float(second), second - 0.5)
    assert refusing(found, np.array([19.5, np.nan, np.nan, np.nan])) == [[False, False], [False, False]]
    for second in range(20, 30):
        found.add(0, Reason.DUPLICATE, 1, float(second), 19.5)
    assert refusing(found, np.array([19.5, np.nan, np.nan, np.nan]))[0] == [True, False]
    assert refusing(found, np.array([29.5, np.nan, np.nan, np.nan]))[0] == [False, False]


def test_who_stops_sending_is_not_refusing_any_more() -> None:
    found = discards()
    for second in range(10):
        found.add(0, Reason.MALFORMED, 1, float(second), np.nan)
    assert refusing(found, since=9.0)[0] == [True, False]
    assert refusing(found, since=9.5)[0] == [False, False]


def test_counts_go_on_from_what_was_kept_and_unknown_reasons_are_left_out() -> None:
    found, after = discards(), discards()
    found.add(2, Reason.LATE, 5, 1.0, np.nan)
    kept = found.kept(np.array([1, 0]))
    assert kept == {"late": [5, 0]}
    after.put_kept(np.array([0, 1]), kept | {"of another version": [7, 7]})
    assert after.totals(0) == [(Reason.LATE, 5)]
    assert after.totals(1) == []


def test_a_stream_number_that_is_given_to_another_stream_counts_from_0() -> None:
    found = discards()
    found.add_message(0, Discard(Reason.MALFORMED, "no"), 2.0, np.nan)
    found.open_stream(0)
    assert found.totals(0) == []
    assert found.last_of(0)[1] is None
