# A file becomes a Config, or a ConfigError whose problems are lines that show no password or hash.
"""Configuration files."""

import tempfile
from pathlib import Path

from monitor.adapters.engines.settings import ArtifactsConfig
from monitor.errors import ConfigError
from monitor.setup.config_file import load_config, sound_models, sound_section

_FOLDER = Path(tempfile.mkdtemp(prefix="residuald-fuzz-"))
_SECRET = b"hunter2-secret"


def one(data: bytes) -> None:
    path = _FOLDER / "monitor.toml"
    path.write_bytes(data)
    shown = _outcome(path)
    if b"basic_auth_users" in data and data.count(_SECRET) == 1 and b'= "' + _SECRET + b'"' in data:
        assert "hunter2" not in shown
    sound_models(path)
    sound_section(path, "artifacts", ArtifactsConfig)


def _outcome(path: Path) -> str:
    try:
        return repr(load_config(path).web)
    except ConfigError as error:
        problems = error.problems
    assert problems
    assert all(problem and "\n" not in problem for problem in problems)
    return "".join(problems)
