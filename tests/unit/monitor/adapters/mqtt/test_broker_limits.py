"""What a broker says that it takes is heeded, and what it would not take is made to fit or left out."""

import json
from typing import Any

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from monitor.adapters.mqtt.broker_limits import BrokerLimits, Fitting
from monitor.adapters.mqtt.send_queue import Outgoing
from monitor.adapters.mqtt.settings import MqttConfig

ALERT = Outgoing(
    "residuald/press/alert",
    json.dumps({"id": "a", "channel": "x1", "channels": {f"x{number}": 1.5 for number in range(100)}}).encode(),
    2,
    retain=False,
)


def connack(**told: Any) -> Properties:
    properties = Properties(PacketTypes.CONNACK)  # type: ignore[no-untyped-call]
    for name, value in told.items():
        setattr(properties, name, value)
    return properties


def fitting(**limits: Any) -> Fitting:
    made = Fitting()
    made.limits = BrokerLimits(**limits)
    return made


def test_what_is_left_out_has_no_limit() -> None:
    limits = BrokerLimits.told(connack())
    assert (limits.max_qos, limits.retain, limits.receive_maximum, limits.max_packet_bytes) == (2, True, 65_535, None)
    assert limits.admits("$share/group/plant/#")
    assert limits.pings_every(30.0) == 30.0
    assert list(limits.shortcomings(MqttConfig())) == []


def test_what_the_broker_says_is_taken_over() -> None:
    told = connack(
        MaximumQoS=1, RetainAvailable=0, ReceiveMaximum=7, MaximumPacketSize=500, ServerKeepAlive=15,
        SessionExpiryInterval=60, WildcardSubscriptionAvailable=0, SharedSubscriptionAvailable=0,
    )  # fmt: skip
    limits = BrokerLimits.told(told)
    assert limits == BrokerLimits(1, False, 7, 500, 15, 60, False, False)
    assert limits.pings_every(30.0) == 15
    assert limits.pings_every(5.0) == 5.0
    lacks = " ".join(limits.shortcomings(MqttConfig()))
    assert "retained" in lacks
    assert "QoS above 1" in lacks
    assert "60 s" in lacks


def test_a_server_keep_alive_of_nothing_leaves_ours() -> None:
    assert BrokerLimits.told(connack(ServerKeepAlive=0)).pings_every(30.0) == 30.0


def test_a_refused_last_will_is_put_right_for_the_next_attempt() -> None:
    limits = BrokerLimits()
    without = limits.after_refusal(0x9A, None)
    assert without is not None
    assert not without.retain
    assert without.after_refusal(0x9A, None) is None
    lower = without.after_refusal(0x9B, connack(MaximumQoS=0))
    assert lower is not None
    assert (lower.max_qos, lower.retain) == (0, False)
    assert limits.after_refusal(0x87, None) is None


def test_only_subscriptions_that_the_broker_takes_are_admitted() -> None:
    limits = BrokerLimits(wildcards=False, shared=False)
    assert [limits.admits(topic) for topic in ("plant/a", "plant/+", "plant/#", "$share/g/plant")] == [True] + [
        False
    ] * 3


def test_what_is_to_be_retained_is_sent_all_the_same() -> None:
    state = Outgoing("residuald/press/state", b"{}", 1, retain=True)
    assert fitting(retain=False).fit(state) == state._replace(retain=False)
    assert fitting().fit(state) is state


def test_an_alert_that_is_too_large_goes_without_its_channels_and_says_so() -> None:
    fitted = fitting(max_packet_bytes=500).fit(ALERT)
    assert fitted is not None
    assert json.loads(fitted.payload) == {"id": "a", "channel": "x1", "left_out": ["channels"]}
    assert fitting(max_packet_bytes=5000).fit(ALERT) is ALERT


def test_what_cannot_be_made_to_fit_is_left_out() -> None:
    assert fitting(max_packet_bytes=60).fit(ALERT) is None
    assert fitting(max_packet_bytes=60).fit(ALERT._replace(payload=b"x" * 100)) is None


def test_a_packet_of_just_the_size_that_the_broker_takes_is_sent() -> None:
    message = Outgoing("t", bytes(30), 1, retain=False)
    assert fitting(max_packet_bytes=41).fit(message) is message
    assert fitting(max_packet_bytes=40).fit(message) is None


def test_what_was_the_largest_unanswered_when_three_connections_ended_is_shortened() -> None:
    made = Fitting()
    for _ in range(2):
        made.connection_ended([ALERT], None)
    made.connection_ended([], None)
    for _ in range(3):
        assert made.fit(ALERT) is ALERT
        made.connection_ended([ALERT, Outgoing("s", b"{}", 1, retain=True)], None)
    fitted = made.fit(ALERT)
    assert fitted is not None
    assert len(fitted.payload) < 100
    whole = ALERT._replace(payload=b"x" * 10_000)  # that is a guess: nothing is lost for it
    assert made.fit(whole) is whole


def test_a_broker_that_names_the_size_as_its_reason_is_believed_at_once() -> None:
    made = Fitting()
    made.connection_ended([ALERT], 0x95)
    assert made.fit(ALERT) != ALERT
    assert made.fit(ALERT._replace(payload=b"x" * 10_000)) is None


def test_what_cannot_be_shortened_is_not_suspected_of_being_too_large() -> None:
    made = Fitting()
    status = Outgoing("residuald/status", b"online", 1, retain=True)
    for _ in range(5):  # as where an access list denies the topic, and the broker says so by closing
        made.connection_ended([status], None)
    assert made.fit(ALERT) is ALERT
    for _ in range(3):
        made.connection_ended([ALERT, status._replace(payload=bytes(100_000))], None)
    assert made.fit(ALERT) != ALERT
