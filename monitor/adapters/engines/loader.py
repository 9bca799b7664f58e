"""Artifacts: found, opened by an engine, and proved to compute here what the trainer computed.

An engine (`torchscript.py`, `onnx.py`) knows its own file format and how to call it; everything else is here, so that
both are held to the same golden windows.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from monitor.adapters.engines.batch_tuning import Engine, busy_clock, fastest_batch, warm_up
from monitor.adapters.engines.model_folder import resolve_artifact
from monitor.adapters.engines.settings import ArtifactsConfig, ScoringConfig
from monitor.adapters.engines.signature import Trust, TrustedArtifact
from monitor.core.artifact.manifest import Manifest, ManifestError, parse_manifest
from monitor.core.values.scorer import Scorer
from monitor.errors import ArtifactError


@dataclass(frozen=True, slots=True)
class Artifact:
    """A loaded artifact: where it came from, what it says of itself, its scorer, and how many windows that one takes.

    max_batch: most windows per call, from the configuration or else measured here.
    """

    path: Path
    sha256: str
    manifest: Manifest
    scorer: Scorer
    max_batch: int


def is_current(artifact: Artifact, path: Path, trust: Trust) -> bool:
    """Whether an artifact is still what lies at `path`, a file or a model's folder, and still trusted.

    Raises:
        ArtifactError: there is nothing, or it is not signed as it must be.

    """
    file = resolve_artifact(path)
    return file == artifact.path and hashlib.sha256(_read(file, trust).data).hexdigest() == artifact.sha256


def load_artifact(
    path: Path,
    scoring: ScoringConfig | None = None,
    max_batch: int | None = None,
    trust: Trust | None = None,
) -> Artifact:
    """Load an artifact file, or the current one of a model's folder, and check its golden windows.

    scoring: engine, device and threads (None: the defaults). max_batch: most windows per call (None: measured).
    trust: whose artifacts are loaded (None: anybody's).

    Raises:
        ArtifactError: missing, not signed as it must be, damaged, of another schema, without engine or device, or
            golden windows do not match.

    """
    scoring = scoring or ScoringConfig()
    trust = trust or Trust(ArtifactsConfig())
    file = resolve_artifact(path)
    found = _read(file, trust)
    text, scorer = _open(file, found, scoring, trust)
    try:
        manifest = parse_manifest(text)
    except ManifestError as error:
        raise ArtifactError(f"{file}: manifest: {error}") from error
    _check_golden(file, manifest, scorer)
    golden = (manifest.golden.windows.numpy(), manifest.golden.centre.numpy(), manifest.golden.scale.numpy())
    if max_batch is None:
        max_batch = fastest_batch(scorer, *golden, busy_clock(scorer))
    else:
        warm_up(scorer, *golden, size=max_batch)
    return Artifact(file, hashlib.sha256(found.data).hexdigest(), manifest, scorer, max_batch)


def _read(file: Path, trust: Trust) -> TrustedArtifact:
    try:
        return trust.read_artifact(file)
    except OSError as error:
        raise ArtifactError(f"{file}: cannot be read: {error.strerror}") from error


def _open(file: Path, found: TrustedArtifact, scoring: ScoringConfig, trust: Trust) -> tuple[str, Engine]:
    # torch takes a second to import and 200 MB to hold: only for who scores with it
    if scoring.engine == "onnx":
        from monitor.adapters.engines.onnx_runtime import open_onnx  # noqa: PLC0415

        return open_onnx(file, found.data, scoring.threads, trust.read_graph)
    from monitor.adapters.engines.torchscript import open_torchscript  # noqa: PLC0415

    return open_torchscript(file, found.program, scoring.device, scoring.threads)


def _check_golden(file: Path, manifest: Manifest, scorer: Scorer) -> None:
    golden = manifest.golden
    try:
        scores = scorer.score(golden.windows.numpy(), golden.centre.numpy(), golden.scale.numpy())
    except Exception as error:  # whatever a foreign module raises
        raise ArtifactError(f"{file}: cannot score its golden windows: {first_line(error)}") from error
    wanted = {"error": golden.error.numpy(), "channel_error": golden.channel_error.numpy()}
    for name, expected in wanted.items():
        found = getattr(scores, name)
        limit = golden.tolerance * np.maximum(np.abs(expected), manifest.threshold)
        # not <=: a NaN must not pass
        if found.shape != expected.shape or not (np.abs(found - expected) <= limit).all():
            raise ArtifactError(
                f"{file}: golden windows do not match: this machine's {name} differs from the trainer's by more than "
                f"{golden.tolerance:g} of the threshold; fit the model anew with the versions installed here"
            )


def first_line(error: Exception) -> str:
    """What an exception says, in one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
