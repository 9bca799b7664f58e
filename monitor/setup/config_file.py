"""The configuration file: TOML into frozen sections. A `Config` that exists is valid.

Start-up, `residuald check` and reload all come through `load_config`. Unknown keys are errors, all errors are reported
at once with their dotted path, and secrets stay in their files: the config holds only the paths.
"""

import os
from pathlib import Path

from pydantic import ValidationError

from monitor.adapters.engines.settings import ArtifactsConfig
from monitor.config.model import ModelConfig
from monitor.config.references import reference_problems
from monitor.errors import ConfigError
from monitor.settings.problems import describe
from monitor.settings.toml_file import UnreadableFileError, read_toml
from monitor.setup.registry import Config

CREDENTIALS_DIRECTORY = "CREDENTIALS_DIRECTORY"  # set by systemd for a unit with LoadCredential=, see systemd.exec(5)


def load_config(path: Path) -> Config:
    """Read and check a configuration file. The files it names (password, certificates) must be readable.

    Raises:
        ConfigError: the file cannot be read or used; it lists every problem.

    """
    try:
        table = read_toml(path)
    except UnreadableFileError as error:
        raise ConfigError(str(path), [str(error)]) from None
    context = {"folder": path.absolute().parent, "credentials": os.environ.get(CREDENTIALS_DIRECTORY)}
    try:
        return Config.model_validate(table, context=context)
    except ValidationError as error:
        # the check across sections runs only when each section is sound: run it on the table, to tell everything now
        problems = dict.fromkeys([*describe(error, Config), *reference_problems(table)])
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


def sound_artifacts(path: Path) -> ArtifactsConfig | None:
    """Read the `[artifacts]` section of a file that is wrong elsewhere; None where this section is wrong itself."""
    try:
        table = read_toml(path).get("artifacts", {})
        return ArtifactsConfig.model_validate(table, context={"folder": path.absolute().parent, "credentials": None})
    except (UnreadableFileError, ValidationError):
        return None
