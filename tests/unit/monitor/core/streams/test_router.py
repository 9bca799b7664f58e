"""Topics lead to channel groups of streams, each to its own; whatever a topic holds, it gets a route or one reason."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.sources.source import SourceSpec
from monitor.core.streams.model_group import ModelGroup
from monitor.core.streams.router import UNSETTLED, Route, Router
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


def settled(router: Router, topic: str, *keys: str) -> int | Discard | None:
    """What a block comes to that was decoded of a message with this topic, and with these keys in its payload."""
    found = router.route(topic)
    if not isinstance(found, Route):
        return found[1]
    table = TopicTable()
    return router.settle(found.source, table, table.number_of(topic), keys)


def reason(router: Router, topic: str, *keys: str) -> Reason:
    found = settled(router, topic, *keys)
    assert isinstance(found, Discard)
    return found.reason


def detail(router: Router, topic: str, *keys: str) -> str:
    found = settled(router, topic, *keys)
    assert isinstance(found, Discard)
    return found.detail


def channel_group(router: Router, topic: str, *keys: str) -> int:
    found = settled(router, topic, *keys)
    assert isinstance(found, int)
    return found


def close(router: Router, model_group: ModelGroup, stream: str) -> None:
    model_group.close_stream(stream)
    router.forget(stream)


def test_placeholders_name_the_stream_and_become_its_labels() -> None:
    router, model_group = router_of()
    assert channel_group(router, "plant/north/motor-17") == 0
    assert router.route("plant/north/motor-17") == Route(source=0, channel_group=0)
    assert model_group.streams.number == {"north.motor-17": 0}
    assert model_group.streams.labels["north.motor-17"] == {"site": "north", "device": "motor-17"}


def test_a_topic_opens_no_stream_before_it_has_brought_a_block() -> None:
    router, model_group = router_of()
    assert router.route("plant/north/motor-17") == Route(source=0, channel_group=UNSETTLED)
    assert len(model_group.streams) == 0


def test_a_template_says_how_the_stream_is_named() -> None:
    router, model_group = router_of(source(stream="{device}_at_{site}"))
    channel_group(router, "plant/north/m1")
    assert list(model_group.streams.number) == ["m1_at_north"]


def test_what_was_learnt_of_a_topic_is_known_by_its_number() -> None:
    router, _ = router_of()
    table = TopicTable()
    north, bad, south = (table.number_of(text) for text in ("plant/north/a", "nowhere", "plant/south/b"))
    numbers = np.array([north, bad, south, north])
    assert router.known(table, numbers).tolist() == [[-1] * 4] * 2
    assert router.learn(table, south) == Route(source=0, channel_group=UNSETTLED)
    assert not isinstance(router.learn(table, bad), Route)
    assert router.known(table, numbers).tolist() == [[-1, -1, 0, -1], [-1] * 4]
    assert router.settle(0, table, south) == 0
    assert router.known(table, numbers).tolist() == [[-1, -1, 0, -1], [-1, -1, 0, -1]]
    router.learn(table, north)
    assert router.settle(0, table, north) == 3
    assert router.known(table, numbers).tolist() == [[0, -1, 0, 0], [3, -1, 0, 3]]
    late = [table.number_of(f"plant/late/{number}") for number in range(50)]
    assert router.known(table, np.array(late)).max() == -1
    for number in late:
        router.learn(table, number)
        router.settle(0, table, number)
    assert router.known(table, np.array([south, *late]))[1].tolist() == [0, *range(6, 156, 3)]


def test_a_topic_of_another_table_is_known_at_once_when_it_was_settled() -> None:
    router, _ = router_of()
    channel_group(router, "plant/north/a")
    table = TopicTable()
    assert router.learn(table, table.number_of("plant/north/a")) == Route(0, 0)


def test_what_was_settled_is_forgotten_with_the_stream_and_only_of_that_stream() -> None:
    router, model_group = router_of(source("some", "a/{device}", channels=["x"]), source("more", "b/{device}"))
    table = TopicTable()
    numbers = np.array([table.number_of(topic) for topic in ("a/d", "a/e", "b/f")])
    for at, number in enumerate(numbers.tolist()):
        router.settle(at // 2, table, number)
    assert router.known(table, numbers).tolist() == [[0, 0, 1], [0, 3, 6]]
    close(router, model_group, "d")
    assert router.known(table, numbers).tolist() == [[0, 0, 1], [-1, 3, 6]]


def test_routes_are_bounded_over_tables() -> None:
    router, _ = router_of()
    tables = [TopicTable() for _ in range(20)]
    for table in tables:
        router.learn(table, table.number_of("plant/north/a"))
    assert sum(router.known(table, np.array([0]))[0, 0] == 0 for table in tables) <= 4


def test_the_same_topic_always_has_the_same_route() -> None:
    router, model_group = router_of()
    assert channel_group(router, "plant/a/b") == channel_group(router, "plant/a/b") == 0
    assert channel_group(router, "plant/a/c") == 3
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
    router, model_group = router_of(
        source("a", "a/{device}"), source("b", "b/{device}", model="n"), model_groups=[other]
    )
    channel_group(router, "a/d1")
    assert detail(router, "b/d1") == (
        "stream d1 of model m belongs to topic 'a/d1'; no other model may have one of this name"
    )
    assert model_group.streams.conflicts[0] == 1
    assert channel_group(router, "b/d2") == 0
    assert list(other.streams.number) == ["d2"]


def test_a_conflict_ends_with_the_stream_that_caused_it() -> None:
    router, model_group = router_of(source("xy", "a/{device}", channels=["x", "y"]), source("all", "b/{device}"))
    channel_group(router, "a/d1")
    assert reason(router, "b/d1") is Reason.STREAM_CONFLICT
    close(router, model_group, "d1")
    assert channel_group(router, "b/d1") == 0
    assert reason(router, "a/d1") is Reason.STREAM_CONFLICT


# a channel group belongs to the topic that opened it


def test_two_topics_that_come_to_one_name_are_not_one_stream() -> None:
    router, model_group = router_of()
    channel_group(router, "plant/a/b.c")
    found = settled(router, "plant/a.b/c")
    assert found == Discard(
        Reason.STREAM_CONFLICT,
        "stream a.b.c belongs to topic 'plant/a/b.c', with site 'a', which is 'a.b' here",
        "a.b.c",
    )
    assert channel_group(router, "plant/a/b.c") == 0
    assert reason(router, "plant/a.b/c") is Reason.STREAM_CONFLICT
    assert model_group.streams.conflicts[0] == 2


def test_a_template_that_leaves_a_placeholder_out_does_not_make_one_stream_of_two_machines() -> None:
    router, model_group = router_of(source(stream="{device}"))
    channel_group(router, "plant/north/p1")
    assert reason(router, "plant/south/p1") is Reason.STREAM_CONFLICT
    assert model_group.streams.labels == {"p1": {"site": "north", "device": "p1"}}


def test_of_a_topic_per_channel_each_channel_belongs_to_its_topic() -> None:
    router, model_group = router_of(source(topic="iss/{site}/{device}/{channel}", stream="{device}"))
    channel_group(router, "iss/a/d/x")
    assert reason(router, "iss/b/d/x") is Reason.STREAM_CONFLICT
    # a free channel of the same stream, too: it is another machine
    assert "with site 'a', which is 'b' here" in detail(router, "iss/b/d/y")
    assert channel_group(router, "iss/a/d/y") == 1
    assert model_group.streams.conflicts[0] == 2


def test_what_payloads_name_belongs_to_topic_and_keys_together() -> None:
    layout = {"kind": "json", "values": "v", "keys": {"device": "id", "line": "l"}}
    router, _ = router_of(source(topic="gw/{gateway}", format=layout, stream="{line}.{device}"))
    channel_group(router, "gw/1", "b.c", "a")
    assert channel_group(router, "gw/1", "b.c", "a") == 0
    assert detail(router, "gw/1", "c", "a.b").startswith("stream a.b.c belongs to topic 'gw/1' with 'b.c', 'a'")
    assert reason(router, "gw/2", "b.c", "a") is Reason.STREAM_CONFLICT


def test_the_same_keys_under_two_topics_are_two_devices() -> None:
    layout = {"kind": "json", "values": "v", "keys": {"device": "id"}}
    router, _ = router_of(
        source("one", "gw/one", format=layout, channels=["x"]), source("two", "gw/two", format=layout, channels=["x"])
    )
    channel_group(router, "gw/one", "d")
    assert detail(router, "gw/two", "d") == "stream d belongs to topic 'gw/one' with 'd' in the payload"


def test_sources_that_bring_parts_of_one_stream_add_what_their_topics_tell() -> None:
    router, model_group = router_of(
        source("v", "v/{device}", channels=["x", "y"]),
        source("t", "t/{site}/{device}", channels=["z"], stream="{device}"),
    )
    channel_group(router, "v/d")
    channel_group(router, "t/north/d")
    assert model_group.streams.labels["d"] == {"site": "north", "device": "d"}
    assert reason(router, "t/south/d") is Reason.STREAM_CONFLICT


def test_owners_outlive_the_router_of_their_model_group() -> None:
    router, model_group = router_of()
    channel_group(router, "plant/a/b.c")
    after = Router((source(),), {"m": model_group}, 100)
    after.find_streams()
    assert reason(after, "plant/a.b/c") is Reason.STREAM_CONFLICT
    assert channel_group(after, "plant/a/b.c") == 0


def test_a_stream_without_owners_goes_to_the_first_topic_that_comes() -> None:
    router, model_group = router_of()
    model_group.open_stream("a.b.c", {}, [[0, 1, 2]])
    router.find_streams()
    assert channel_group(router, "plant/a.b/c") == 0
    assert reason(router, "plant/a/b.c") is Reason.STREAM_CONFLICT


# which channels arrive together follows from what comes


def layout_of_sources() -> list[SourceSpec]:
    return [
        source("each", "plant/{site}/{device}/{channel}"),
        source("pair", "plc/{device}", channels=["x", "y"]),
        source("last", "loggers/{device}/raw", channels=["z"]),
    ]


@given(order=st.permutations(range(3)), first=st.sampled_from(["plc/m1", "loggers/m1/raw"]))
def test_a_source_that_feeds_other_streams_decides_nothing_wherever_it_stands(order: list[int], first: str) -> None:
    sources = layout_of_sources()
    router, model_group = router_of(*(sources[at] for at in order))
    for topic in (first, "plc/m1", "loggers/m1/raw"):
        channel_group(router, topic)
    assert sorted(model_group.layouts["m1"].channel_groups) == [[0, 1], [2]]


@given(order=st.permutations(range(3)), first=st.sampled_from(["plc/l1/m1", "loggers/l1/m1"]))
def test_nor_does_one_that_could_make_the_same_name_and_does_not(order: list[int], first: str) -> None:
    sources = [
        source("each", "plant/{site}/{device}/{channel}"),
        source("pair", "plc/{line}/{device}", channels=["x", "y"]),
        source("last", "loggers/{line}/{device}", channels=["z"]),
    ]
    router, model_group = router_of(*(sources[at] for at in order))
    for topic in (first, "plc/l1/m1", "loggers/l1/m1"):
        channel_group(router, topic)
    assert sorted(model_group.layouts["l1.m1"].channel_groups) == [[0, 1], [2]]
    assert reason(router, "plant/l1/m1/x") is Reason.STREAM_CONFLICT


def test_free_channels_of_an_older_layout_are_arranged_as_they_come() -> None:
    router, model_group = router_of(*layout_of_sources())
    model_group.open_stream("m1", {}, [[2], [0], [1]])
    model_group.open_stream("m2", {}, [[0, 2], [1]])
    router.find_streams()
    assert [channel_group(router, topic) for topic in ("plc/m1", "plc/m2", "loggers/m2/raw")] == [0, 3, 5]
    assert model_group.layouts["m1"].channel_groups == [[0, 1], [2]]
    assert sorted(model_group.layouts["m2"].channel_groups) == [[0, 1], [2]]


# names


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("plant/a", Reason.UNKNOWN_TOPIC),
        ("plant/a/b/c", Reason.UNKNOWN_TOPIC),
        ("Plant/a/b", Reason.UNKNOWN_TOPIC),
        ("", Reason.UNKNOWN_TOPIC),
        ("plant//b", Reason.BAD_NAME),
        ("plant/ /b", Reason.BAD_NAME),
        ("plant/a/b\u0000", Reason.BAD_NAME),
        ("plant/a/\ud800", Reason.BAD_NAME),
        ("plant/a/" + "b" * 128, Reason.BAD_NAME),
    ],
)
def test_topics_that_name_nothing_are_refused(topic: str, expected: Reason) -> None:
    router, model_group = router_of()
    assert reason(router, topic) is expected
    assert len(model_group.streams) == 0


@pytest.mark.parametrize(
    ("device", "name", "display_name"),
    [
        ("Basement - Back Yard", "Basement_-_Back_Yard", "Basement - Back Yard"),
        ("Küche", "Kuche", "Küche"),
        ("pump+1", "pump_1", "pump+1"),
        ("māraṭhī", "marathi", "māraṭhī"),
        ("motor@hall", "motor_hall", "motor@hall"),
        ('b"} 1', "b___1", 'b"} 1'),
        ("{site}", "_site_", "{site}"),
        ("b\n", "b", "b "),
        ("\u202eb\u0007", "_b_-ab44e66c", "b"),
        ("насос", "_____-ac434f6a", "насос"),
    ],
)
def test_whatever_a_device_is_called_its_stream_has_a_safe_name_and_is_shown_as_it_is_called(
    device: str, name: str, display_name: str
) -> None:
    router, model_group = router_of(source(topic="plant/{device}"))
    channel_group(router, f"plant/{device}")
    assert list(model_group.streams.number) == [name]
    assert model_group.streams.display_names == {name: display_name}
    assert model_group.streams.labels[name] == {"device": display_name}


def test_two_devices_whose_names_come_to_one_are_not_one_stream() -> None:
    router, _ = router_of(source(topic="plant/{device}"))
    channel_group(router, "plant/pump 1")
    assert "belongs to topic 'plant/pump 1'" in detail(router, "plant/pump_1")
    assert reason(router, "plant/pump+1") is Reason.STREAM_CONFLICT


def test_a_channel_may_be_called_as_it_was_before_the_trainer_made_its_name_safe() -> None:
    model_group = model_group_of(manifest_of(("Volume_Flow", "T_1")))
    router = Router((source(topic="p/{device}/{channel}"),), {"m": model_group}, 100)
    assert channel_group(router, "p/d/T 1") == 1
    assert channel_group(router, "p/d/Volume Flow") == 0
    assert reason(router, "p/d/T+1") is Reason.STREAM_CONFLICT


def test_a_placeholder_beside_the_name_may_hold_any_text_yet_not_without_end() -> None:
    router, model_group = router_of(source(stream="{device}"))
    channel_group(router, 'plant/"über" {1}/d1')
    assert model_group.streams.labels["d1"]["site"] == '"über" {1}'
    assert channel_group(router, f"plant/{'s' * 128}/d2") == 3
    assert reason(router, f"plant/{'s' * 129}/d3") is Reason.BAD_NAME


@given(levels=st.lists(st.text(max_size=6), min_size=3, max_size=3))
def test_whatever_a_topic_holds_only_safe_names_become_streams(levels: list[str]) -> None:
    router, model_group = router_of(source(topic="{a}/{b}/{c}"))
    found = settled(router, "/".join(levels))
    assert isinstance(found, int | Discard)
    assert all(is_name(name) for name in model_group.streams.number)
    assert all(text.isprintable() for text in model_group.streams.display_names.values())
    assert len(model_group.streams) == isinstance(found, int)


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
    assert [channel_group(router, f"iss/d/{channel}") for channel in CHANNELS] == [0, 1, 2]
    assert [router.route(f"iss/d/{channel}") for channel in CHANNELS] == [Route(0, 0), Route(1, 1), Route(1, 2)]


def prove(model_group: ModelGroup, *streams: str) -> None:
    """Let streams have given a window."""
    model_group.streams.gave_window[[model_group.streams.number[name] for name in streams]] = True


def test_beyond_the_stream_limit_there_is_room_again_when_a_stream_is_forgotten() -> None:
    router, model_group = router_of(max_streams=2)
    assert [channel_group(router, f"plant/a/{device}") for device in ("d1", "d2")] == [0, 3]
    prove(model_group, "a.d1", "a.d2")
    assert reason(router, "plant/a/d3") is Reason.STREAM_LIMIT
    assert channel_group(router, "plant/a/d1") == 0  # those that are in stay in
    close(router, model_group, "a.d1")
    assert channel_group(router, "plant/a/d3") == 0
    prove(model_group, "a.d3")
    assert reason(router, "plant/a/d1") is Reason.STREAM_LIMIT


def test_the_stream_limit_counts_streams_of_all_models() -> None:
    other = model_group_of(manifest_of(CHANNELS, model="n"))
    router, model_group = router_of(
        source("a", "a/{device}"), source("b", "b/{device}", model="n"), model_groups=[other], max_streams=1
    )
    channel_group(router, "a/d1")
    assert settled(router, "b/d2") is None
    assert router.unproven() == (model_group, "d1")
    prove(model_group, "d1")
    assert reason(router, "b/d2") is Reason.STREAM_LIMIT


def test_the_oldest_stream_without_a_window_is_the_one_to_make_room() -> None:
    router, model_group = router_of(max_streams=3)
    for device in ("d1", "d2", "d3"):
        channel_group(router, f"plant/a/{device}")
    prove(model_group, "a.d1")
    assert settled(router, "plant/a/d4") is None
    assert router.unproven() == (model_group, "a.d2")
    close(router, model_group, "a.d2")
    assert channel_group(router, "plant/a/d4") == 3
    prove(model_group, "a.d3", "a.d4")
    assert router.unproven() is None


def test_forgetting_a_stream_drops_all_its_routes() -> None:
    router, model_group = router_of(source(topic="iss/{device}/{channel}"))
    for channel in CHANNELS:
        channel_group(router, f"iss/d/{channel}")
    close(router, model_group, "d")
    channel_group(router, "iss/e/x")
    assert model_group.streams.number == {"e": 0}
    assert channel_group(router, "iss/d/y") == 3 + 1


def remembered(router: Router) -> int:
    """How many letters of topics the router keeps."""
    return sum(len(str(place)) for place in [*router._sources, *router._settled, *router._refused])


@pytest.mark.parametrize("topic", ["other/{}", "{}/dev"], ids=["refused", "to one stream"])
def test_topics_without_end_do_not_fill_the_memory(topic: str) -> None:
    router, _ = router_of(source(topic="{site}/{device}", stream="{device}"), max_streams=10)
    for at in range(45_000):
        settled(router, topic.format(f"{at}!"))
    assert remembered(router) < 200_000
    for at in range(1_000):
        settled(router, topic.format(f"{at}!" + "!" * 60_000))
    assert remembered(router) < 1_000_000
