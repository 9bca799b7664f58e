"""ONNX Runtime: a second engine for the same models, on the CPU and without torch.

The trainer writes `VERSION.onnx` beside `VERSION.pt`. It carries the manifest and the artifact's SHA-256, so that a
model and an artifact that do not belong together are refused.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from monitor.core.artifact.manifest import ARTIFACT_SHA256, MANIFEST_FILE
from monitor.core.values.scorer import Floats32, ScoreBatch
from monitor.errors import ArtifactError

_ERRORS_ONLY = 3


class OnnxScorer:
    """A model in an ONNX Runtime session."""

    on_cpu = True

    def __init__(self, session: Any) -> None:
        self._session = session

    def score(self, windows: Floats32, centre: Floats32, scale: Floats32) -> ScoreBatch:
        """As `Scorer` says."""
        inputs = {"windows": windows, "centre": centre, "scale": scale}
        contiguous = {name: np.ascontiguousarray(values, np.float32) for name, values in inputs.items()}
        return ScoreBatch(*self._session.run(["error", "channel_error"], contiguous))


def open_onnx(artifact: Path, data: bytes, threads: int, read: Callable[[Path], bytes]) -> tuple[str, OnnxScorer]:
    """Open the ONNX model beside an artifact: its manifest as text, and its scorer.

    data: what `artifact` holds. threads: for one call. read: reads a file that may be trusted.

    Raises:
        ArtifactError: ONNX Runtime or the model is missing, it is not signed as it must be, it is damaged, or it
            belongs to another artifact.

    """
    try:
        import onnxruntime  # noqa: PLC0415 - an extra
    except ImportError as error:
        advice = "use scoring.engine = \"torchscript\", or install ONNX Runtime: pip install 'residuald[onnx]'"
        raise ArtifactError(f"{error}; {advice}") from error
    file = artifact.with_suffix(".onnx")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # threads that wait by spinning would take the core from the network and the pipeline
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        model = read(file)
    except OSError as error:
        advice = 'fit with `residuald-trainer fit --onnx`, or use scoring.engine = "torchscript"'
        raise ArtifactError(f"{file}: {error.strerror}; {advice}") from error
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises many kinds for a damaged model
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ArtifactError(f"{file}: not an ONNX model that can be loaded: {reason}") from error
    described = session.get_modelmeta().custom_metadata_map
    if MANIFEST_FILE not in described:
        raise ArtifactError(f"{file}: has no {MANIFEST_FILE}; only files made by residuald-trainer can be used")
    if described.get(ARTIFACT_SHA256) != hashlib.sha256(data).hexdigest():
        raise ArtifactError(f"{file}: made for another artifact than {artifact.name}; fit both with one `fit --onnx`")
    return described[MANIFEST_FILE], OnnxScorer(session)
