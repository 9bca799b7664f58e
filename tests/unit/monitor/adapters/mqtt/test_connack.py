"""A limit of 0 in a CONNACK is found among all other properties, and nothing else is taken for one."""

from typing import Any

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from monitor.adapters.mqtt.connack import limit_of_nothing

ALL: dict[str, Any] = {
    "SessionExpiryInterval": 0, "MaximumQoS": 0, "RetainAvailable": 0, "TopicAliasMaximum": 0, "ServerKeepAlive": 0,
    "WildcardSubscriptionAvailable": 0, "SubscriptionIdentifierAvailable": 0, "SharedSubscriptionAvailable": 0,
    "AssignedClientIdentifier": "!!''", "ReasonString": "''", "ResponseInformation": "", "ServerReference": "x",
    "AuthenticationMethod": "m", "AuthenticationData": b"!\0\0", "UserProperty": ("a", "'\0\0\0\0"),
    "ReceiveMaximum": 1, "MaximumPacketSize": 1,
}  # fmt: skip


def body(told: dict[str, Any]) -> bytes:
    properties = Properties(PacketTypes.CONNACK)  # type: ignore[no-untyped-call]
    for name, value in told.items():
        setattr(properties, name, value)
    packed: bytes = properties.pack()  # type: ignore[no-untyped-call]
    return b"\0\0" + packed


def test_other_properties_are_no_such_limits_whatever_they_hold() -> None:
    assert limit_of_nothing(body(ALL)) is None
    assert limit_of_nothing(body({"ReasonString": "x" * 300})) is None
    assert limit_of_nothing(b"\0\0") is None


@pytest.mark.parametrize(
    ("limit", "name"), [(b"\x21\0\0", "receive maximum"), (b"\x27\0\0\0\0", "maximum packet size")]
)
def test_a_limit_of_nothing_is_found_behind_all_others(limit: bytes, name: str) -> None:
    whole = body({key: value for key, value in ALL.items() if key not in ("ReceiveMaximum", "MaximumPacketSize")})
    length = whole[2] & 127 | (whole[3] << 7 if whole[2] > 127 else 0)
    start = 3 if whole[2] < 128 else 4
    told = whole[start : start + length] + limit
    packed = bytes((len(told),)) if len(told) < 128 else bytes((len(told) & 127 | 128, len(told) >> 7))
    assert limit_of_nothing(b"\0\0" + packed + told) == name


def test_what_is_cut_off_is_no_such_limit() -> None:
    whole = body(ALL)
    for length in range(len(whole)):
        limit_of_nothing(whole[:length])
