"""What is wrong with a settings file, in the words of its author: dotted TOML paths, what was given, what is allowed.

This file owns the wording. Values are shown only where the key is one of ours, and none of ours holds a secret: what
stands under an unknown key such as `password` is never printed.
"""

import json
import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from monitor.core.values.names import NAME_PATTERN

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")  # TOML quotes any other
_LONGEST_VALUE = 60
_TYPES = {  # first word of pydantic's error types: what the key takes
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "path": "a path",
    "tuple": "an array",
}


def describe(error: ValidationError, root: type[BaseModel]) -> list[str]:
    """One line per problem: `source[0].format.kind: 'xml' is not one of json, number, csv, binary`."""
    return [line for problem in error.errors() for line in _lines(problem, root)]


def _lines(problem: ErrorDetails, root: type[BaseModel]) -> list[str]:
    path, parent = _locate(problem["loc"], root)
    text = _wording(problem, parent, root)
    if problem["type"] in {"union_tag_not_found", "union_tag_invalid"}:
        path += ".kind"
    return [f"{path}: {line}" if path else line for line in text.splitlines()]


def _locate(loc: tuple[int | str, ...], root: type[BaseModel]) -> tuple[str, type[BaseModel]]:
    """Find the dotted path of a problem and the section that its last key belongs to."""
    path, parent, candidates = "", root, [root]
    for part in loc:
        if isinstance(part, int):
            path += f"[{part}]"
        elif len(candidates) > 1 and part in map(_kind, candidates):  # which of several formats: no key of the file
            candidates = [model for model in candidates if _kind(model) == part]
        else:
            key = part if _BARE_KEY.fullmatch(part) else json.dumps(part)
            path += f".{key}" if path else key
            if candidates:
                parent = candidates[0]
                field = parent.model_fields.get(part)
                candidates = models_in(field.annotation) if field else []
    return path, parent


def _wording(  # noqa: C901, PLR0911 - a table: one return per type of problem
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
        case "tuple_type" if isinstance(given, dict):
            return f"write [[{problem['loc'][-1]}]] with double brackets: there can be several"
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"must be a section of keys, not {_shown(given)}"
        case "too_short":
            # items that are wrong themselves do not count either: then there is nothing to add
            return "" if given else "needs at least one"
        case "string_pattern_mismatch":
            return f"{_shown(given)} does not match {context['pattern']}"
        case kind if kind.partition("_")[0] in _TYPES:
            return f"must be {_TYPES[kind.partition('_')[0]]}, not {_shown(given)}"
        case _:
            return f"{problem['msg'].replace('Input should', 'must')}, not {_shown(given)}"


def _unknown_key(key: str, parent: type[BaseModel], root: type[BaseModel]) -> str:
    elsewhere = [path for path, name in _keys(root) if name == key]
    if elsewhere:
        return f"unknown key here; it belongs to {' or '.join(elsewhere)}"
    known = list(parent.model_fields)
    return f"unknown key{suggestion(key, known) or '; known here: ' + ', '.join(known)}"


def suggestion(given: object, known: list[Any]) -> str:
    """`; did you mean 'x'?` where one of the names in `known` resembles `given`, else nothing."""
    near = get_close_matches(str(given), [name for name in known if isinstance(name, str)], 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _shown(value: object) -> str:
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "an array"
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def _keys(model: type[BaseModel], section: str = "") -> Iterator[tuple[str, str]]:
    """Each key there is: the header it stands under, and its name."""
    for name, field in model.model_fields.items():
        below = models_in(field.annotation)
        if section and not below:
            yield f"[{section}]", name
        for part in below:
            yield from _keys(part, f"{section}.{name}" if section else name)


def models_in(annotation: object) -> list[type[BaseModel]]:
    """Find the settings classes that a field's annotation mentions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in models_in(part)]


def _kind(model: type[BaseModel]) -> str | None:
    field = model.model_fields.get("kind")
    return str(get_args(field.annotation)[0]) if field else None
