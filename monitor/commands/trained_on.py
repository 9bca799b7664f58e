"""Which artifacts were fitted to a stream's data: what remains of it once its history is forgotten."""

from collections.abc import Iterator
from pathlib import Path, PurePath

from monitor.adapters.artifacts.archive_manifest import read_manifest
from monitor.adapters.artifacts.versions import versions_in
from monitor.core.artifact.manifest import Manifest
from monitor.core.artifact.model_folder_names import ARTIFACT_SUFFIX, CANDIDATES
from monitor.errors import ConfigError
from monitor.setup.config_file import load_config

_ANCHOR = "anchor"  # before the names of the anchor's files
_SUFFIXES = {".csv", ".npz", ".hea", ".mat", ".parquet"}


def artifacts_trained_on(config: Path, stream: str) -> Iterator[str]:
    """Say, line by line, which artifacts of the configured models were fitted to a stream.

    config: the daemon's configuration.
    """
    try:
        models = load_config(config, secrets=False).model
    except ConfigError as error:
        yield f"Which artifacts were fitted to it cannot be told: {error}"
        return
    found = []
    for model in models:
        for folder in (model.path, model.path / CANDIDATES):
            for version in versions_in(folder):
                file = folder / f"{version}{ARTIFACT_SUFFIX}"
                manifest = read_manifest(file)
                if manifest is None:
                    yield f"{file}: its manifest cannot be read, so that it cannot be told what it was fitted to"
                elif is_fitted_to(manifest, stream):
                    found.append(file)
    if not found:
        yield f"No artifact of the configured models names {stream} among its data."
        return
    yield f"These artifacts were fitted to data of {stream}:"
    yield from (f"  {file}" for file in found)
    yield (
        "Their golden windows, the ONNX files and reports beside them and the folder `anchor` may hold samples of it. "
        "Fit without it and remove them (`residuald models prune`), or keep them knowingly."
    )


def is_fitted_to(manifest: Manifest, stream: str) -> bool:
    """Whether a manifest names a stream among the data that its artifact was fitted to, by name or file name."""
    return any(stream in _names_of(each.name) for each in manifest.provenance.data)


def _names_of(name: str) -> set[str]:
    path = PurePath(name.removeprefix(f"{_ANCHOR}/"))
    return {name, path.name, path.stem if path.suffix in _SUFFIXES else path.name}
