"""The queue: bounded, in order, and of retained messages only the last counts."""

from monitor.adapters.mqtt.send_queue import Outgoing, SendQueue


def alert(payload: bytes) -> Outgoing:
    return Outgoing("residuald/motor/alert", payload, 1, retain=False)


def state(payload: bytes, stream: str = "motor") -> Outgoing:
    return Outgoing(f"residuald/{stream}/state", payload, 1, retain=True)


def drain(queue: SendQueue) -> list[bytes]:
    taken = []
    while (message := queue.take()) is not None:
        taken.append(message.payload)
    return taken


def test_messages_leave_in_order() -> None:
    queue = SendQueue(10)
    assert all(queue.put(message) for message in (alert(b"1"), state(b"2"), alert(b"3")))
    assert drain(queue) == [b"1", b"2", b"3"]


def test_a_retained_message_replaces_the_one_that_waits_for_its_topic() -> None:
    queue = SendQueue(2)
    for payload in (b"1", b"2", b"3"):
        assert queue.put(state(payload))
    assert queue.put(state(b"other", "pump"))
    assert drain(queue) == [b"3", b"other"]


def test_what_does_not_fit_is_refused_and_counted() -> None:
    queue = SendQueue(2)
    queue.put(alert(b"1"))
    queue.put(state(b"2"))
    assert not queue.put(alert(b"3"))
    assert queue.put(state(b"4"))  # takes the place of 2
    assert queue.dropped == 1
    assert drain(queue) == [b"1", b"4"]


def test_what_was_not_confirmed_goes_first_unless_a_newer_one_waits() -> None:
    queue = SendQueue(10)
    queue.put(state(b"newer"))
    queue.put(alert(b"3"))
    queue.put_back([alert(b"1"), state(b"older"), state(b"2", "pump")])
    assert drain(queue) == [b"1", b"2", b"newer", b"3"]
