"""The ways to score windows that are compared: what residuald does, and the bare models that it is made of."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from pydantic import TypeAdapter

from monitor.adapters.engines.loader import Artifact, load_artifact
from monitor.adapters.engines.model_folder import resolve_artifact
from monitor.adapters.engines.settings import ScoringConfig
from monitor.core.values.scorer import Floats32, Scorer
from trainer.artifact.export import WindowScorer
from trainer.error.error_definition import ErrorDefinition
from trainer.registry import FAMILIES
from trainer.representations.raw import Raw
from trainer.settings import ModelSettings

RESIDUALD, RESIDUALD_ONNX = "residuald", "residuald, ONNX"
FORWARD, SESSION, EAGER = "frozen TorchScript", "ONNX Runtime", "eager torch"
RESIDUALD_CUDA, FORWARD_CUDA = "residuald, CUDA", "frozen TorchScript, CUDA"

Inputs = tuple[Floats32, Floats32, Floats32]  # windows [B, C, L], centre [B, C], scale [B, C]
Call = Callable[[], Floats32]  # scores its batch once: error [B]


@dataclass(frozen=True, slots=True)
class Loaded:
    """One model, loaded in every way. chosen: the batch size that residuald takes on its own, by contestant."""

    contestants: dict[str, Callable[[Inputs], Call]]
    chosen: dict[str, int]
    golden: Inputs

    def batch(self, size: int) -> Inputs:
        """So many windows: the golden ones, over and over."""
        rows = np.arange(size) % len(self.golden[0])
        windows, centre, scale = self.golden
        return windows[rows], centre[rows], scale[rows]


def load(model: Path) -> Loaded:
    """Load the current artifact of a model's folder with one CPU thread; on CUDA, too, where there is a device."""
    reference = load_artifact(model, ScoringConfig(device="cpu", threads=1))
    other = load_artifact(model, ScoringConfig(engine="onnx", threads=1))
    golden = reference.manifest.golden
    contestants: dict[str, Callable[[Inputs], Call]] = {
        RESIDUALD: lambda inputs: _by_scorer(reference.scorer, inputs),
        RESIDUALD_ONNX: lambda inputs: _by_scorer(other.scorer, inputs),
        FORWARD: _by_module(_frozen(reference, "cpu"), "cpu"),
        SESSION: _by_session(_session(reference)),
        EAGER: _by_module(_eager(reference), "cpu"),
    }
    chosen = {RESIDUALD: reference.max_batch, RESIDUALD_ONNX: other.max_batch}
    if torch.cuda.is_available():
        cuda = load_artifact(model, ScoringConfig(device="cuda", threads=1))
        contestants[RESIDUALD_CUDA] = lambda inputs: _by_scorer(cuda.scorer, inputs)
        contestants[FORWARD_CUDA] = _by_module(_frozen(reference, "cuda"), "cuda")
        chosen[RESIDUALD_CUDA] = cuda.max_batch
    return Loaded(contestants, chosen, (golden.windows.numpy(), golden.centre.numpy(), golden.scale.numpy()))


def cuda_device() -> str | None:
    """The name of the CUDA device; None where there is none."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def _by_scorer(scorer: Scorer, inputs: Inputs) -> Call:
    return lambda: scorer.score(*inputs).error


def _by_module(module: Any, device: str) -> Callable[[Inputs], Call]:
    def prepare(inputs: Inputs) -> Call:
        tensors = [torch.from_numpy(each).to(device) for each in inputs]  # not part of a bare forward

        def call() -> Floats32:
            with torch.inference_mode():
                error: Floats32 = module(*tensors)[0].cpu().numpy()
            return error

        return call

    return prepare


def _by_session(session: Any) -> Callable[[Inputs], Call]:
    def prepare(inputs: Inputs) -> Call:
        feed = dict(zip(("windows", "centre", "scale"), inputs, strict=True))

        def call() -> Floats32:
            error: Floats32 = session.run(None, feed)[0]
            return error

        return call

    return prepare


def _frozen(artifact: Artifact, device: str) -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit", category=DeprecationWarning)
        return torch.jit.freeze(torch.jit.load(str(artifact.path), map_location=device).eval())  # type: ignore[no-untyped-call]


def _session(artifact: Artifact) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(artifact.path.with_suffix(".onnx"), options, providers=["CPUExecutionProvider"])


def _eager(artifact: Artifact) -> Any:
    """The Python module that the artifact was scripted from, with the artifact's weights."""
    manifest = artifact.manifest
    settings: Any = TypeAdapter(ModelSettings).validate_python({"family": manifest.family, **manifest.settings})
    shape = (len(manifest.channels), manifest.window.length)
    built = FAMILIES[manifest.family].build(settings, shape)
    # the strict loading below refuses artifacts that see or weigh their windows otherwise
    module = WindowScorer(built, Raw(*shape), ErrorDefinition.mean_square()).eval()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit", category=DeprecationWarning)
        weights = torch.jit.load(str(resolve_artifact(artifact.path)), map_location="cpu").state_dict()  # type: ignore[no-untyped-call]
    module.load_state_dict(weights)
    return module
