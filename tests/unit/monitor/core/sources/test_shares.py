"""Shares: what feeds one stream waits in one line, whatever topics it comes on."""

from monitor.core.alerting.command import commands_below
from monitor.core.sources.shares import shares_of
from monitor.core.sources.source import SourceSpec


def source(topic: str, **settings: object) -> SourceSpec:
    format_ = settings.pop("format", {"kind": "json", "timestamp": "t", "rows": "r"})
    return SourceSpec.model_validate({"name": "s", "topic": topic, "model": "m", "format": format_} | settings)


def test_topics_that_feed_one_stream_are_one_share() -> None:
    share_of = shares_of(
        [source("plant/{device}/vib"), source("plant/{device}/temp"), source("iss/{stream}/{channel}")]
    )
    assert share_of("plant/press/vib") == share_of("plant/press/temp") == "press"
    assert share_of("plant/lathe/vib") == "lathe"
    assert share_of("iss/power/a") == share_of("iss/power/b") == "power"


def test_a_topic_whose_payloads_name_the_stream_is_a_share_without_its_channel() -> None:
    format_ = {"kind": "json", "timestamp": "t", "rows": "r", "keys": {"device": "id"}}
    share_of = shares_of([source("gw/{site}/{channel}", format=format_)])
    assert share_of("gw/north/a") == share_of("gw/north/b") == "gw/north/{channel}"
    assert share_of("gw/south/a") != share_of("gw/north/a")


def test_commands_wait_with_the_messages_of_their_stream() -> None:
    share_of = shares_of([source("plant/{device}/vib")], commands_below("residuald"))
    assert share_of("residuald/press/set/mute") == share_of("plant/press/vib")


def test_a_topic_that_no_source_admits_is_a_share_of_its_own() -> None:
    assert shares_of([source("plant/{device}/vib")])("other/press/vib") == "other/press/vib"


def test_topics_of_two_devices_that_come_to_one_name_are_two_shares() -> None:
    share_of = shares_of([source("plant/{site}/{device}"), source("v/{hall}/{device}", stream="{device}")])
    assert share_of("plant/a.b/c") != share_of("plant/a/b.c")
    assert share_of("v/north/pump1") != share_of("v/south/pump1")


def test_parts_of_one_stream_stay_one_share_whatever_the_device_is_called() -> None:
    share_of = shares_of([source("v/{site}/{device}/{channel}"), source("t/{site}/{device}")])
    assert share_of("v/a/b.c/x") == share_of("v/a/b.c/y") == share_of("t/a/b.c")


def test_commands_wait_with_the_messages_of_a_stream_whose_name_was_made_safe() -> None:
    share_of = shares_of([source("plant/{device}")], commands_below("residuald"))
    assert share_of("residuald/Kuche_1/set/forget") == share_of("plant/Küche 1")
