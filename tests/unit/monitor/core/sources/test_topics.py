"""Topic patterns: what they admit, what they call the stream, and how a bad one is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.sources.topics import TopicPattern, fill_template, overlap

# MQTT levels: any text without the separator, wildcards or NUL
LEVEL = st.text(st.characters(exclude_characters="/+#\0{}", exclude_categories=["Cs"]), max_size=8)


def test_placeholders_take_whole_levels() -> None:
    pattern = TopicPattern.parse("plant/{site}/{device}/vib")
    assert pattern.match("plant/berlin/motor-17/vib") == {"site": "berlin", "device": "motor-17"}
    assert pattern.subscription == "plant/+/+/vib"
    assert pattern.label_names == ("site", "device")
    assert not pattern.has_channel


@pytest.mark.parametrize(
    "topic",
    [
        "plant/berlin/vib",
        "plant/berlin/m/x/vib",
        "Plant/berlin/m/vib",
        "plant/berlin/m/vibration",
        "",
        "plant/berlin/m/vib/",
    ],
)
def test_other_topics_are_not_admitted(topic: str) -> None:
    assert TopicPattern.parse("plant/{site}/{device}/vib").match(topic) is None


def test_channel_names_the_channel_and_not_the_stream() -> None:
    pattern = TopicPattern.parse("iss/{module}/{channel}")
    assert pattern.has_channel
    assert pattern.label_names == ("module",)
    assert pattern.stream_template(None) == "{module}"
    assert pattern.match("iss/node3/pressure") == {"module": "node3", "channel": "pressure"}


def test_a_pattern_without_placeholders_admits_only_itself() -> None:
    pattern = TopicPattern.parse("ward/ecg")
    assert pattern.match("ward/ecg") == {}
    assert pattern.match("ward/ecg2") is None
    assert pattern.subscription == "ward/ecg"


@given(st.lists(LEVEL, min_size=1, max_size=6), st.data())
def test_a_pattern_gives_back_the_levels_it_stands_for(levels: list[str], data: st.DataObject) -> None:
    held = data.draw(st.lists(st.booleans(), min_size=len(levels), max_size=len(levels)))
    parts = [f"{{p{number}}}" if hold else level for number, (level, hold) in enumerate(zip(levels, held, strict=True))]
    text = "/".join(parts)
    if not text:
        return
    expected = {f"p{number}": level for number, (level, hold) in enumerate(zip(levels, held, strict=True)) if hold}
    assert TopicPattern.parse(text).match("/".join(levels)) == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "empty"),
        ("a\0b", "NUL"),
        ("plant/+/vib", "level '\\+'"),
        ("plant/#", "level '#'"),
        ("plant/{site}-{device}", "whole level"),
        ("plant/x{site}", "whole level"),
        ("plant/{Site}", "whole level"),
        ("plant/{}", "whole level"),
        ("plant/{site}\n", "whole level"),
        ("{a}/{a}", "twice"),
    ],
)
def test_what_is_no_pattern_is_refused_with_the_reason(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        TopicPattern.parse(text)


def test_streams_are_named_by_all_placeholders_unless_told_otherwise() -> None:
    pattern = TopicPattern.parse("plant/{site}/{device}/{channel}")
    assert pattern.stream_template(None) == "{site}.{device}"
    assert pattern.stream_template("{device}") == "{device}"
    assert pattern.stream_template("rig-{site}:{device}") == "rig-{site}:{device}"


@pytest.mark.parametrize(
    ("topic", "template", "complaint"),
    [
        ("plant/vib", None, "set `stream`"),
        ("plant/{channel}", None, "set `stream`"),
        ("plant/{device}", "{site}", "not a placeholder"),
        ("plant/{device}/{channel}", "{device}.{channel}", "not a placeholder"),
        ("plant/{device}", "", "makes no names"),
        ("plant/{device}", "plant/{device}", "makes no names"),
        ("plant/{device}", "{device", "makes no names"),
        ("plant/{device}", "my {device}", "makes no names"),
        ("plant/{device}", "{}", "not a placeholder"),
    ],
)
def test_a_stream_name_that_cannot_come_about_is_refused(topic: str, template: str | None, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        TopicPattern.parse(topic).stream_template(template)


@given(LEVEL, LEVEL)
def test_templates_are_filled_literally(site: str, device: str) -> None:
    assert fill_template("{site}.{device}", {"site": site, "device": device}) == f"{site}.{device}"


def test_braces_in_a_value_stay_text() -> None:
    assert fill_template("{a}-{b}", {"a": "{b}", "b": "\\1"}) == "{b}-\\1"


def test_no_placeholder_stands_for_a_first_level_that_begins_with_a_dollar() -> None:
    pattern = TopicPattern.parse("{site}/load")
    assert pattern.match("$SYS/load") is None
    assert pattern.match("hall/load") == {"site": "hall"}
    assert TopicPattern.parse("$SYS/{what}").match("$SYS/load") == {"what": "load"}
    assert TopicPattern.parse("plant/{what}").match("plant/$SYS") == {"what": "$SYS"}


def test_patterns_overlap_where_a_topic_fits_both() -> None:
    def both(one: str, other: str) -> bool:
        first, second = TopicPattern.parse(one).levels, TopicPattern.parse(other).levels
        assert overlap(first, second) is overlap(second, first)
        return overlap(first, second)

    assert both("plant/{a}/vib", "{site}/m1/{what}")
    assert both("$SYS/{a}", "$SYS/load")
    assert not both("plant/{a}/vib", "plant/{a}/rpm")
    assert not both("plant/{a}", "plant/{a}/vib")
    assert not both("{a}/load", "$SYS/load")
    assert not both("{a}/load", "$SYS/{b}")


@given(st.lists(LEVEL, min_size=1, max_size=3), st.lists(LEVEL | st.just("{x}"), min_size=1, max_size=3))
def test_a_topic_overlaps_with_the_patterns_that_admit_it(levels: list[str], parts: list[str]) -> None:
    pattern = "/".join(part.replace("x", f"x{at}") if part == "{x}" else part for at, part in enumerate(parts))
    topic = "/".join(levels)
    if topic and pattern:
        parsed = TopicPattern.parse(pattern)
        assert overlap(parsed.levels, levels) is (parsed.match(topic) is not None)
