"""Topics lead to channel groups of streams; whatever a topic holds, it gets a route or one reason."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.sources.source import SourceSpec
from monitor.core.streams.model_group import ModelGroup
from monitor.core.streams.router import Route, Router
from monitor.core.values.discards import Discard, Reason
from monitor.core.values.messages import TopicTable
from monitor.core.values.names import is_name
from tests.manifests import manifest_of, model_group_of

CHANNELS = ("x", "y", "z")


def source(name: str = "s", topic: str = "plant/{site}/{device}", model: str = "m", **more: Any) -> SourceSpec:
    return SourceSpec.model_validate({"name": name, "topic": topic, "model": model, "format": {"kind": "csv"}, **more})


def router_of(
    *sources: SourceSpec, max_streams: int = 100, model_groups: Iterable[ModelGroup] = ()
) -> tuple[Router, ModelGroup]:
    """A router over `sources`, and the model group of model m (channels x, y, z)."""
    model_group = model_group_of(manifest_of(CHANNELS))
    return Router(
        sources or (source(),), {"m": model_group, **{other.name: other for other in model_groups}}, max_streams
    ), model_group


def reason(router: Router, topic: str) -> Reason:
    found = router.route(topic)
    assert not isinstance(found, Route)
    return found[1].reason


def channel_group(router: Router, topic: str) -> int:
    found = router.route(topic)
    assert isinstance(found, Route)
    return found.channel_group


def test_placeholders_name_the_stream_and_become_its_labels() -> None:
    router, model_group = router_of()
    assert router.route("plant/north/motor-17") == Route(source=0, channel_group=0)
    assert model_group.streams.number == {"north.motor-17": 0}
    assert model_group.streams.labels["north.motor-17"] == {"site": "north", "device": "motor-17"}


def test_a_template_says_how_the_stream_is_named() -> None:
    router, model_group = router_of(source(stream="{device}_at_{site}"))
    router.route("plant/north/m1")
    assert list(model_group.streams.number) == ["m1_at_north"]


def test_what_was_learnt_of_a_topic_is_known_by_its_number() -> None:
    router, _ = router_of()
    table = TopicTable()
    north, bad, south = (table.number_of(text) for text in ("plant/north/a", "nowhere", "plant/south/b"))
    numbers = np.array([north, bad, south, north])
    assert router.known(table, numbers).tolist() == [[-1] * 4] * 2
    assert router.learn(table, south) == Route(source=0, channel_group=0)
    assert not isinstance(router.learn(table, bad), Route)
    assert router.known(table, numbers).tolist() == [[-1, -1, 0, -1], [-1, -1, 0, -1]]
    assert router.learn(table, north) == Route(source=0, channel_group=3)
    assert router.known(table, numbers).tolist() == [[0, -1, 0, 0], [3, -1, 0, 3]]
    late = [table.number_of(f"plant/late/{number}") for number in range(50)]
    assert router.known(table, np.array(late)).max() == -1
    for number in late:
        router.learn(table, number)
    assert router.known(table, np.array([south, *late]))[1].tolist() == [0, *range(6, 156, 3)]


def test_what_was_learnt_of_topics_is_forgotten_with_a_stream_and_bounded_over_tables() -> None:
    router, model_group = router_of()
    tables = [TopicTable() for _ in range(20)]
    for table in tables:
        router.learn(table, table.number_of("plant/north/a"))
    assert sum(router.known(table, np.array([0]))[0, 0] == 0 for table in tables) <= 4
    model_group.close_stream("north.a")
    router.forget("north.a")
    assert all(router.known(table, np.array([0]))[0, 0] == -1 for table in tables)


def test_the_same_topic_always_has_the_same_route() -> None:
    router, model_group = router_of()
    assert router.route("plant/a/b") is router.route("plant/a/b")
    assert router.route("plant/a/c") == Route(0, 3)
    assert len(model_group.streams) == 2


def test_one_topic_per_channel_gives_one_lane_per_channel() -> None:
    router, model_group = router_of(source(topic="iss/{device}/{channel}"))
    channel_groups = [channel_group(router, f"iss/d/{channel}") for channel in CHANNELS]
    assert channel_groups == [0, 1, 2]
    assert router.columns(0, np.array(channel_groups)).tolist() == [[0], [1], [2]]
    assert router.width(0) == 1
    assert model_group.streams.labels["d"] == {"device": "d"}


def test_payload_columns_go_to_the_channels_that_the_source_lists() -> None:
    router, _ = router_of(source(channels=["z", "x"]))
    channel_groups = np.array([channel_group(router, "plant/a/b")])
    assert router.columns(0, channel_groups).tolist() == [[2, 0]]
    assert router.width(0) == 2


def test_sources_of_some_channels_each_complete_one_stream() -> None:
    router, model_group = router_of(
        source("vibration", "v/{device}", channels=["x", "y"]), source("heat", "t/{device}", channels=["z"])
    )
    assert channel_group(router, "t/d1") == 2
    assert channel_group(router, "v/d1") == 0
    assert len(model_group.streams) == 1


def test_a_source_that_overlaps_with_the_one_that_came_first_is_in_conflict() -> None:
    router, _ = router_of(source("xy", "a/{device}", channels=["x", "y"]), source("all", "b/{device}"))
    channel_group(router, "a/d1")
    assert reason(router, "b/d1") is Reason.STREAM_CONFLICT


def test_two_models_cannot_have_the_same_stream() -> None:
    other = model_group_of(manifest_of(CHANNELS, model="n"))
    router, _ = router_of(source("a", "a/{device}"), source("b", "b/{device}", model="n"), model_groups=[other])
    channel_group(router, "a/d1")
    assert reason(router, "b/d1") is Reason.STREAM_CONFLICT
    assert channel_group(router, "b/d2") == 0
    assert list(other.streams.number) == ["d2"]


def test_a_conflict_ends_with_the_stream_that_caused_it() -> None:
    router, model_group = router_of(source("xy", "a/{device}", channels=["x", "y"]), source("all", "b/{device}"))
    channel_group(router, "a/d1")
    assert reason(router, "b/d1") is Reason.STREAM_CONFLICT
    model_group.close_stream("d1")
    router.forget("d1")
    assert router.route("b/d1") == Route(1, 0)
    assert reason(router, "a/d1") is Reason.STREAM_CONFLICT


def test_redundant_gateways_may_bring_the_same_stream() -> None:
    router, model_group = router_of(source(topic="{gateway}/{device}", stream="{device}"))
    assert router.route("gw1/d") == router.route("gw2/d")
    assert len(model_group.streams) == 1


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("plant/a", Reason.UNKNOWN_TOPIC),
        ("plant/a/b/c", Reason.UNKNOWN_TOPIC),
        ("Plant/a/b", Reason.UNKNOWN_TOPIC),
        ("", Reason.UNKNOWN_TOPIC),
        ("plant//b", Reason.BAD_NAME),
        ("plant/a/b\n", Reason.BAD_NAME),
        ('plant/a/b"} 1', Reason.BAD_NAME),
        ("plant/a/+", Reason.BAD_NAME),
        ("plant/a/#", Reason.BAD_NAME),
        ("plant/a/{site}", Reason.BAD_NAME),
        ("plant/a/b c", Reason.BAD_NAME),
        ("plant/../b", Reason.BAD_NAME),
        ("plant/a/\u0430", Reason.BAD_NAME),
        ("plant/a/b\u0000", Reason.BAD_NAME),
        ("plant/a/\ud800", Reason.BAD_NAME),
        ("plant/a/" + "b" * 128, Reason.BAD_NAME),
    ],
)
def test_topics_that_make_no_safe_name_are_refused(topic: str, expected: Reason) -> None:
    router, model_group = router_of()
    assert reason(router, topic) is expected
    assert len(model_group.streams) == 0


def test_a_placeholder_beside_the_name_may_hold_any_text_yet_not_without_end() -> None:
    router, model_group = router_of(source(stream="{device}"))
    router.route('plant/"über" {1}/d1')
    assert model_group.streams.labels["d1"]["site"] == '"über" {1}'
    assert channel_group(router, f"plant/{'s' * 128}/d2") == 3
    assert reason(router, f"plant/{'s' * 129}/d3") is Reason.BAD_NAME


@given(levels=st.lists(st.text(max_size=6), min_size=3, max_size=3))
def test_whatever_a_topic_holds_only_safe_names_become_streams(levels: list[str]) -> None:
    router, model_group = router_of(source(topic="{a}/{b}/{c}"))
    found = router.route("/".join(levels))
    assert isinstance(found, Route) or isinstance(found[1], Discard)
    assert all(is_name(name) for name in model_group.streams.number)
    assert len(model_group.streams) == isinstance(found, Route)


def test_a_channel_that_the_model_lacks_is_refused_by_name_of_its_source() -> None:
    router, _ = router_of(source("axes", "iss/{device}/{channel}", channels=["x"]))
    assert reason(router, "iss/d/y") is Reason.UNKNOWN_CHANNEL
    found = router.route("iss/d/w")
    assert not isinstance(found, Route)
    assert found == (0, Discard(Reason.UNKNOWN_CHANNEL, "source axes has no such channel"))


def test_a_channel_unknown_to_one_source_may_be_known_to_the_next() -> None:
    router, _ = router_of(
        source("xs", "iss/{device}/{channel}", channels=["x"]),
        source("rest", "iss/{device}/{channel}", channels=["y", "z"]),
    )
    assert [router.route(f"iss/d/{channel}") for channel in CHANNELS] == [Route(0, 0), Route(1, 1), Route(1, 2)]


def test_beyond_the_stream_limit_there_is_room_again_when_a_stream_is_forgotten() -> None:
    router, model_group = router_of(max_streams=2)
    assert [channel_group(router, f"plant/a/{device}") for device in ("d1", "d2")] == [0, 3]
    assert reason(router, "plant/a/d3") is Reason.STREAM_LIMIT
    assert channel_group(router, "plant/a/d1") == 0  # those that are in stay in
    model_group.close_stream("a.d1")
    router.forget("a.d1")
    assert channel_group(router, "plant/a/d3") == 0
    assert reason(router, "plant/a/d1") is Reason.STREAM_LIMIT


def test_the_stream_limit_counts_streams_of_all_models() -> None:
    other = model_group_of(manifest_of(CHANNELS, model="n"))
    router, _ = router_of(
        source("a", "a/{device}"), source("b", "b/{device}", model="n"), model_groups=[other], max_streams=1
    )
    channel_group(router, "a/d1")
    assert reason(router, "b/d2") is Reason.STREAM_LIMIT


def test_forgetting_a_stream_drops_all_its_routes() -> None:
    router, model_group = router_of(source(topic="iss/{device}/{channel}"))
    for channel in CHANNELS:
        router.route(f"iss/d/{channel}")
    model_group.close_stream("d")
    router.forget("d")
    router.route("iss/e/x")
    assert model_group.streams.number == {"e": 0}
    assert channel_group(router, "iss/d/y") == 3 + 1


def remembered(router: Router) -> int:
    """How many letters of topics the router keeps."""
    return sum(map(len, [*router._routes, *router._refused]))


@pytest.mark.parametrize("topic", ["other/{}", "{}/dev"], ids=["refused", "to one stream"])
def test_topics_without_end_do_not_fill_the_memory(topic: str) -> None:
    router, _ = router_of(source(topic="{site}/{device}", stream="{device}"), max_streams=10)
    for at in range(45_000):
        router.route(topic.format(f"{at}!"))
    assert remembered(router) < 100_000
    for at in range(1_000):
        router.route(topic.format(f"{at}!" + "!" * 60_000))
    assert remembered(router) < 1_000_000
