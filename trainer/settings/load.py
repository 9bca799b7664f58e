"""TOML into settings, command-line values over the file; everything wrong is told at once."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from trainer.errors import SettingsError
from trainer.settings.fit import FitSettings

_UNIONS = ("model", "representation")


def load_settings(
    path: Path | None, overrides: dict[str, Any], preset: Mapping[str, Any] = MappingProxyType({})
) -> FitSettings:
    """Read a settings file (None: defaults only) and lay `overrides` (dotted path to value) over it, `preset` below.

    Raises:
        SettingsError: the file cannot be read or used; it lists every problem.

    """
    source = str(path) if path else "command line"
    tree: dict[str, Any] = {}
    if path is not None:
        try:
            tree = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SettingsError(source, [str(error)]) from None
    for dotted, value in overrides.items():
        node, key = _place(tree, dotted, source)
        node[key] = value
    for dotted, value in preset.items():
        node, key = _place(tree, dotted, source)
        node.setdefault(key, value)
    try:
        return FitSettings.model_validate(tree)
    except ValidationError as error:
        raise SettingsError(source, _problems(error)) from None


def _place(tree: dict[str, Any], dotted: str, source: str) -> tuple[dict[str, Any], str]:
    """The table that a dotted path leads to, made if need be, and the key in it."""
    *sections, key = dotted.split(".")
    node = tree
    for section in sections:
        node = node.setdefault(section, {})
        if not isinstance(node, dict):
            raise SettingsError(source, [f"{section}: must be a table, e.g. `[{section}]`"])
    return node, key


def _problems(error: ValidationError) -> list[str]:
    """One line per problem: the dotted path as TOML has it, and what is wrong. The unions' tags are not in the file."""
    lines: dict[str, list[str]] = {}
    together: list[str] = []  # what `trainer.settings.combinations` says already has its path
    for problem in error.errors():
        location = problem["loc"]
        if not location and problem["type"] == "value_error":
            together += problem["msg"].removeprefix("Value error, ").splitlines()
            continue
        if location and location[0] in _UNIONS:
            location = (location[0], *location[2:3])
        path = ".".join(map(str, location)) or "settings"
        unknown = problem["type"] == "extra_forbidden"
        message = "unknown key" if unknown else problem["msg"].removeprefix("Value error, ")
        lines.setdefault(path, []).append(message)
    return [f"{path}: {' or '.join(messages)}" for path, messages in lines.items()] + together
