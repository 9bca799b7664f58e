"""Names: one rule that keeps labels, topics, file names and log lines safe."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from monitor.core.values.names import Name, is_name, safe_name

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
