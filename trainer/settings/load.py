"""TOML into settings, command-line values over the file; everything wrong is told at once."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from monitor.settings.problems import describe
from monitor.settings.toml_file import UnreadableFileError, read_toml
from trainer.errors import SettingsError
from trainer.settings.fit import FitSettings


def load_settings(
    path: Path | None, overrides: dict[str, Any], preset: Mapping[str, Any] = MappingProxyType({})
) -> FitSettings:
    """Read a settings file (None: defaults only) and lay `overrides` (dotted path to value) over it, `preset` below.

    Raises:
        SettingsError: the file cannot be read or used; it lists every problem.

    """
    source = str(path) if path else "command line"
    try:
        table = {} if path is None else read_toml(path)
    except UnreadableFileError as error:
        raise SettingsError(source, [str(error)]) from None
    for dotted, value in overrides.items():
        _put(table, dotted, value)
    for dotted, value in preset.items():
        _put(table, dotted, value, unless_given=True)
    try:
        return FitSettings.model_validate(table)
    except ValidationError as error:
        raise SettingsError(source, describe(error, FitSettings) + _of_the_sound_sections(error, table)) from None


def _put(table: dict[str, Any], dotted: str, value: object, *, unless_given: bool = False) -> None:
    """Put a value where a dotted path leads. Where a value stands in the place of a section, validation tells that."""
    *sections, key = dotted.split(".")
    node: Any = table
    for section in sections:
        node = node.setdefault(section, {})
        if not isinstance(node, dict):
            return
    if not (unless_given and key in node):
        node[key] = value


def _of_the_sound_sections(error: ValidationError, table: dict[str, Any]) -> list[str]:
    """What is wrong between sections that are sound themselves: pydantic looks only when all of them are."""
    unsound = {str(problem["loc"][0]) for problem in error.errors() if problem["loc"]}
    if not unsound:
        return []
    rest = {name: section for name, section in table.items() if name not in unsound}
    try:
        FitSettings.model_validate(rest, context={"unsound": unsound})
    except ValidationError as between:
        return describe(between, FitSettings)
    return []
