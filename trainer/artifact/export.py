"""TorchScript: a fitted autoencoder becomes an artifact, and an artifact becomes callable. Named nowhere else here.

The module takes raw windows; normalization, representation and the error's definition are inside, so they cannot part
from the model.
"""

import io
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.jit import _recursive

from monitor.core.artifact.manifest import MANIFEST_FILE, Manifest, ManifestError, parse_manifest
from trainer.data.windows import Windows, batches_of, normalize
from trainer.error.error_definition import ErrorDefinition
from trainer.error.rhythm_error import NoRhythm, RhythmError
from trainer.errors import ArtifactError
from trainer.models.autoencoder import Autoencoder
from trainer.representations.representation import Representation


class WindowScorer(nn.Module):
    """The exported module; its methods are the contract in ARCHITECTURE.md, "The artifact"."""

    def __init__(
        self,
        autoencoder: Autoencoder,
        representation: Representation,
        error_definition: ErrorDefinition,
        rhythm: RhythmError | None = None,
    ) -> None:
        super().__init__()
        self.representation = representation
        self.autoencoder = autoencoder
        self.error_definition = error_definition
        self.rhythm = rhythm or NoRhythm()

    def forward(self, windows: Tensor, centre: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        """Give error [B] and channel error [B, C].

        windows: float32 [B, C, L]. centre: float32 [B, C] or, of normalization `template`, [B, C, L].
        scale: float32 [B, C].
        """
        features = self.represent(windows, centre, scale)
        code = self.autoencoder.encode(features)
        _, channel_error = self.error_definition(features, self.autoencoder.decode(code), code)
        channel_error = self.rhythm(normalize(windows, centre, scale), channel_error)
        return channel_error.mean(dim=1), channel_error

    @torch.jit.export
    def represent(self, windows: Tensor, centre: Tensor, scale: Tensor) -> Tensor:
        """Give the features that the autoencoder sees: [B, C, F] or [B, C, H, W].

        windows: float32 [B, C, L]. centre: float32 [B, C] or, of normalization `template`, [B, C, L].
        scale: float32 [B, C].
        """
        features: Tensor = self.representation(normalize(windows, centre, scale), centre, scale)
        return features

    @torch.jit.export
    def reconstruct(self, windows: Tensor, centre: Tensor, scale: Tensor) -> Tensor:
        """Reconstruct the features; raw windows come out in the units of the input, [B, C, L].

        windows: float32 [B, C, L]. centre: float32 [B, C] or, of normalization `template`, [B, C, L].
        scale: float32 [B, C].
        """
        reconstruction = self.autoencoder(self.represent(windows, centre, scale))
        restored: Tensor = self.representation.restore(reconstruction, centre, scale)
        return restored


class CompiledScorer:
    """A scripted `WindowScorer`, called with arrays."""

    def __init__(self, module: Any) -> None:
        self._module = module

    @classmethod
    def compile(cls, scorer: WindowScorer) -> "CompiledScorer":
        """Script a fitted scorer, in evaluation mode.

        The code depends on the scorer alone: torch would otherwise take classes over that an earlier compilation made,
        with all methods that were asked for then. So a refit has the code of what it refits.
        """
        with _deprecation_accepted():
            _recursive.concrete_type_store = _recursive.ConcreteTypeStore()
            return cls(torch.jit.script(scorer.eval()))

    @torch.inference_mode()
    def errors(self, windows: Windows) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Error [N] and channel error [N, C]."""
        pieces = [self._module(*piece) for piece in batches_of(windows)]
        if not pieces:
            return np.zeros(0, np.float32), np.zeros(windows.scale.shape, np.float32)
        return torch.cat([error for error, _ in pieces]).numpy(), torch.cat([each for _, each in pieces]).numpy()

    @torch.inference_mode()
    def represent(self, windows: Windows) -> NDArray[np.float32]:
        """Features [N, C, F] or [N, C, H, W] of at least one window."""
        return torch.cat([self._module.represent(*piece) for piece in batches_of(windows)]).numpy()

    @torch.inference_mode()
    def reconstruct(self, windows: Windows) -> NDArray[np.float32]:
        """Reconstruction of the features of at least one window; of raw ones [N, C, L], in the units of the input."""
        return torch.cat([self._module.reconstruct(*piece) for piece in batches_of(windows)]).numpy()

    def to_bytes(self, manifest: Manifest) -> bytes:
        """Serialize: the archive with the manifest embedded."""
        buffer = io.BytesIO()
        with _deprecation_accepted():
            torch.jit.save(self._module, buffer, _extra_files={MANIFEST_FILE: manifest.model_dump_json(indent=1)})
        return _without_debug_records(buffer)


def _without_debug_records(archive: io.BytesIO) -> bytes:
    """Leave out which source line each operation came from.

    torch needs that only to explain its errors, and it names folders of the machine that fitted the model.
    """
    slim = io.BytesIO()
    with zipfile.ZipFile(archive) as full, zipfile.ZipFile(slim, "w") as kept:
        for record in full.infolist():
            if not record.filename.endswith(".debug_pkl"):
                kept.writestr(record, full.read(record))
    return slim.getvalue()


@dataclass(frozen=True, slots=True)
class Artifact:
    """A loaded artifact."""

    manifest: Manifest
    scorer: CompiledScorer


def load_artifact(source: str, data: bytes) -> Artifact:
    """Load an artifact; `source` names it in messages.

    Raises:
        ArtifactError: it is no TorchScript archive, has no manifest, or a wrong one.

    """
    files = {MANIFEST_FILE: ""}
    try:
        with _deprecation_accepted():
            module = torch.jit.load(io.BytesIO(data), map_location="cpu", _extra_files=files)  # type: ignore[no-untyped-call] # torch does not type it
    except (RuntimeError, ValueError) as error:
        raise ArtifactError(f"{source} is not a TorchScript archive: {str(error).splitlines()[0]}") from None
    try:
        manifest = parse_manifest(files[MANIFEST_FILE] or "{}")
    except ManifestError as error:
        raise ArtifactError(f"{source} has no usable {MANIFEST_FILE}: {error}") from None
    return Artifact(manifest, CompiledScorer(module.eval()))


def golden_deviation(artifact: Artifact) -> float:
    """Compare the golden windows' errors with those promised.

    Returns the largest difference, relative to the threshold or to the promised error, whichever is larger.
    """
    golden = artifact.manifest.golden
    windows = Windows(golden.windows.numpy(), golden.centre.numpy(), golden.scale.numpy())
    error, channel_error = artifact.scorer.errors(windows)
    pairs = ((error, golden.error.numpy()), (channel_error, golden.channel_error.numpy()))
    return max(
        float((np.abs(found - promised) / np.maximum(np.abs(promised), artifact.manifest.threshold)).max())
        for found, promised in pairs
    )


@contextmanager
def _deprecation_accepted() -> Iterator[None]:
    """Silence "TorchScript is deprecated": it is what this product ships, and torch is held to a tested range."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message=".*torch.jit", category=FutureWarning)
        yield
