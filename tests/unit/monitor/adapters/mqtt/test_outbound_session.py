"""What we publish: at least once at QoS 1, exactly once at QoS 2, whenever connections break and processes die."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.adapters.mqtt.outbound_session import PUBACK, PUBCOMP, PUBREC, OutboundSession, PacketIds
from monitor.adapters.mqtt.send_queue import Outgoing
from monitor.core.ports import StepKey

DUP = 0x08
PACKET_ID = 0x8001


def step(name: str = "a", packet_id: int = PACKET_ID, *, begun: bool = False, released: bool = False) -> Outgoing:
    return Outgoing("r/m/alert", name.encode(), 2, False, StepKey(name, 1), packet_id, begun, released)


def connected(*, session_present: bool = True, max_qos: int = 2) -> OutboundSession:
    session = OutboundSession(mqtt5=False)
    session.begin(session_present=session_present, max_qos=max_qos)
    return session


@pytest.mark.parametrize(("mqtt5", "properties"), [(False, b""), (True, b"\x00")])
def test_a_publish_is_laid_out_as_the_standard_says(mqtt5: bool, properties: bytes) -> None:
    session = OutboundSession(mqtt5=mqtt5)
    payload = bytes(200)
    session.send(Outgoing("t", payload, 0, retain=True))
    length = 3 + len(properties) + 200
    assert session.take_packets() == bytes((0x31, length % 128 | 128, 1, 0, 1)) + b"t" + properties + payload
    assert session.in_flight == 0
    session.send(step())
    assert session.take_packets().endswith(b"r/m/alert\x80\x01" + properties + b"a")


def test_at_qos_1_what_is_not_confirmed_is_sent_again_on_the_next_connection() -> None:
    session = connected()
    message = Outgoing("r/m/state", b"x", 1, retain=True, step=StepKey("a", 1))
    session.send(message)
    packet_id = int.from_bytes(session.take_packets()[13:15], "big")
    assert [again.payload for again in session.end()] == [b"x"]
    session.send(message)
    session.answered(PUBACK, packet_id, 0)  # of a connection that is over
    assert session.in_flight == 1
    packet_id = int.from_bytes(session.take_packets()[13:15], "big")
    session.answered(PUBACK, packet_id, 0)
    assert [key for _, key in session.confirmed] == [StepKey("a", 1)]
    assert session.end() == []


@pytest.mark.parametrize("receive_maximum", [1, 7])
def test_there_is_room_for_as_much_as_the_broker_says(receive_maximum: int) -> None:
    session = OutboundSession(mqtt5=True)
    session.begin(session_present=False, receive_maximum=receive_maximum)
    for number in range(receive_maximum):
        assert session.has_room
        session.send(step(str(number), PACKET_ID + number))
    assert not session.has_room
    session.answered(PUBREC, PACKET_ID, 0)
    session.release([PACKET_ID])
    assert not session.has_room  # a handshake is over with its last answer
    session.answered(PUBCOMP, PACKET_ID, 0)
    assert session.has_room


def test_at_qos_2_nothing_is_released_before_somebody_has_made_a_note_of_it() -> None:
    session = connected()
    session.send(step())
    assert session.take_packets()[0] == 0x34
    session.answered(PUBREC, PACKET_ID, 0)
    assert session.take_packets() == b""
    assert list(session.received) == [(PACKET_ID, StepKey("a", 1))]
    session.release([PACKET_ID])
    assert session.take_packets() == bytes((0x62, 2, 0x80, 0x01))
    assert session.in_flight == 1
    session.answered(PUBCOMP, PACKET_ID, 0)
    assert list(session.confirmed) == [(PACKET_ID, StepKey("a", 1))]
    assert session.in_flight == 0


def test_what_the_broker_received_and_nobody_noted_is_published_again_under_the_same_identifier() -> None:
    session = connected()
    session.send(step())
    session.answered(PUBREC, PACKET_ID, 0)
    (again,) = session.end()
    session.release([PACKET_ID])  # too late: whether the broker still has it is to be asked
    assert session.take_packets() == b""
    session.begin(session_present=True)
    session.send(again)
    packets = session.take_packets()
    assert packets[0] == 0x34 | DUP
    assert packets[13:15] == b"\x80\x01"


def test_what_was_noted_is_never_published_again_but_released() -> None:
    session = connected()
    session.send(step(begun=True, released=True))
    assert session.take_packets() == bytes((0x62, 2, 0x80, 0x01))
    session.answered(PUBCOMP, PACKET_ID, 0x92)  # MQTT 5: the broker had done so already
    assert len(session.confirmed) == 1
    assert not session.refused


def test_a_broker_that_has_forgotten_us_gets_everything_anew() -> None:
    session = connected(session_present=False)
    session.send(step(begun=True, released=True))
    assert session.take_packets()[0] & 0xF0 == 0x30
    session.answered(PUBREC, PACKET_ID, 0)
    session.release([PACKET_ID])
    assert session.take_packets()[0] == 0x62


@pytest.mark.parametrize("kind", [PUBACK, PUBREC])
def test_what_the_broker_refuses_is_told_and_over(kind: int) -> None:
    session = connected()
    session.send(step() if kind == PUBREC else step()._replace(qos=1))
    packet_id = int.from_bytes(session.take_packets()[13:15], "big")
    session.answered(kind, packet_id, 0x87)
    ((message, reason),) = session.refused
    assert (message.payload, reason) == (b"a", 0x87)
    assert len(session.confirmed) == 1
    assert session.in_flight == 0


def test_a_broker_without_qos_2_is_heeded() -> None:
    session = connected(max_qos=1)
    session.send(step())
    packets = session.take_packets()
    assert packets[0] == 0x32
    session.answered(PUBACK, int.from_bytes(packets[13:15], "big"), 0)
    assert [key for _, key in session.confirmed] == [StepKey("a", 1)]


def test_a_broker_that_answers_qos_2_as_if_it_were_qos_1_has_what_it_answered_and_gets_the_rest_at_qos_1() -> None:
    session = connected()
    session.send(step())
    session.answered(PUBACK, PACKET_ID, 0)
    assert list(session.confirmed) == [(PACKET_ID, StepKey("a", 1))]
    assert session.downgraded
    assert session.in_flight == 0
    session.take_packets()
    session.send(step("b", PACKET_ID + 1))
    packets = session.take_packets()
    assert packets[0] == 0x32
    session.answered(PUBACK, int.from_bytes(packets[13:15], "big"), 0)
    assert [key for _, key in session.confirmed] == [StepKey("a", 1), StepKey("b", 1)]


def test_a_broker_that_answers_qos_2_as_if_it_were_qos_1_and_has_forgotten_us_ends_a_handshake_begun_before() -> None:
    session = connected(session_present=False)
    session.send(step(begun=True, released=True))
    session.answered(PUBACK, PACKET_ID, 0)
    assert session.in_flight == 0
    assert len(session.confirmed) == 1


def test_an_answer_of_qos_1_ends_no_handshake_that_the_broker_has_taken_up() -> None:
    session = connected()
    session.send(step())
    session.answered(PUBREC, PACKET_ID, 0)
    session.answered(PUBACK, PACKET_ID, 0)
    assert session.in_flight == 1
    assert not session.confirmed
    assert not session.downgraded


def test_answers_to_nothing_change_nothing() -> None:
    session = connected()
    session.send(step())
    session.take_packets()
    for kind in PUBACK, PUBREC, PUBCOMP:
        session.answered(kind, 7, 0)
    assert (session.in_flight, session.take_packets()) == (1, b"")
    assert not session.received


def test_identifiers_are_given_in_turn_and_never_while_in_use() -> None:
    ids = PacketIds(range(10, 14))
    first = [ids.take(()) for _ in range(4)]
    assert sorted(first) == [10, 11, 12, 13]
    assert [ids.take(()) for _ in range(4)] == first
    assert ids.take({10, 11, 13}) == 12


@dataclass
class Receiver:
    """A broker as MQTT 5.0, section 4.3.3 describes it: passes a message on when it is released, or when it comes."""

    on_release: bool
    passed_on: Counter[bytes] = field(default_factory=Counter)
    _held: dict[int, bytes] = field(default_factory=dict)

    def take(self, packets: bytes) -> list[tuple[int, int]]:
        answers = []
        while packets:
            kind, length = packets[0], packets[1]
            body, packets = packets[2 : 2 + length], packets[2 + length :]
            if kind & 0xF0 == 0x30:
                packet_id, payload = int.from_bytes(body[11:13], "big"), body[13:]
                if packet_id not in self._held:
                    self._held[packet_id] = payload
                    self.passed_on[payload] += not self.on_release
                answers.append((PUBREC, packet_id))
            else:
                packet_id = int.from_bytes(body[:2], "big")
                if packet_id in self._held:
                    self.passed_on[self._held.pop(packet_id)] += self.on_release
                answers.append((PUBCOMP, packet_id))
        return answers


class Life:
    """Who publishes three steps, and dies. `noted` and `done` are its journal, which outlives it."""

    names = (b"one", b"two", b"three")

    def __init__(self, broker: Receiver) -> None:
        self._broker = broker
        self._noted: set[int] = set()
        self._done: set[int] = set()
        self.die()

    def die(self) -> None:
        self.session = connected()
        for packet_id, name in enumerate(self.names, PACKET_ID):
            if packet_id not in self._done:
                self.session.send(step(name.decode(), packet_id, begun=True, released=packet_id in self._noted))

    def go_on(self, *, heard: bool = True) -> None:
        answers = self._broker.take(self.session.take_packets())
        for kind, packet_id in answers if heard else ():
            self.session.answered(kind, packet_id, 0)

    def note(self) -> None:
        received = [packet_id for packet_id, _ in self.session.received]
        self.session.received.clear()
        self._noted |= set(received)
        self._done |= {packet_id for packet_id, _ in self.session.confirmed}
        self.session.release(received)

    def lose_connection(self) -> None:
        unfinished = self.session.end()
        self.session.begin(session_present=True)
        for message in unfinished:
            self.session.send(message)

    def lose_answers(self) -> None:
        self.go_on(heard=False)
        self.lose_connection()


def test_a_step_that_goes_out_at_qos_0_is_done_since_nothing_will_confirm_it() -> None:
    session = OutboundSession(mqtt5=True)
    session.begin(session_present=False, max_qos=0)
    session.send(step("a", PACKET_ID))
    assert session.take_packets()[0] & 0x06 == 0
    assert [key.alert for _, key in session.confirmed] == ["a"]
    assert session.in_flight == 0


def test_a_step_that_is_not_sent_is_refused_and_done() -> None:
    session = OutboundSession(mqtt5=True)
    session.refuse(step("a", PACKET_ID), 0x95)
    assert [code for _, code in session.refused] == [0x95]
    assert [key.alert for _, key in session.confirmed] == ["a"]
    assert session.take_packets() == b""


EVENTS = [Life.go_on, Life.note, Life.lose_connection, Life.lose_answers, Life.die]


@given(st.booleans(), st.lists(st.sampled_from(EVENTS), max_size=40))
def test_whatever_breaks_and_dies_each_step_is_passed_on_exactly_once(
    on_release: bool, events: list[Callable[[Life], None]]
) -> None:
    broker = Receiver(on_release)
    life = Life(broker)
    for event in [*events, *[Life.go_on, Life.note] * 4]:
        event(life)
    assert broker.passed_on == dict.fromkeys(Life.names, 1)
    assert life.session.in_flight == 0
