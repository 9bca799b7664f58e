"""Which JSON layouts there are: fields that cannot all be there are refused before any payload comes."""

from typing import Any

import pytest
from pydantic import ValidationError

from monitor.core.decode.json_format.settings import JsonFormat


def layout(**settings: Any) -> JsonFormat:
    return JsonFormat.model_validate({"kind": "json", **settings})


def test_time_and_keys_are_there_where_a_field_holds_them() -> None:
    plain = layout(values="v")
    assert (plain.carries_time, plain.key_names) == (False, ())
    named = layout(values="v", timestamp="t", keys={"device": "meta.id", "channel": "meta.name"})
    assert (named.carries_time, named.key_names) == (True, ("device", "channel"))


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"values": "v", "keys": {"Device": "id"}}, "key 'Device' is no placeholder"),
        ({"values": "v", "keys": {"device": "v"}}, "`v` cannot be a key and also a value or the timestamp"),
        ({"values": "v", "timestamp": "t", "keys": {"device": "t"}}, "`t` cannot be a key"),
        ({"values": "v", "keys": {"device": "v.id"}}, "`v` cannot hold a value and also the field `v.id`"),
        ({"values": "v.x", "keys": {"device": "v"}}, "`v` cannot hold a value and also the field `v.x`"),
        ({"values": "v", "keys": {}}, "at least 1"),
        ({"keys": {"device": "id"}}, "exactly one of"),
    ],
)
def test_fields_that_cannot_all_be_there_are_refused(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        layout(**settings)


def test_two_placeholders_may_have_one_field() -> None:
    assert layout(values="v", keys={"device": "id", "line": "id"}).key_names == ("device", "line")
