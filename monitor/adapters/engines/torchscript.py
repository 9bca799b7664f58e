"""TorchScript: the engine that every artifact is made for, and the reference for any other.

The only file of `monitor` that imports torch. TorchScript is deprecated upstream (since torch 2.11) and yet what this
product ships: one file that holds code and weights and loads without Python sources.
"""

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from monitor.adapters.engines.allocator import keep_freed_memory
from monitor.core.artifact.manifest import MANIFEST_FILE
from monitor.core.values.scorer import Floats32, ScoreBatch
from monitor.errors import ArtifactError

# On a device: fewer windows cost as much.
_FEWEST_ROWS = 16


class TorchScriptScorer:
    """A frozen module on one device, `threads` on the CPU for one call."""

    def __init__(self, module: Any, device: torch.device, threads: int) -> None:
        self._module = module
        self._device = device
        self.on_cpu = device.type == "cpu"
        self._threads = threads
        self._staging: list[torch.Tensor] = []

    def score(self, windows: Floats32, centre: Floats32, scale: Floats32) -> ScoreBatch:
        """As `Scorer` says."""
        if torch.get_num_threads() != self._threads:  # each thread has its own number, and another may have loaded us
            torch.set_num_threads(self._threads)
        with torch.inference_mode():
            inputs = [_tensor(values) for values in (windows, centre, scale)]
            if self.on_cpu:
                error, channel_error = self._module(*inputs)
            else:
                found = self._module(*self._to_device(inputs))
                error, channel_error = (each[: len(windows)].cpu() for each in found)
        return ScoreBatch(error.numpy(), channel_error.numpy())

    def _to_device(self, inputs: list[torch.Tensor]) -> list[torch.Tensor]:
        """Copy by way of pinned memory, from which the device reads on its own. The results' copy back waits for it.

        Batches are filled up to a power of two with what lies there: a device plans every size that it has not seen
        anew, which takes as long as twenty batches, and its choice depends on the size.
        """
        count = len(inputs[0])
        rows = max(_FEWEST_ROWS, 1 << (count - 1).bit_length())
        if not self._staging or len(self._staging[0]) < rows:
            self._staging = [torch.zeros((rows, *each.shape[1:]), dtype=each.dtype, pin_memory=True) for each in inputs]
        for staging, each in zip(self._staging, inputs, strict=True):
            staging[:count].copy_(each)
        return [staging[:rows].to(self._device, non_blocking=True) for staging in self._staging]


def open_torchscript(file: Path, data: bytes, device: str, threads: int) -> tuple[str, TorchScriptScorer]:
    """Open an artifact: its manifest as text, and its scorer.

    data: what `file` holds. device: `auto`, `cpu` or `cuda`. threads: CPU threads for one call.

    Raises:
        ArtifactError: damaged, without a manifest, or without the device.

    """
    target = _device(device)
    # a device's convolutions would otherwise round to 10 bits: scores are to be the same wherever they are computed
    torch.backends.cudnn.allow_tf32 = False
    # measured for each of the few sizes there are; what it would take unmeasured was seen to be six times as slow
    torch.backends.cudnn.benchmark = True
    keep_freed_memory()
    extra: dict[str, str | bytes] = {MANIFEST_FILE: ""}
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*torch.jit", category=DeprecationWarning)
            module = torch.jit.load(io.BytesIO(data), map_location=target, _extra_files=extra)  # type: ignore[no-untyped-call]
            module = torch.jit.freeze(module.eval())
        text = extra[MANIFEST_FILE]
        manifest = text if isinstance(text, str) else text.decode()
    except Exception as error:  # torch raises many kinds for a damaged archive
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ArtifactError(f"{file}: not a TorchScript archive that can be loaded: {reason}") from error
    if not manifest:
        raise ArtifactError(f"{file}: has no {MANIFEST_FILE}; only files made by residuald-trainer can be used")
    return manifest, TorchScriptScorer(module, target, threads)


def _tensor(values: Floats32) -> torch.Tensor:
    # a broadcast centre is read-only, which torch cannot share
    return torch.from_numpy(np.require(values, np.float32, ["C", "W"]))


def _device(device: str) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        raise ArtifactError('scoring.device = "cuda", but torch finds no CUDA device; use "auto" or "cpu"')
    return torch.device(device)
