"""What can never work is refused, each with its key and what to write instead; what may work passes."""

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from monitor.config.impossible import impossible_problems
from monitor.core.sources.topics import TopicPattern

FINE: dict[str, Any] = {
    "name": "s",
    "topic": "plant/{site}/{device}/vib",
    "model": "m",
    "format": {"kind": "json", "timestamp": "data.ts", "fields": ["data.x", "y"], "keys": {"device": "meta.id"}},
}


def of_source(**changed: Any) -> list[str]:
    return impossible_problems({"source": [FINE | changed]})


def of_path(path: str) -> list[str]:
    return of_source(format={"kind": "json", "timestamp": "ts", "values": path})


@pytest.mark.parametrize(
    ("host", "instead"),
    [
        ("tcp://broker.lan:1883", 'a URL is no host; write `host = "broker.lan"` and `port = 1883`'),
        ("mqtt://user:hunter2@broker", 'a URL is no host; write `host = "broker"`'),
        ("mqtts://broker", 'a URL is no host; write `host = "broker"`, and an empty `[mqtt.tls]` for TLS'),
        ("SSL://broker:8883/", "`port = 8883`, and an empty `[mqtt.tls]` for TLS"),
        ("wss://broker/mqtt", "WebSockets are not spoken"),
        ("tcp://[::1]:1883", 'write `host = "::1"` and `port = 1883`'),
        ("broker:1883", 'is more than a host; write `host = "broker"` and `port = 1883`'),
        ("[::1]", 'write `host = "::1"`'),
        ("[fe80::1]:1884", 'write `host = "fe80::1"` and `port = 1884`'),
        ("user@broker", "write it as `username`"),
        ("broker/path", 'write `host = "broker"`'),
        ("broker ", 'holds a blank; write `host = "broker"`'),
        ("\tbroker", "holds a blank"),
    ],
)
def test_a_host_that_is_more_than_a_host_is_told_with_the_keys_to_use(host: str, instead: str) -> None:
    (problem,) = impossible_problems({"mqtt": {"host": host}})
    assert problem.startswith("mqtt.host: ")
    assert instead in problem
    assert "hunter2" not in problem


@pytest.mark.parametrize("host", ["broker", "broker.lan", "10.0.0.1", "::1", "fe80::1%eth0", "localhost", "x" * 63])
def test_names_and_addresses_pass(host: str) -> None:
    assert impossible_problems({"mqtt": {"host": host}, "http": {"host": host}}) == []


@pytest.mark.parametrize(
    ("host", "instead"),
    [
        ("0.0.0.0:9108", "`port = 9108`"),
        ("http://0.0.0.0", '`host = "0.0.0.0"`'),
        ("*", '"0.0.0.0"'),
        ("", '"0.0.0.0"'),
    ],
)
def test_where_http_listens_is_held_to_the_same(host: str, instead: str) -> None:
    (problem,) = impossible_problems({"http": {"host": host}})
    assert problem.startswith("http.host: ")
    assert instead in problem


@pytest.mark.parametrize(
    ("topic", "why"),
    [
        ("$share/g1/p/{device}", "each would see a part of every stream; write the topic itself, 'p/{device}'"),
        ("$queue/p/{device}", "write the topic itself, 'p/{device}'"),
        ("$exclusive/p/{device}", "write 'p/{device}'"),
        ("plant/{device}/vib ", "begins or ends with a blank"),
        (" plant/{device}/vib", "begins or ends with a blank"),
        ("plant/{device}/vi\u0007b", "holds a control character"),
        ("plant/{device}/" + "x" * 65_535, "is longer than the 65,535 bytes"),
        ("{model}/{device}/vib/x", "placeholder {model} would be hidden by our own label `model`"),
        ("plant/{stream}/vib/x", "placeholder {stream} would be hidden by our own label `stream`"),
        (
            "{site}/{device}/{channel}",
            "admits residuald/+/state and residuald/+/alert, which",
        ),
        ("residuald/{device}/state", "admits residuald/+/state, which"),
        ("{base}/press/alert", "admits residuald/+/alert, which"),
        ("residuald/{device}", "admits residuald/status, which"),
        ("residuald/{site}/{device}/state", "admits residuald/model/+/state, which"),
    ],
)
def test_a_topic_that_cannot_work_is_told(topic: str, why: str) -> None:
    (problem,) = of_source(topic=topic)
    assert problem.startswith("source[0].topic: ")
    assert why in problem


@pytest.mark.parametrize(
    "topic",
    [
        "plant/{site}/{device}/vib",
        "$SYS/broker/{device}",
        "{site}/{device}",
        "{plant}/{site}/{device}/state",
        "residuald/in/{device}/vib",
        "a b/{device}",
    ],
)
def test_topics_that_may_work_pass(topic: str) -> None:
    assert of_source(topic=topic) == []


def test_our_own_topics_are_those_below_the_base_topic_that_is_set() -> None:
    table = {"mqtt": {"base_topic": "plant/monitor"}, "source": [FINE | {"topic": "plant/{site}/{device}/state"}]}
    (problem,) = impossible_problems(table)
    assert "admits plant/monitor/+/state" in problem
    table["source"] = [FINE | {"topic": "residuald/{device}/state"}]
    assert impossible_problems(table) == []


LEVELS = ("residuald", "x", "state", "alert")
OURS = [f"residuald/{stream}/{kind}" for stream in LEVELS for kind in ("state", "alert")]


@given(levels=st.lists(st.sampled_from(["{a}", "{b}", "{c}", *LEVELS]), min_size=1, max_size=4))
def test_whatever_admits_a_state_or_an_alert_of_ours_is_refused(levels: list[str]) -> None:
    placeholders = [level for level in levels if level.startswith("{")]
    assume(len(set(placeholders)) == len(placeholders))
    pattern = TopicPattern.parse("/".join(levels))
    if any(pattern.match(topic) is not None for topic in OURS):
        assert of_source(topic=pattern.text)
    elif levels[0] != "residuald":
        assert of_source(topic=pattern.text) == []


@pytest.mark.parametrize(
    ("path", "dotted"),
    [
        ("$.v", "'v'"),
        ("$.data.v", "'data.v'"),
        ("values[0].v", "'values.v'"),
        ("v[0]", "'v'"),
        ("v[*].x", "'v.x'"),
        ("$['data']['v']", "'data.v'"),
        ("$[0]", "names no field"),
        ("/data/v", "'data.v'"),
        ("$", "names no field"),
        ("data. v", "'data.v'"),
        ("v ", "'v'"),
    ],
)
def test_a_path_in_another_language_is_told_with_the_dotted_one(path: str, dotted: str) -> None:
    (problem,) = of_path(path)
    assert problem.startswith("source[0].format.values: ")
    assert dotted in problem


@pytest.mark.parametrize("path", ["v", "data.v", "a key", "$ref", "x[m/s]", "a/b", "@id", "température"])
def test_paths_of_odd_keys_pass(path: str) -> None:
    assert of_path(path) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [("timestamp", "$.ts"), ("rows", "$.v"), ("fields", ["$.x"]), ("keys", {"device": "$.id"})],
)
def test_every_place_of_a_format_is_looked_at(key: str, value: object) -> None:
    (problem,) = of_source(format={"kind": "json", key: value})
    assert problem.startswith(f"source[0].format.{key}: ")


def test_a_key_of_the_payload_cannot_take_the_place_of_our_labels_either() -> None:
    (problem,) = of_source(format={"kind": "json", "values": "v", "keys": {"model": "type"}})
    assert problem.startswith("source[0].format.keys: placeholder {model} would be hidden")


def test_other_things_that_no_broker_takes_are_told() -> None:
    assert len(impossible_problems({"mqtt": {"port": 0, "base_topic": "$own"}})) == 2


KEYS = st.sampled_from(["mqtt", "source", "http", "host", "port", "topic", "format", "kind", "values", "keys"])
SCALARS = st.none() | st.booleans() | st.integers() | st.text() | st.just("json")


@given(table=st.recursive(SCALARS, lambda each: st.lists(each) | st.dictionaries(KEYS, each)))
def test_whatever_a_table_holds_nothing_is_raised(table: Any) -> None:
    if isinstance(table, dict):
        assert all(isinstance(problem, str) for problem in impossible_problems(table))
