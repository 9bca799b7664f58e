"""How settings classes nest: which section of a file is described by which class.

A section that comes in several kinds is a tagged union or an open section: one of its keys, the tag (`kind`, `family`),
selects the class.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, TypeGuard, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from monitor.settings.section import OpenSection


@dataclass(frozen=True, slots=True)
class SectionPlace:
    """A settings class and where its keys stand in the file.

    header: as TOML writes it, e.g. `[mqtt.tls]` or `[[source]]`; empty for the keys above all sections.
    tag: of a section that comes in several kinds the key that selects, and the value that selects this class.
    """

    header: str
    tag: tuple[str, str] | None
    model: type[BaseModel]


def sections_of(root: type[BaseModel]) -> Iterator[SectionPlace]:
    """List every section of a settings file in the order of its keys, the file itself (`root`) first."""
    yield SectionPlace("", None, root)
    yield from _below(root, "")


def models_in(annotation: object) -> list[type[BaseModel]]:
    """Find the settings classes that a field's annotation mentions."""
    if _is_open(annotation):
        return list(annotation.kinds.values())
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in models_in(part)]


def tag_of(field: FieldInfo) -> str | None:
    """Name the key by which a field's classes are told apart; None where the field takes no tagged union."""
    return _tag_in(field) or _tag_in(field.annotation)


def value_of(model: type[BaseModel], tag: str) -> str:
    """Return the value of the key `tag` that selects this class of a tagged union."""
    return str(get_args(model.model_fields[tag].annotation)[0])


def takes_several_types(field: FieldInfo) -> bool:
    """Whether a field takes values of several types that no tag tells apart, e.g. `int | float`."""
    return tag_of(field) is None and _has_choice(field.annotation)


def is_array_of_sections(field: FieldInfo) -> bool:
    """Whether a field is an array of tables, `[[source]]` in TOML."""
    return get_origin(field.annotation) is tuple and bool(models_in(field.annotation))


def _below(model: type[BaseModel], path: str) -> Iterator[SectionPlace]:
    for name, field in model.model_fields.items():
        dotted = f"{path}.{name}" if path else name
        header = f"[[{dotted}]]" if is_array_of_sections(field) else f"[{dotted}]"
        tag = tag_of(field)
        parts = models_in(field.annotation)
        for part in parts:
            yield SectionPlace(header, None if tag is None else (tag, value_of(part, tag)), part)
        for part in parts:
            yield from _below(part, dotted)


def _tag_in(annotation: object) -> str | None:
    if isinstance(annotation, FieldInfo):
        return annotation.discriminator if isinstance(annotation.discriminator, str) else None
    if _is_open(annotation):
        return annotation.tag
    found = (_tag_in(part) for part in get_args(annotation))
    return next((tag for tag in found if tag is not None), None)


def _is_open(annotation: object) -> TypeGuard[type[OpenSection]]:
    return isinstance(annotation, type) and issubclass(annotation, OpenSection)


def _has_choice(annotation: Any) -> bool:
    parts = get_args(annotation)
    if get_origin(annotation) is Annotated:
        return _has_choice(parts[0])
    if get_origin(annotation) in {Union, UnionType}:
        return len([part for part in parts if part is not NoneType]) > 1
    return any(_has_choice(part) for part in parts)
