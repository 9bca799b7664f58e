"""What is compared with the reference, TorchScript on the CPU; a CUDA device only where there is one."""

import pytest
import torch

from monitor.adapters.engines.settings import ScoringConfig

REFERENCE = ScoringConfig(device="cpu")
OTHERS = [
    pytest.param(ScoringConfig(engine="onnx"), id="onnx"),
    pytest.param(
        ScoringConfig(device="cuda"),
        id="cuda",
        marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
    ),
]
