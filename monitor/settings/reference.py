"""The reference page of a settings file: one table per section, from the text below each key of its class."""

import inspect
import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from monitor.core.values.names import NAME_PATTERN
from monitor.settings.structure import SectionPlace, models_in, sections_of

_TYPES = {
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "string": "text",
    "object": "section",
}
_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def reference_page(introduction: str, root: type[BaseModel]) -> str:
    """Describe every key of a settings file.

    introduction: Markdown to begin with. root: the class of the whole file; its sections follow in the order of its
    keys. Returns the page as Markdown.
    """
    return "\n".join([introduction, *(line for place in sections_of(root) for line in _section(place))]) + "\n"


def _section(place: SectionPlace) -> Iterator[str]:
    schema = place.model.model_json_schema()
    keys = _keys(place, schema["properties"])
    if not keys:
        return
    # a heading may not look like a link
    title = place.header.replace("[", "\\[").replace("]", "\\]") or "Top of the file"
    yield f"## {title}" + (f" of {place.tag[0]} `{place.tag[1]}`" if place.tag else "") + "\n"
    yield inspect.cleandoc(place.model.__doc__ or "") + "\n"
    yield "| key | value | default | meaning |"
    yield "| --- | --- | --- | --- |"
    for key, property_ in keys.items():
        default = "required" if key in schema.get("required", ()) else _toml(property_.get("default"))
        cells = (f"`{key}`", _value(property_, schema.get("$defs", {})), default, property_.get("description", ""))
        yield "| " + " | ".join(cell.replace("\n", " ").replace("|", "\\|") for cell in cells) + " |"
    yield ""


def _keys(place: SectionPlace, properties: dict[str, Any]) -> dict[str, Any]:
    """Order the keys of a section: what selects its class comes first. Of the file itself, without its sections."""
    if place.tag is not None:
        return {place.tag[0]: properties[place.tag[0]], **properties}
    if place.header:
        return properties
    fields = place.model.model_fields
    return {key: property_ for key, property_ in properties.items() if not models_in(fields[key].annotation)}


def _value(property_: dict[str, Any], definitions: dict[str, Any]) -> str:
    """What a key takes, from its JSON schema."""
    choices = [choice for choice in property_.get("anyOf", [property_]) if choice.get("type") != "null"]
    return "; or ".join(", ".join(filter(None, _kind(choice, definitions))) for choice in choices)


def _kind(property_: dict[str, Any], definitions: dict[str, Any]) -> tuple[str, str]:
    """What a key of one type takes, and in which bounds; these are empty where there are none."""
    if "$ref" in property_:
        property_ = definitions[property_["$ref"].rpartition("/")[2]]
    values = property_.get("enum", [property_["const"]] if "const" in property_ else [])
    if values:
        return " ".join(map(_toml, values)), ""
    if property_.get("type") == "array":
        (kind, bounds), most = _kind(_item(property_), definitions), property_.get("maxItems")
        exact = "" if most == property_.get("minItems") else "at most "
        return f"array of {'' if most is None else f'{exact}{_number(most)} '}{kind}s", bounds
    if property_.get("format") in {"path", "file-path"}:
        return "path", ""
    if property_.get("pattern") == NAME_PATTERN:
        return "name", ""
    return _TYPES[property_.get("type", "object")], _bounds(property_)


def _item(array: dict[str, Any]) -> dict[str, Any]:
    items: dict[str, Any] = array["items"] if "items" in array else array["prefixItems"][0]  # those are all alike
    return items


def _bounds(property_: dict[str, Any]) -> str:
    bounds = {sign: _number(property_[bound]) for bound, sign in _BOUNDS.items() if bound in property_}
    if bounds.keys() == {"≥", "≤"}:
        return f"{bounds['≥']} to {bounds['≤']}"
    return ", ".join(f"{sign} {limit}" for sign, limit in bounds.items())


def _number(value: float) -> str:
    return f"{int(value) if value == int(value) else value:,}".replace(",", " ")


def _toml(value: object) -> str:
    """Write a default as TOML does. A section has defaults of its own."""
    if isinstance(value, dict):
        return "as below"
    return "none" if value is None else f"`{json.dumps(value)}`"
