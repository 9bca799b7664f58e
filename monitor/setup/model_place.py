"""Which model's folder a command is about, and the configuration that names it, if there is one."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from monitor.adapters.artifacts.archive_manifest import read_manifest
from monitor.adapters.artifacts.versions import version_in_use, versions_in
from monitor.adapters.engines.loader import load_artifact
from monitor.adapters.engines.settings import ArtifactsConfig
from monitor.adapters.engines.signature import Trust
from monitor.config.model import ModelConfig
from monitor.core.artifact.manifest import Manifest
from monitor.core.artifact.model_folder_names import ARTIFACT_SUFFIX, CURRENT
from monitor.errors import ArtifactError, ConfigError
from monitor.setup.config_file import load_config
from monitor.setup.promotion import prove_usable
from monitor.setup.registry import Config

DEFAULT_CONFIG = Path("/etc/residuald/monitor.toml")


@dataclass(frozen=True, slots=True)
class ModelPlace:
    """A model's folder. config, model: what names it; None where no configuration does."""

    folder: Path
    config: Config | None = None
    model: ModelConfig | None = None

    @property
    def name(self) -> str:
        """What the model is called."""
        return self.folder.absolute().name if self.model is None else self.model.name

    @property
    def artifacts(self) -> ArtifactsConfig:
        """Whose artifacts are loaded: as configured, or else anybody's."""
        return ArtifactsConfig() if self.config is None else self.config.artifacts

    def manifest_in_use(self) -> Manifest | None:
        """The manifest of the version in use; None where it cannot be read."""
        version = version_in_use(self.folder)
        return None if version is None else read_manifest(self.folder / f"{version}{ARTIFACT_SUFFIX}")

    def prove(self, file: Path) -> None:
        """Load an artifact as the daemon would.

        Raises:
            ArtifactError: it cannot be loaded, is not signed as it must be, or is of another model.
            ConfigError: the sources of its model do not fit it.

        """
        in_use = self.manifest_in_use()
        if self.config is not None and self.model is not None:
            prove_usable(file, self.model, self.config, Trust(self.artifacts), {})
            return
        found = load_artifact(file, None, 1).manifest
        if in_use is not None and found.model != in_use.model:
            raise ArtifactError(f"{file} is an artifact of model {found.model!r}, not of {in_use.model!r}")


def find_places(folders: Sequence[Path], config_path: Path | None) -> list[ModelPlace]:
    """Find the folders that a command names, or all of a configuration where it names none.

    config_path: the configuration; None: `/etc/residuald/monitor.toml`, where there is one.

    Raises:
        ConfigError: the configuration cannot be used, or nothing was named and there is none.
        ArtifactError: a folder is no model's.

    """
    given = config_path is not None
    path = config_path or DEFAULT_CONFIG
    config = load_config(path, secrets=False) if given or path.exists() else None
    if not folders:
        if config is None:
            raise ConfigError(str(path), ["there is none; name a model's folder, or give --config"])
        return [ModelPlace(model.path, config, model) for model in config.model if model.path.is_dir()]
    return [_place(folder, config) for folder in folders]


def _place(folder: Path, config: Config | None) -> ModelPlace:
    if not folder.is_dir() or not ((folder / CURRENT).is_symlink() or versions_in(folder)):
        raise ArtifactError(f"{folder}: this is no model's folder; name one that `residuald-trainer fit --out` wrote")
    for model in () if config is None else config.model:
        if model.path.resolve() == folder.resolve():
            return ModelPlace(folder, config, model)
    return ModelPlace(folder)
