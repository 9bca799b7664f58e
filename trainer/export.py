"""TorchScript: a fitted autoencoder becomes an artifact, and an artifact becomes callable. Named nowhere else here.

The module takes raw windows; normalization and the error's definition are inside, so they cannot part from the model.
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

from monitor.core.manifest import MANIFEST_FILE, Manifest, ManifestError, parse_manifest
from trainer.errors import ArtifactError
from trainer.windows import Windows

BATCH_WINDOWS = 1024


def normalize(windows: Tensor, centre: Tensor, scale: Tensor) -> Tensor:
    """Windows [B, C, L] in units of `scale` [B, C] around `centre` [B, C]."""
    return (windows - centre.unsqueeze(2)) / scale.unsqueeze(2)


class WindowScorer(nn.Module):
    """The exported module; its two methods are the contract in ARCHITECTURE.md, "The artifact"."""

    def __init__(self, autoencoder: nn.Module) -> None:
        super().__init__()
        self.autoencoder = autoencoder

    def forward(self, windows: Tensor, centre: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        """Error [B] and channel error [B, C]: mean square of the normalized residual."""
        x = normalize(windows, centre, scale)
        channel_error = (self.autoencoder(x) - x).square().mean(dim=2)
        return channel_error.mean(dim=1), channel_error

    @torch.jit.export
    def reconstruct(self, windows: Tensor, centre: Tensor, scale: Tensor) -> Tensor:
        """Reconstruction [B, C, L] in the units of the input."""
        x = normalize(windows, centre, scale)
        reconstruction: Tensor = self.autoencoder(x)
        return reconstruction * scale.unsqueeze(2) + centre.unsqueeze(2)


class CompiledScorer:
    """A scripted `WindowScorer`, called with arrays."""

    def __init__(self, module: Any) -> None:
        self._module = module

    @classmethod
    def compile(cls, autoencoder: nn.Module) -> "CompiledScorer":
        """Script a fitted autoencoder, in evaluation mode."""
        with _deprecation_accepted():
            return cls(torch.jit.script(WindowScorer(autoencoder).eval()))

    @torch.inference_mode()
    def errors(self, windows: Windows) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Error [N] and channel error [N, C]."""
        pieces = [self._module(*piece) for piece in _batches(windows)]
        if not pieces:
            return np.zeros(0, np.float32), np.zeros(windows.centre.shape, np.float32)
        return torch.cat([error for error, _ in pieces]).numpy(), torch.cat([each for _, each in pieces]).numpy()

    @torch.inference_mode()
    def reconstruct(self, windows: Windows) -> NDArray[np.float32]:
        """Reconstruction [N, C, L] in the units of the input; at least one window."""
        return torch.cat([self._module.reconstruct(*piece) for piece in _batches(windows)]).numpy()

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


def _batches(windows: Windows) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    columns = [torch.from_numpy(column) for column in (windows.values, windows.centre, windows.scale)]
    return zip(*(torch.split(column, BATCH_WINDOWS) for column in columns), strict=True)


@contextmanager
def _deprecation_accepted() -> Iterator[None]:
    """Silence "TorchScript is deprecated": it is what this product ships, and torch is held to a tested range."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message=".*torch.jit", category=FutureWarning)
        yield
