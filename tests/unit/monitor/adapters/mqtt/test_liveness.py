"""Whether the broker is still there: slow sensors end no connection, a broker that does not answer does."""

from monitor.adapters.mqtt.liveness import Liveness


def test_a_broker_that_answers_when_it_is_asked_stays_however_long_no_message_comes() -> None:
    liveness = Liveness(30.0, 120.0, 0.0)
    asked = []
    for now in range(1, 3600):
        if liveness.asks(float(now)):
            asked.append(now)
            liveness.bytes_came(now + 0.5)
        if now % 30 == 0:
            liveness.bytes_came(now + 0.1)
        assert liveness.end(now + 0.6, online=True) is None
    assert len(asked) > 25
    assert asked[0] == 121


def test_a_broker_that_does_not_answer_after_a_silence_is_left_long_before_two_long_keep_alives() -> None:
    liveness = Liveness(3600.0, 120.0, 0.0)
    assert liveness.asks(121.0)
    assert not liveness.asks(122.0)
    assert liveness.end(131.0, online=True) is None
    why = liveness.end(131.5, online=True)
    assert why == "no message came for 132 s, and the broker did not answer when it was asked"


def test_a_message_ends_the_silence() -> None:
    liveness = Liveness(3600.0, 120.0, 0.0)
    assert liveness.asks(121.0)
    liveness.message_came(122.0)
    assert liveness.end(140.0, online=True) is None
    assert not liveness.asks(241.0)


def test_without_a_limit_on_silence_the_broker_is_not_asked_for_it() -> None:
    assert not Liveness(3600.0, 0.0, 0.0).asks(10**6)


def test_silence_of_our_own_making_does_not_count() -> None:
    liveness = Liveness(5.0, 120.0, 0.0)
    for now in range(1, 1000):
        liveness.is_not_read(float(now))
        assert not liveness.asks(float(now))
        assert liveness.end(float(now), online=True) is None


def test_pings_are_due_as_often_as_they_are_asked_for() -> None:
    liveness = Liveness(30.0, 0.0, 0.0)
    assert [now for now in range(1, 61) if liveness.ping_is_due(float(now), 15.0)] == [15, 30, 45, 60]


def test_a_handshake_may_not_take_for_ever() -> None:
    liveness = Liveness(3600.0, 120.0, 0.0)
    assert liveness.end(9.0, online=False) is None
    assert "did not confirm the subscriptions" in str(liveness.end(11.0, online=False))
