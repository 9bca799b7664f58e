"""The configuration file: TOML into frozen sections. A `Config` that exists is valid.

Start-up, `residuald check` and reload all come through `load_config`. Unknown keys are errors, all errors are reported
at once with their dotted path, and secrets stay in their files: the config holds only the paths.
"""

import os
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from monitor.config.impossible import impossible_problems
from monitor.config.model import ModelConfig
from monitor.config.references import reference_problems
from monitor.errors import ConfigError
from monitor.settings.problems import describe
from monitor.settings.section import Section
from monitor.settings.toml_file import UnreadableFileError, read_toml
from monitor.setup.registry import Config

_Section = TypeVar("_Section", bound=Section)

CREDENTIALS_DIRECTORY = "CREDENTIALS_DIRECTORY"  # set by systemd for a unit with LoadCredential=, see systemd.exec(5)


def load_config(path: Path, *, secrets: bool = True) -> Config:
    """Read and check a configuration file. The files it names (password, certificates) must be readable.

    secrets: whether files with secrets are looked at; a process that systemd starts beside the daemon cannot.

    Raises:
        ConfigError: the file cannot be read or used; it lists every problem.

    """
    try:
        table = read_toml(path)
    except UnreadableFileError as error:
        raise ConfigError(str(path), [str(error)]) from None
    context = {"folder": path.absolute().parent, "credentials": os.environ.get(CREDENTIALS_DIRECTORY)} | (
        {} if secrets else {"credentials": None, "secrets": False}
    )
    try:
        return Config.model_validate(table, context=context)
    except ValidationError as error:
        # the check across sections runs only when each section is sound: run it on the table, to tell everything now
        across = [*reference_problems(table), *impossible_problems(table)]
        problems = dict.fromkeys([*describe(error, Config), *across])
        raise ConfigError(str(path), list(problems)) from None


def sound_models(path: Path) -> dict[str, ModelConfig]:
    """Read the `[[model]]` tables of a file that are valid on their own, by dotted path.

    A check looks at their artifacts even where other parts of the file are wrong, to tell everything at once. Of a file
    that cannot be read there are none.
    """
    try:
        tables = read_toml(path).get("model")
    except UnreadableFileError:
        return {}
    sound = {}
    for index, table in enumerate(tables if isinstance(tables, list) else []):
        try:
            model = ModelConfig.model_validate(table, context={"folder": path.absolute().parent})
        except ValidationError:
            continue
        sound[f"model[{index}]"] = model
    return sound


def sound_section(path: Path, key: str, section: type[_Section]) -> _Section | None:
    """Read one section of a file that is wrong elsewhere; None where this section is wrong itself."""
    try:
        table = read_toml(path).get(key, {})
        return section.model_validate(table, context={"folder": path.absolute().parent, "credentials": None})
    except (UnreadableFileError, ValidationError):
        return None
