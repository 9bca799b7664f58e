"""Which artifact a model gets: what lies in its folder, if it is of this model and not older than the one in use."""

from monitor.adapters.artifacts.generation_file import read_generation
from monitor.adapters.engines.loader import Artifact, is_current, load_artifact
from monitor.adapters.engines.model_folder import read_rollback
from monitor.adapters.engines.settings import ScoringConfig
from monitor.adapters.engines.signature import Trust
from monitor.config.model import ModelConfig
from monitor.core.artifact.generation import GenerationError, brings_back
from monitor.core.artifact.rollback import allows, is_older
from monitor.errors import ArtifactError


def choose_artifact(
    model: ModelConfig,
    scoring: ScoringConfig,
    trust: Trust,
    in_use: Artifact | None,
    *,
    keep: bool,
    in_use_number: int | None = None,
) -> Artifact:
    """Load the artifact in a model's folder.

    in_use: what came from the same folder before; None: nothing did. keep: whether it can stay as it is loaded, where
    the file is the same still. in_use_number: its generation; None: nobody wrote it down.

    Raises:
        ArtifactError: it cannot be loaded, is of another model, or is older than the one in use and nobody wants it
            back.

    """
    if in_use is not None and keep and is_current(in_use, model.path, trust):
        return in_use
    artifact = load_artifact(model.path, scoring, model.max_batch, trust)
    require_model(artifact, model)
    if in_use is not None and is_older(artifact.manifest, in_use.manifest):
        _require_word(artifact, in_use, trust, in_use_number)
    return artifact


def require_model(artifact: Artifact, model: ModelConfig) -> None:
    """Hold an artifact to the model that it is configured for.

    Raises:
        ArtifactError: it is of another one.

    """
    expected, found = model.artifact or model.name, artifact.manifest.model
    if found != expected:
        raise ArtifactError(
            f"{artifact.path} is an artifact of model {found!r}, not of {expected!r}; "
            f'if it is the right one, set `artifact = "{found}"` beside `path`'
        )


def _require_word(artifact: Artifact, in_use: Artifact, trust: Trust, in_use_number: int | None) -> None:
    """Hold an older artifact to the generation that brings it back, or to what older versions wrote in its place."""
    folder, why = artifact.path.parent, ""
    try:
        generation = read_generation(folder, trust.read)
        if generation is not None and brings_back(generation, artifact.manifest, in_use.manifest, in_use_number):
            return
        if generation is None:
            rollback = read_rollback(artifact.path, trust)
            if rollback is not None and allows(rollback, artifact.manifest, in_use.manifest):
                return
    except (OSError, GenerationError, ArtifactError) as error:
        why = f"; {error}"
    version, newer = artifact.manifest.version, in_use.manifest.version
    key = " --key FILE" if trust.required else ""
    raise ArtifactError(
        f"{artifact.path} is older than the artifact in use ({newer}) and is not taken by itself; if you want it "
        f"back, run `residuald models rollback {folder} {version}{key}`{why}"
    )
