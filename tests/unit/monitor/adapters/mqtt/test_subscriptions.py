"""What is subscribed to, and what is said of that which the broker does not grant."""

import pytest
import structlog
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from monitor.adapters.mqtt.broker_limits import BrokerLimits
from monitor.adapters.mqtt.frames import FrameError
from monitor.adapters.mqtt.subscriptions import Subscriptions


def answers(*codes: int) -> list[ReasonCode]:
    return [ReasonCode(PacketTypes.SUBACK, identifier=code) for code in codes]


def test_a_broker_without_wildcards_is_asked_for_the_rest_and_the_others_are_denied() -> None:
    subscriptions = Subscriptions([("plant/a", 1), ("plant/+", 0)], None)
    assert subscriptions.ask(BrokerLimits(wildcards=False)) == [("plant/a", 1)]
    subscriptions.answered(answers(1))
    assert subscriptions.denied == ("plant/+",)


def test_an_answer_of_the_wrong_length_is_told_as_what_it_is() -> None:
    subscriptions = Subscriptions([("plant/a", 1), ("plant/b", 0)], None)
    subscriptions.ask(BrokerLimits())
    with pytest.raises(FrameError, match="of 2 subscriptions it answered 1"):
        subscriptions.answered(answers(1))


def test_a_lower_qos_than_asked_for_is_told() -> None:
    subscriptions = Subscriptions([("plant/a", 2), ("plant/b", 1)], None)
    subscriptions.ask(BrokerLimits())
    with structlog.testing.capture_logs() as logs:
        subscriptions.answered(answers(1, 1))
    assert [(each["topic"], each["asked"], each["granted"]) for each in logs] == [("plant/a", 2, 1)]
    assert subscriptions.denied == ()


def test_a_denied_subscription_is_kept_and_told() -> None:
    subscriptions = Subscriptions([("plant/a", 2), ("plant/b", 1)], "me")
    subscriptions.ask(BrokerLimits())
    with structlog.testing.capture_logs() as logs:
        subscriptions.answered(answers(2, 0x87))
    assert subscriptions.denied == ("plant/b",)
    assert [(each["topic"], each["user"]) for each in logs] == [("plant/b", "me")]


def test_the_packet_that_subscribes_once_more_wants_no_retained_messages() -> None:
    subscriptions = Subscriptions([("ab", 1), ("c/+", 2)], None)
    subscriptions.ask(BrokerLimits())
    assert subscriptions.packet() == b"\x82\x0e\x00\x01\x00\x00\x02ab\x11\x00\x03c/+\x12"
