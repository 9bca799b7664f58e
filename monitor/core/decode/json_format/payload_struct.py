"""A struct type for the fields of a payload that matter, compiled once, so that a payload costs one call into C."""

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any

import msgspec


def compile_struct(leaf_types: Mapping[str, Any]) -> tuple[type[msgspec.Struct], dict[str, Callable[[Any], Any]]]:
    """Make a struct type that holds what the field paths lead to, and per path the way to it."""
    tree: dict[str, Any] = {}
    for path, leaf_type in leaf_types.items():
        *parents, leaf = path.split(".")
        node = tree
        for key in parents:
            node = node.setdefault(key, {})
        node[leaf] = leaf_type

    # keys are any text, attributes are not: attributes are numbered, and renamed to their keys
    def struct_of(node: dict[str, Any]) -> type[msgspec.Struct]:
        types = {key: struct_of(child) if isinstance(child, dict) else child for key, child in node.items()}
        attributes = {f"f{number}": key for number, key in enumerate(types)}
        members = [(attribute, types[key]) for attribute, key in attributes.items()]
        # gc=False: structs made of numbers, texts and lists of numbers cannot form cycles
        return msgspec.defstruct("Payload", members, rename=attributes, gc=False)

    def attribute_path(path: str) -> str:
        node, attributes = tree, []
        for key in path.split("."):
            attributes.append(f"f{list(node).index(key)}")
            node = node[key]
        return ".".join(attributes)

    return struct_of(tree), {path: attrgetter(attribute_path(path)) for path in leaf_types}
