"""How windows are normalized: part of the manifest. `monitor/core/scoring/normalize.py` applies it."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from monitor.core.artifact.part import Finite, ManifestPart, Positive
from monitor.core.artifact.stream_normals import StreamNormals
from monitor.core.artifact.trained_spread import TrainedSpread

MOST_WARMUP_WINDOWS = 4096

NormalizationKind = Literal["fixed", "window", "stream", "template"]


class NormalizationSpec(ManifestPart):
    """Where centre and scale come from.

    fixed: from the training data (`centre`, `scale`: one number per channel). window: each window's own mean and
    standard deviation. stream: learnt robustly from the first `warmup_windows` windows of each stream. template:
    likewise, but the centre is a whole window, the stream's usual one, for windows cut around an event as a heartbeat.
    `scale_floor` (one per channel) keeps a channel that hardly moves from being blown up. `trained`: what streams may
    teach, for `stream` and `template`; artifacts of earlier trainers have none. `of_streams`: the numbers of streams
    that a refit saw enough of, likewise.
    """

    kind: NormalizationKind
    centre: tuple[Finite, ...] | None = None
    scale: tuple[Positive, ...] | None = None
    scale_floor: tuple[Positive, ...]
    warmup_windows: Annotated[int, Field(ge=1, le=MOST_WARMUP_WINDOWS)] = 64
    trained: TrainedSpread | None = None
    of_streams: StreamNormals | None = None

    def learns_like(self, other: "NormalizationSpec") -> bool:
        """Whether what streams learnt by another rule, finished or not, is of use by this one."""
        return self.learnt and (self.kind, self.warmup_windows) == (other.kind, other.warmup_windows)

    @property
    def unbounded(self) -> bool:
        """Whether streams may teach anything: an earlier trainer did not say how far they differed in training."""
        return self.learnt and self.trained is None

    @property
    def learnt(self) -> bool:
        """Whether each stream has numbers of its own, which it must learn first."""
        return self.kind in {"stream", "template"}

    @model_validator(mode="after")
    def _fixed_has_numbers(self) -> "NormalizationSpec":
        fixed = self.kind == "fixed"
        if any((numbers is not None) != fixed for numbers in (self.centre, self.scale)):
            raise ValueError("`centre` and `scale` belong to kind `fixed`, and only to it")
        if self.trained is not None and not self.learnt:
            raise ValueError("`trained` belongs to kinds `stream` and `template`: others learn nothing of streams")
        if self.of_streams is not None and not self.learnt:
            raise ValueError("`of_streams` belongs to kinds `stream` and `template`: others have no numbers of streams")
        return self

    def require_fit(self, channels: int, window_length: int) -> None:
        """Check that the numbers are those of as many channels and of windows so long.

        Raises:
            ValueError: they are of others.

        """
        for name in ("centre", "scale", "scale_floor"):
            numbers = getattr(self, name)
            if numbers is not None and len(numbers) != channels:
                raise ValueError(f"normalization.{name} has {len(numbers)} numbers for {channels} channels")
        samples = window_length if self.kind == "template" else 1
        trained, of_streams = self.trained, self.of_streams
        if trained is not None and (len(trained.centre), len(trained.centre[0])) != (channels, samples):
            raise ValueError(f"normalization.trained.centre is not of shape [{channels}, {samples}]")
        if of_streams is not None and of_streams.centre.shape[1:] != (channels, samples):
            raise ValueError(f"normalization.of_streams.centre is not of shape [S, {channels}, {samples}]")
