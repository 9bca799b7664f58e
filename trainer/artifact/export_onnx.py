"""ONNX: the same module once more, for daemons that score with ONNX Runtime.

The model stands beside the artifact and carries its manifest and its SHA-256, so that the two cannot be mixed up.
"""

import hashlib
import logging
import warnings

import numpy as np
import onnx
import onnxruntime
import torch

from monitor.core.artifact.manifest import ARTIFACT_SHA256, MANIFEST_FILE, Manifest
from trainer.artifact.export import WindowScorer
from trainer.errors import ArtifactError

_INPUTS = ("windows", "centre", "scale")
_OUTPUTS = ("error", "channel_error")


def to_onnx(scorer: WindowScorer, manifest: Manifest, artifact: bytes) -> bytes:
    """Export a fitted scorer, and prove it by the golden windows.

    artifact: the TorchScript archive of the same scorer.

    Raises:
        ArtifactError: ONNX Runtime computes something else than the artifact promises.

    """
    golden = manifest.golden
    inputs = (golden.windows.numpy(), golden.centre.numpy(), golden.scale.numpy())
    # two windows at least: the exporter takes a batch of one for a constant
    example = tuple(torch.from_numpy(np.concatenate([each, each])) for each in inputs)
    batch = torch.export.Dim("batch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns about what it does itself
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            scorer.eval(),
            example,
            input_names=_INPUTS,
            output_names=_OUTPUTS,
            dynamo=True,
            dynamic_shapes=tuple({0: batch} for _ in _INPUTS),
            verbose=False,
        )
    if program is None:
        raise ArtifactError("torch did not export the model to ONNX")
    proto = program.model_proto
    # the exporter notes where in whose files each part came from: no use to anybody, and nobody's business
    graph = proto.graph
    for part in (graph, *graph.node, *graph.initializer, *graph.input, *graph.output, *graph.value_info):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    description = {MANIFEST_FILE: manifest.model_dump_json(), ARTIFACT_SHA256: hashlib.sha256(artifact).hexdigest()}
    onnx.helper.set_model_props(proto, description)
    model: bytes = proto.SerializeToString()
    deviation = _golden_deviation(model, manifest)
    if not deviation <= golden.tolerance:  # a NaN must not pass
        raise ArtifactError(f"the ONNX model differs from the fitted one by {deviation:.2g} of the threshold")
    return model


def _golden_deviation(model: bytes, manifest: Manifest) -> float:
    """Compare what ONNX Runtime finds with what the artifact promises, as `export.golden_deviation` does."""
    golden = manifest.golden
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    inputs = dict(zip(_INPUTS, (golden.windows.numpy(), golden.centre.numpy(), golden.scale.numpy()), strict=True))
    promised = (golden.error.numpy(), golden.channel_error.numpy())
    pairs = zip(session.run(_OUTPUTS, inputs), promised, strict=True)
    return max(
        float((np.abs(found - expected) / np.maximum(np.abs(expected), manifest.threshold)).max())
        for found, expected in pairs
    )
