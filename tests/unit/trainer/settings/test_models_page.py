"""`docs/models.md` introduces each family and each setting where a reader looks for it, and its examples are valid."""

import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest

from monitor.settings.section import Section
from tests.repository import ROOT
from trainer.help_texts import FIT
from trainer.registry import FAMILIES
from trainer.settings import FitSettings, TrainingSettings, load_settings

PAGE = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)
PARAGRAPHS = [" ".join(part.split()) for part in re.sub(r"```toml\n.*?```", "", PAGE, flags=re.DOTALL).split("\n\n")]
# a setting is introduced where a paragraph or a sentence begins with it, as in "`blocks` (`residual`): how many"
INTRODUCTION = re.compile(r"(?:^|[.;] )((?:`\w+`(?: \([^)]*\))?, )*`\w+`(?: \([^)]*\))?):")
ONE_NAME = re.compile(r"`(\w+)`(?: \(([^)]*)\))?")


def annotations_within(annotation: Any) -> Iterator[Any]:
    """An annotation and all that it is made of."""
    yield annotation
    if get_origin(annotation) in {Annotated, Union, UnionType, tuple}:
        for part in get_args(annotation):
            yield from annotations_within(part)


def choices_of(annotation: Any) -> set[str]:
    """The texts that a setting may be."""
    parts = annotations_within(annotation)
    return {
        value for part in parts if get_origin(part) is Literal for value in get_args(part) if isinstance(value, str)
    }


def introduced() -> dict[str, tuple[str, str]]:
    """By setting: which families have it, as the page says ("" where it says nothing), and the paragraph about it."""
    found: dict[str, tuple[str, str]] = {}
    for paragraph in PARAGRAPHS:
        for names in INTRODUCTION.findall(paragraph):
            for name, families in ONE_NAME.findall(names):
                assert name not in found, f"`{name}` is introduced twice"
                found[name] = families, paragraph
    return found


INTRODUCED = introduced()
FAMILY_FIELDS = Counter(name for family in FAMILIES.values() for name in family.settings.model_fields)
TRAINING = TrainingSettings.model_fields
TABLES = {
    name: part
    for name, field in TRAINING.items()
    for part in annotations_within(field.annotation)
    if isinstance(part, type) and issubclass(part, Section)
}


def families_with(name: str) -> set[str]:
    return {family.name for family in FAMILIES.values() if name in family.settings.model_fields}


def test_the_table_has_one_row_for_each_family() -> None:
    assert re.findall(r"^\| `(\w+)` \|", PAGE, flags=re.MULTILINE) == ["family", *FAMILIES]  # the head, and the rows


def test_the_help_of_fit_has_a_line_for_each_family() -> None:
    assert [name for name, family in FAMILIES.items() if f"\n  {name:<14} {family.about}\n" not in FIT] == []


@pytest.mark.parametrize("name", sorted(set(FAMILY_FIELDS) - {"family"}))
def test_each_setting_of_a_family_is_introduced_with_the_families_that_have_it(name: str) -> None:
    said, paragraph = INTRODUCED[name]
    but = said.removeprefix("all but ")
    named = set(re.findall(r"`(\w+)`", but))
    assert named == (families_with(name) if said == but else set(FAMILIES) - families_with(name))
    for family in FAMILIES.values():
        if name in family.settings.model_fields:
            choices = choices_of(family.settings.model_fields[name].annotation)
            assert [choice for choice in choices if f"`{choice}`" not in paragraph] == []


@pytest.mark.parametrize("name", sorted(set(TRAINING) - set(TABLES)))
def test_each_setting_of_the_training_is_introduced_with_all_its_choices(name: str) -> None:
    paragraph = INTRODUCED[name][1]
    assert [choice for choice in choices_of(TRAINING[name].annotation) if f"`{choice}`" not in paragraph] == []


@pytest.mark.parametrize("name", TABLES)
def test_each_table_of_the_training_has_a_paragraph_that_tells_of_all_its_settings_and_choices(name: str) -> None:
    paragraph = next(each for each in PARAGRAPHS if each.startswith(f"`[training.{name}]`:"))
    for setting, field in TABLES[name].model_fields.items():
        assert f"`{setting}`" in paragraph or setting in INTRODUCED, setting
        assert [choice for choice in choices_of(field.annotation) if f"`{choice}`" not in paragraph] == []


def test_the_page_introduces_nothing_that_there_is_not() -> None:
    there = {*FAMILY_FIELDS, *TRAINING, *(setting for table in TABLES.values() for setting in table.model_fields)}
    assert set(INTRODUCED) - there == set()


@pytest.mark.parametrize("example", EXAMPLES)
def test_each_example_is_accepted(tmp_path: Path, example: str) -> None:
    file = tmp_path / "fit.toml"
    file.write_text(example)
    assert load_settings(file, {}) != FitSettings()
    assert tomllib.loads(example)


def test_each_option_of_the_training_has_an_example() -> None:
    shown = {section for example in EXAMPLES for section in tomllib.loads(example).get("training", {})}
    assert {*TABLES, "loss", "pretraining_epochs"} <= shown
