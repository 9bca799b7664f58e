"""A model that is slow on purpose, so that one publisher is flood enough on any machine."""

from pathlib import Path

import torch

from benchmarks.chaos.models import fit_hum
from monitor.core.artifact.manifest import MANIFEST_FILE

ROWS = 32  # of a window; a message of so many is just one
_TURNS = 12_000  # of the loop that makes the model slow: a busy machine must still bring ten times as much


class Slow(torch.nn.Module):
    """A model like `inner` that takes some milliseconds longer."""

    def __init__(self, inner: torch.jit.ScriptModule, turns: int) -> None:
        super().__init__()
        self.inner = inner
        self.turns = turns

    def forward(
        self, windows: torch.Tensor, centre: torch.Tensor, scale: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Errors as `inner` has them."""
        wasted = windows.abs().max()
        for _ in range(self.turns):
            wasted = torch.sin(wasted)
        error, channel_error = self.inner(windows, centre, scale)
        return error + 0.0 * wasted, channel_error


def fit_slow_model(folder: Path) -> Path:
    """Fit a small model, and make it slow; its file."""
    files = {MANIFEST_FILE: ""}
    model = fit_hum(folder, length=ROWS, stride=ROWS)
    inner = torch.jit.load(model / "current", _extra_files=files)  # type: ignore[no-untyped-call]
    slow = folder / "slow.pt"
    torch.jit.save(torch.jit.script(Slow(inner, _TURNS)), slow, _extra_files=files)
    return slow
