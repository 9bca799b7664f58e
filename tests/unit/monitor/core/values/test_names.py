"""Names: one rule that keeps labels, topics, file names and log lines safe."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from monitor.core.values.names import Name, is_name, safe_name, shown_text, stream_name

ADMITTED = ["vib_x", "plant1.motor-17", "a", "9", "_x", "ns:metric", "A" * 128]
REFUSED = ["", ".hidden", "-flag", "a b", "a/b", "a\n", "ü", "x\0", "{site}", "a" * 129, "+", "#", "../etc"]


@pytest.mark.parametrize("text", ADMITTED)
def test_letters_digits_and_four_marks_make_a_name(text: str) -> None:
    assert is_name(text)


@pytest.mark.parametrize("text", REFUSED)
def test_anything_else_is_no_name(text: str) -> None:
    assert not is_name(text)


@given(st.text(max_size=140) | st.from_regex(r"[A-Za-z0-9_.:\-]{0,130}\n?", fullmatch=True))
def test_settings_admit_exactly_the_same_names(text: str) -> None:
    try:
        TypeAdapter(Name).validate_python(text)
    except ValidationError:
        assert not is_name(text)
    else:
        assert is_name(text)


@given(st.text(max_size=200))
def test_a_safe_name_is_a_name_and_stays_itself(text: str) -> None:
    safe = safe_name(text)
    assert is_name(safe)
    assert safe_name(safe) == safe


@given(st.from_regex(r"[A-Za-z0-9_:][A-Za-z0-9_.:\-]{0,127}", fullmatch=True))
def test_a_name_is_safe_as_it_is(name: str) -> None:
    assert safe_name(name) == name


def test_a_safe_name_is_close_to_the_text() -> None:
    assert safe_name(" Volume Flow (RMS) ") == "Volume_Flow__RMS_"
    assert safe_name(".hidden") == "_.hidden"


@given(st.text())
def test_whatever_a_stream_is_called_it_gets_a_name_that_is_always_the_same(text: str) -> None:
    name = stream_name(text)
    assert is_name(name)
    assert stream_name(text) == stream_name(name) == name


@given(st.lists(st.text("насокухня", min_size=5, max_size=5), min_size=2, max_size=2, unique=True))
def test_names_in_another_script_stay_apart(texts: list[str]) -> None:
    assert len(set(map(stream_name, texts))) == 2


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("motor-17", "motor-17"),
        ("Großer Ofen", "Grosser_Ofen"),
        ("Ångström/Œuvre", "Angstrom_OEuvre"),
        ("a" * 100 + "ﷺ" * 10, "a" * 100 + "_" * 19 + "-" + "2d481517"),
    ],
)
def test_a_stream_is_named_as_near_to_the_text_as_a_name_can_be(text: str, name: str) -> None:
    assert stream_name(text) == name


@given(st.text())
def test_what_is_shown_has_no_character_that_could_hide_or_turn_others(text: str) -> None:
    shown = shown_text(text)
    assert shown.isprintable()
    assert shown_text(shown) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Küche 7", "Küche 7"),
        ("a\u202eb\u200f\u2066c", "abc"),
        ("a\x1b[31m\x00", "a[31m"),
        ("a\tb\u00a0c\r\n", "a b c  "),
    ],
)
def test_control_and_bidirectional_characters_are_left_out(text: str, shown: str) -> None:
    assert shown_text(text) == shown
