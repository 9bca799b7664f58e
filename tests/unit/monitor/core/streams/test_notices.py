"""Few notices go to the log, however many streams there is something to tell of."""

from monitor.core.streams.notices import NoticeLimit


def test_a_stream_is_told_of_once_in_half_a_minute() -> None:
    limit = NoticeLimit()
    assert [limit.admits(7, now) for now in (0.0, 1.0, 29.9, 30.0, 31.0)] == [True, False, False, True, False]


def test_of_many_streams_twenty_are_told_of_and_the_others_are_counted() -> None:
    limit = NoticeLimit()
    assert sum(limit.admits(stream, 0.0) for stream in range(1000) for _ in range(2)) == 20
    assert limit.take_left_out() == 980
    assert limit.take_left_out() == 0


def test_a_clock_that_is_set_back_silences_no_notice() -> None:
    limit = NoticeLimit()
    limit.admits(1, 1000.0)
    assert limit.admits(1, 900.0)
