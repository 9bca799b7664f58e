"""TorchScript: loads an artifact, proves that it computes here what the trainer computed, and scores with it.

The only file of `monitor` that imports torch. TorchScript is deprecated upstream (since torch 2.11) and yet what this
product ships: one file that holds code and weights and loads without Python sources.
"""

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from monitor.core.manifest import MANIFEST_FILE, Manifest, ManifestError, parse_manifest
from monitor.core.scoring import Floats32, ScoreBatch
from monitor.errors import ArtifactError

CURRENT = "current"
# The first calls of a scripted module are spent on optimizing it; they should not be somebody's first alert.
_WARM_UP_CALLS = 3


class TorchScriptScorer:
    """A frozen module on one device."""

    def __init__(self, module: Any, device: torch.device) -> None:
        self._module = module
        self._device = device

    def score(self, windows: Floats32, centre: Floats32, scale: Floats32) -> ScoreBatch:
        """Score windows float32 [B, C, L] by centre and scale float32 [B, C]."""
        with torch.inference_mode():
            error, channel_error = self._module(self._tensor(windows), self._tensor(centre), self._tensor(scale))
        return ScoreBatch(error.cpu().numpy(), channel_error.cpu().numpy())

    def _tensor(self, values: Floats32) -> torch.Tensor:
        # a broadcast centre is read-only, which torch cannot share
        return torch.from_numpy(np.require(values, np.float32, ["C", "W"])).to(self._device)


@dataclass(frozen=True, slots=True)
class Artifact:
    """A loaded artifact: where it came from, what it says of itself, and its scorer."""

    path: Path
    sha256: str
    manifest: Manifest
    scorer: TorchScriptScorer


def resolve_artifact(path: Path) -> Path:
    """The artifact file itself: `path`, or what `current` points at where `path` is a model's folder.

    Raises:
        ArtifactError: there is none.

    """
    file = path / CURRENT if path.is_dir() else path
    try:
        return file.resolve(strict=True)
    except OSError:
        raise ArtifactError(
            f"{file}: no artifact here; fit one with `residuald-trainer fit --data FILE --out {path}`"
        ) from None


def load_artifact(path: Path, device: str = "auto", warm_up_batch: int = 1) -> Artifact:
    """Load an artifact file, or the current one of a model's folder, and check its golden windows.

    device: `auto`, `cpu` or `cuda`. warm_up_batch: the batch size to get ready for.

    Raises:
        ArtifactError: missing, damaged, of another schema, without the device, or golden windows do not match.

    """
    file = resolve_artifact(path)
    target = _device(device)
    extra: dict[str, str | bytes] = {MANIFEST_FILE: ""}
    try:
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*torch.jit", category=DeprecationWarning)
            module = torch.jit.load(str(file), map_location=target, _extra_files=extra)  # type: ignore[no-untyped-call]
            module = torch.jit.freeze(module.eval())
    except OSError as error:
        raise ArtifactError(f"{file}: cannot be read: {error.strerror}") from error
    except Exception as error:  # torch raises many kinds for a damaged archive
        raise ArtifactError(f"{file}: not a TorchScript archive that can be loaded: {_first_line(error)}") from error
    text = extra[MANIFEST_FILE]
    if not text:
        raise ArtifactError(f"{file}: has no {MANIFEST_FILE}; only files made by residuald-trainer can be used")
    try:
        manifest = parse_manifest(text if isinstance(text, str) else text.decode())
    except (ManifestError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{file}: manifest: {error}") from error
    scorer = TorchScriptScorer(module, target)
    _check_golden(file, manifest, scorer)
    golden = manifest.golden.windows.numpy()[:1]
    batch = [np.repeat(part, warm_up_batch, axis=0) for part in (golden, *_golden_scales(manifest))]
    for _ in range(_WARM_UP_CALLS):
        scorer.score(*batch)
    return Artifact(file, sha256, manifest, scorer)


def set_threads(count: int) -> None:
    """How many CPU threads one scoring call may use."""
    torch.set_num_threads(count)


def _golden_scales(manifest: Manifest) -> tuple[Floats32, Floats32]:
    return manifest.golden.centre.numpy()[:1], manifest.golden.scale.numpy()[:1]


def _check_golden(file: Path, manifest: Manifest, scorer: TorchScriptScorer) -> None:
    golden = manifest.golden
    try:
        scores = scorer.score(golden.windows.numpy(), golden.centre.numpy(), golden.scale.numpy())
    except Exception as error:  # whatever a foreign module raises
        raise ArtifactError(f"{file}: cannot score its golden windows: {_first_line(error)}") from error
    wanted = {"error": golden.error.numpy(), "channel_error": golden.channel_error.numpy()}
    for name, expected in wanted.items():
        found = getattr(scores, name)
        limit = golden.tolerance * np.maximum(np.abs(expected), manifest.threshold)
        # not <=: a NaN must not pass
        if found.shape != expected.shape or not (np.abs(found - expected) <= limit).all():
            raise ArtifactError(
                f"{file}: golden windows do not match: this machine's {name} differs from the trainer's by more than "
                f"{golden.tolerance:g} of the threshold; fit the model anew with the torch installed here"
            )


def _device(device: str) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        raise ArtifactError('scoring.device = "cuda", but torch finds no CUDA device; use "auto" or "cpu"')
    return torch.device(device)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
