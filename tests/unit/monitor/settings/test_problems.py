"""In which words a table is refused, and with which path: the file's own, without what pydantic adds to it."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, ValidationError

from monitor.settings.problems import describe
from monitor.settings.section import Section


class Square(Section):
    shape: Literal["square"]
    side: float = 1.0
    colour: str = ""


class Disc(Section):
    shape: Literal["disc"]
    radius: Annotated[float, Field(gt=0)] = 1.0
    colour: str = ""


Shape = Annotated[Square | Disc, Field(discriminator="shape")]


class Frame(Section):
    title: Annotated[str, Field(min_length=1)] = "title"
    depth: int | Annotated[float, Field(lt=1)] = 1
    limits: dict[str, int] = Field(default_factory=dict)


class Drawing(Section):
    scale: Annotated[int, Field(ge=1)] = 1
    frame: Frame = Frame()
    outline: Shape | None = None
    part: tuple[Shape, ...] = ()
    layers: Annotated[tuple[int, ...], Field(max_length=2)] = ()


def problems_of(**table: Any) -> list[str]:
    with pytest.raises(ValidationError) as raised:
        Drawing.model_validate(table)
    return describe(raised.value, Drawing)


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"outline": {"shape": "disc", "radius": -1}}, "outline.radius: must be greater than 0, not -1"),
        ({"part": [{"shape": "disc", "radius": -1}]}, "part[0].radius: must be greater than 0, not -1"),
        ({"outline": {"shape": "dics"}}, "outline.shape: 'dics' is not one of square, disc; did you mean 'disc'?"),
        ({"part": [{"side": 3}]}, "part[0].shape: missing"),
        ({"outline": {"shape": "disc", "disc": 3}}, "outline.disc: unknown key; did you mean 'radius'?"),
    ],
)
def test_the_tag_that_selects_a_section_is_no_part_of_the_path(table: dict[str, Any], problem: str) -> None:
    assert problems_of(**table) == [problem]


@pytest.mark.parametrize(
    ("table", "place"),
    [
        ({"radius": 1}, "[outline] of shape `disc` or [[part]] of shape `disc`"),
        ({"frame": {"shape": 1}}, "[outline] or [[part]]"),
        ({"frame": {"scale": 1}}, "the top of the file"),
        ({"outline": {"shape": "disc", "title": ""}}, "[frame]"),
        ({"outline": {"shape": "disc", "frame": {}}}, "the top of the file"),
    ],
)
def test_a_key_of_another_section_is_sent_there(table: dict[str, Any], place: str) -> None:
    (problem,) = problems_of(**table)
    assert problem.endswith(f": unknown key here; it belongs to {place}")


def test_a_misspelt_key_gets_a_suggestion() -> None:
    assert problems_of(frame={"titel": "x"}) == ["frame.titel: unknown key; did you mean 'title'?"]


def test_a_key_of_several_types_is_told_once() -> None:
    assert problems_of(frame={"depth": 1.5}) == ["frame.depth: must be a whole number or less than 1, not 1.5"]


def test_keys_below_a_section_of_free_keys_are_shown_as_toml_quotes_them() -> None:
    assert problems_of(frame={"limits": {"a b": "x"}}) == [
        "frame.limits.\"a b\": must be a whole number, not 'x'",
    ]


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"frame": {"title": ""}}, "frame.title: must have at least 1 character, not ''"),
        ({"layers": [1, 2, 3]}, "layers: takes at most 2, not 3"),
        ({"layers": {}}, "layers: must be an array, not a table"),
        ({"part": {}}, "part: write [[part]] with double brackets: there can be several"),
        ({"frame": 3}, "frame: must be a section of keys, not 3"),
        ({"scale": 0}, "scale: must be greater than or equal to 1, not 0"),
    ],
)
def test_a_wrong_value_is_told_with_what_is_allowed(table: dict[str, Any], problem: str) -> None:
    assert problems_of(**table) == [problem]


def test_all_problems_are_told_at_once() -> None:
    assert len(problems_of(scale=0, frame={"titel": "", "depth": "x"}, outline={"shape": "disc", "side": 3})) == 4
