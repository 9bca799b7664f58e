"""What is wrong with a settings file, in the words of its author: dotted TOML paths, what was given, what is allowed.

This file owns the wording. Values are shown only where the key is one of ours, and none of ours holds a secret: what
stands under an unknown key such as `password` is never printed.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from monitor.core.values.names import NAME_PATTERN
from monitor.settings.structure import (
    SectionPlace,
    is_array_of_sections,
    models_in,
    sections_of,
    tag_of,
    takes_several_types,
    value_of,
)

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")  # TOML quotes any other
_OF_A_KEY = "[key]"  # what pydantic adds where not the value under a key is wrong, but the key
_LONGEST_VALUE = 60
_MOST_PLACES = 3
_TYPES = {  # first word of pydantic's error types: what the key takes
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "path": "a path",
    "tuple": "an array",
}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a problem is: its dotted path, the section that its last key belongs to, and what pydantic adds to both.

    choice: the key takes one of several types, and the problem is what one of them has against the value.
    """

    path: str
    section: type[BaseModel]
    choice: bool


def describe(error: ValidationError, root: type[BaseModel]) -> list[str]:
    """Word the problems of a settings file.

    error: what pydantic found in the file's table. root: the class of the whole file. Returns one line per problem,
    e.g. `source[0].format.kind: 'xml' is not one of json, number, csv, binary`.
    """
    told: list[tuple[_Place, list[str]]] = []
    for problem in error.errors():
        place = _locate(problem["loc"], root)
        text = _wording(problem, place.section, root)
        if problem["type"] in {"union_tag_not_found", "union_tag_invalid"}:
            tag = problem["ctx"]["discriminator"].strip("'")
            place = _Place(f"{place.path}.{tag}", place.section, choice=False)
        if place.choice and told and told[-1][0] == place:
            told[-1][1].append(text)
        else:
            told.append((place, [text]))
    return [
        f"{place.path}: {line}" if place.path else line for place, texts in told for line in _either(texts).splitlines()
    ]


def _locate(loc: tuple[int | str, ...], root: type[BaseModel]) -> _Place:
    """Find the place of a problem. Pydantic's location also holds tags and types, which are no keys of the file."""
    path, section, choice = "", root, False
    candidates, tag = [root], None
    for part in loc:
        if isinstance(part, int):
            path += f"[{part}]"
        elif tag is not None:
            candidates, tag = [model for model in candidates if value_of(model, tag) == part], None
        elif candidates:
            path += f".{_key(part)}" if path else _key(part)
            section = candidates[0]
            field = section.model_fields.get(part)
            candidates = models_in(field.annotation) if field else []
            tag = tag_of(field) if field else None
            choice = field is not None and takes_several_types(field)
        elif not choice and part != _OF_A_KEY:
            path += f".{_key(part)}"
    return _Place(path, section, choice)


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else json.dumps(name)


def _either(texts: Sequence[str]) -> str:
    """Join what several types say against one value: `must be a whole number or less than 1, not 1.5`."""
    parts = [text.partition(", not ") for text in texts]
    alike = len({given for _, _, given in parts}) == 1 and all(must.startswith("must be ") for must, _, _ in parts)
    if len(texts) == 1 or not alike:
        return " or ".join(texts)
    return f"must be {' or '.join(must.removeprefix('must be ') for must, _, _ in parts)}, not {parts[0][2]}"


def _wording(  # noqa: C901, PLR0911, PLR0912 - a table: one return per type of problem
    problem: ErrorDetails, parent: type[BaseModel], root: type[BaseModel]
) -> str:
    """Say what one problem is."""
    given, context = problem["input"], problem.get("ctx", {})
    match problem["type"]:
        case "missing" | "union_tag_not_found":
            return "missing"
        case "extra_forbidden":
            return _unknown_key(str(problem["loc"][-1]), parent, root)
        case "value_error":
            return str(context["error"])
        case "union_tag_invalid":
            kinds = [kind.strip("'") for kind in context["expected_tags"].split(", ")]
            return f"{_shown(context['tag'])} is not one of {', '.join(kinds)}{suggestion(context['tag'], kinds)}"
        case "literal_error":
            return f"{_shown(given)} is not one of {context['expected'].replace(' or ', ', ')}"
        case "string_pattern_mismatch" if context["pattern"] == NAME_PATTERN:
            return f"{_shown(given)} is not a name: letters, digits and _ . : - (not . or - first), at most 128"
        case "tuple_type" if isinstance(given, dict) and _is_array(str(problem["loc"][-1]), parent):
            return f"write [[{problem['loc'][-1]}]] with double brackets: there can be several"
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"must be a section of keys, not {_shown(given)}"
        case "too_short":
            # items that are wrong themselves do not count either: then there is nothing to add
            return "" if given else "needs at least one"
        case "too_long":
            return f"takes at most {context['max_length']}, not {context['actual_length']}"
        case "string_too_short" | "string_too_long":
            return f"{problem['msg'].replace('String should', 'must')}, not {_shown(given)}"
        case "string_pattern_mismatch":
            return f"{_shown(given)} does not match {context['pattern']}"
        case kind if kind.partition("_")[0] in _TYPES:
            return f"must be {_TYPES[kind.partition('_')[0]]}, not {_shown(given)}"
        case _:
            return f"{problem['msg'].replace('Input should', 'must')}, not {_shown(given)}"


def _is_array(key: str, section: type[BaseModel]) -> bool:
    field = section.model_fields.get(key)
    return field is not None and is_array_of_sections(field)


def _unknown_key(key: str, section: type[BaseModel], root: type[BaseModel]) -> str:
    elsewhere = _sections_with(key, root)
    if elsewhere and len(elsewhere) <= _MOST_PLACES:
        return f"unknown key here; it belongs to {' or '.join(elsewhere)}"
    known = list(section.model_fields)
    return f"unknown key{suggestion(key, known) or '; known here: ' + ', '.join(known)}"


def _sections_with(key: str, root: type[BaseModel]) -> list[str]:
    """Name the sections that have a key. Of one that comes in several kinds, say which of them do if not all."""
    by_header: dict[str, list[SectionPlace]] = {}
    for place in sections_of(root):
        by_header.setdefault(place.header or "the top of the file", []).append(place)
    found = []
    for header, places in by_header.items():
        tags = [place.tag for place in places if key in place.model.model_fields]
        several = [tag for tag in tags if tag is not None and len(tags) < len(places)]
        which = f" of {several[0][0]} {', '.join(f'`{value}`' for _, value in several)}" if several else ""
        found += [header + which] if tags else []
    return found


def suggestion(given: object, known: list[Any]) -> str:
    """`; did you mean 'x'?` where one of the names in `known` resembles `given`, else nothing."""
    near = get_close_matches(str(given), [name for name in known if isinstance(name, str)], 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _shown(value: object) -> str:
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "an array"
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
