"""The outbox: bounded, in order, and of retained messages only the last counts."""

from monitor.adapters.mqtt.send_queue import Outbox, Outgoing


def alert(payload: bytes) -> Outgoing:
    return Outgoing("residuald/motor/alert", payload, 1, retain=False)


def state(payload: bytes, stream: str = "motor") -> Outgoing:
    return Outgoing(f"residuald/{stream}/state", payload, 1, retain=True)


def drain(outbox: Outbox) -> list[bytes]:
    taken = []
    while (message := outbox.take()) is not None:
        taken.append(message.payload)
    return taken


def test_messages_leave_in_order() -> None:
    outbox = Outbox(10)
    assert all(outbox.put(message) for message in (alert(b"1"), state(b"2"), alert(b"3")))
    assert drain(outbox) == [b"1", b"2", b"3"]


def test_a_retained_message_replaces_the_one_that_waits_for_its_topic() -> None:
    outbox = Outbox(2)
    for payload in (b"1", b"2", b"3"):
        assert outbox.put(state(payload))
    assert outbox.put(state(b"other", "pump"))
    assert drain(outbox) == [b"3", b"other"]


def test_what_does_not_fit_is_refused_and_counted() -> None:
    outbox = Outbox(2)
    outbox.put(alert(b"1"))
    outbox.put(state(b"2"))
    assert not outbox.put(alert(b"3"))
    assert outbox.put(state(b"4"))  # takes the place of 2
    assert outbox.dropped == 1
    assert drain(outbox) == [b"1", b"4"]


def test_what_was_not_confirmed_goes_first_unless_a_newer_one_waits() -> None:
    outbox = Outbox(10)
    outbox.put(state(b"newer"))
    outbox.put(alert(b"3"))
    outbox.put_back([alert(b"1"), state(b"older"), state(b"2", "pump")])
    assert drain(outbox) == [b"1", b"2", b"newer", b"3"]
