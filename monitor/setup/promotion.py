"""Promotion: candidates that the daemon could use, put into use, where all checks hold or a person wants it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog

from monitor.adapters.artifacts.candidates import CandidateError
from monitor.adapters.artifacts.champion import promote
from monitor.adapters.artifacts.lock import LockedError, locked
from monitor.adapters.artifacts.prune import prune
from monitor.adapters.artifacts.standing import standing_of
from monitor.adapters.engines.loader import load_artifact
from monitor.adapters.engines.signature import Trust
from monitor.config.model import ModelConfig
from monitor.core.artifact.generation import Generation
from monitor.core.artifact.manifest import Manifest
from monitor.core.artifact.rollback import is_older
from monitor.errors import ArtifactError, ConfigError
from monitor.setup.artifact_choice import require_model
from monitor.setup.registry import Config
from monitor.setup.source_check import check_sources

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Blocked:
    """Why a candidate could not be put into use although all its checks hold. passes: it may work later as it is."""

    version: str
    reason: str
    passes: bool


def promote_candidates(config: Config, manifests: Mapping[str, Manifest], at: datetime) -> dict[str, Blocked]:
    """Put into use each model's candidate that nothing speaks against, and prune its folder.

    manifests: of the artifacts in use, by model. at: now. Returns what kept others from it, by model.
    """
    blocked = {}
    for model in config.model:
        standing = standing_of(model.path)
        if not standing.promotable or standing.candidate is None:
            continue
        version = standing.candidate.version
        try:
            with locked(model.path):
                generation = promote_locked(model, config, manifests, at)
        except (LockedError, OSError) as error:
            blocked[model.name] = Blocked(version, f"cannot be promoted now: {_told(error)}", passes=True)
        except (CandidateError, ArtifactError, ConfigError) as error:
            blocked[model.name] = Blocked(version, f"cannot be used: {error}", passes=False)
        else:
            if generation is not None:
                log.info("promoted", model=model.name, version=version, generation=generation.generation)
    return blocked


def promote_locked(
    model: ModelConfig, config: Config, manifests: Mapping[str, Manifest], at: datetime
) -> Generation | None:
    """Put a model's candidate into use as the gate does. Precondition: the lock of the model's folder is held.

    Returns the new generation; None where something speaks against it by now.
    """
    standing = standing_of(model.path)
    if not standing.promotable or standing.candidate is None or standing.candidate.proposal is None:
        return None
    trust = Trust(config.artifacts)

    def prove(file: Path) -> None:
        prove_usable(file, model, config, trust, manifests)

    generation = promote(model.path, standing.candidate.proposal, prove, at, "gate", config.artifacts.max_bytes)
    prune(model.path)
    return generation


def prove_usable(
    file: Path, model: ModelConfig, config: Config, trust: Trust, manifests: Mapping[str, Manifest]
) -> Manifest:
    """Load an artifact as the daemon would, and hold it to the sources of its model; its manifest.

    manifests: of the artifacts in use, by model.

    Raises:
        ArtifactError: it cannot be loaded, is not trusted, of another model, or older than the one in use where that
            needs a signature.
        ConfigError: the sources do not fit it.

    """
    artifact = load_artifact(file, config.scoring, 1, trust)  # a batch of 1: how large they may be is of no interest
    require_model(artifact, model)
    in_use = manifests.get(model.name)
    if in_use is not None and trust.required and is_older(artifact.manifest, in_use):
        raise ArtifactError(f"{file} was made before the artifact in use ({in_use.version})")
    problems = check_sources(config, {**manifests, model.name: artifact.manifest})
    if problems:
        raise ConfigError(str(file), problems)
    return artifact.manifest


def _told(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)
