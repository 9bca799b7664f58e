"""The sections `[scoring]` and `[artifacts]`: what runs the models, and whose artifacts are loaded."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from monitor.config.field_types import ReadableFile
from monitor.settings.section import Section


class ScoringConfig(Section):
    """How windows are scored."""

    engine: Literal["torchscript", "onnx"] = "torchscript"
    """What runs the models. `onnx` is ONNX Runtime (the extra `onnx`), for models fitted with `--onnx`: faster on most
    models, on the CPU only, and the daemon then does without torch."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where models run. `auto` takes a CUDA device if there is one and the engine can use it."""

    threads: Annotated[int, Field(ge=1, le=256)] = 1
    """CPU threads for one scoring call. More than one pays only for large models."""

    max_delay_seconds: Annotated[float, Field(ge=0, le=10)] = 0.05
    """A batch of windows is scored when it is full or when its oldest window has waited so long."""

    @model_validator(mode="after")
    def _engine_on_device(self) -> "ScoringConfig":
        if self.engine == "onnx" and self.device == "cuda":
            raise ValueError('engine "onnx" runs on the CPU; use `device = "cpu"` or engine "torchscript"')
        return self


class ArtifactsConfig(Section):
    """Whose artifacts are loaded. Loading a model runs its code: whoever can write to its folder could run any."""

    require_signature: bool = False
    """Load only artifacts that one of `trusted_keys` has signed (`residuald-trainer sign`)."""

    trusted_keys: tuple[ReadableFile, ...] = ()
    """Files with Ed25519 public keys (PEM), as `residuald-trainer keygen` writes them. Any one of them is enough, so
    that keys can be changed without a gap."""

    refit_keys: tuple[ReadableFile, ...] = ()
    """Files with public keys of those who fit models anew by themselves. What such a key signed is loaded if it is the
    same program as a version in the same folder that a trusted key signed, for the same model and channels, with other
    numbers. See SECURITY.md."""

    max_bytes: Annotated[int, Field(ge=1024)] = 256 * 1024 * 1024
    """Largest artifact or ONNX model that is read. Loading one takes several times its size in memory; see
    docs/reliability.md."""

    @model_validator(mode="after")
    def _keys_where_required(self) -> "ArtifactsConfig":
        # keys that nothing is checked by would look like a protection
        if self.require_signature != bool(self.trusted_keys):
            raise ValueError("`require_signature = true` and `trusted_keys` go together")
        if self.refit_keys and not self.require_signature:
            raise ValueError("`refit_keys` need `require_signature = true` and `trusted_keys`, which vouch for them")
        return self
