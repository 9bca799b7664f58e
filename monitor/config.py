"""The configuration: TOML into frozen models. A `Config` that exists is valid.

Start-up, `residuald check` and reload all come through `load_config`. Unknown keys are errors, all errors are reported
at once with their dotted path, and secrets stay in their files: the config holds only the paths.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from monitor.core.judge import JudgeSettings
from monitor.core.names import Name
from monitor.core.source import SourceSpec
from monitor.errors import ConfigError

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Port = Annotated[int, Field(ge=0, le=65535)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TlsConfig(_Section):
    """TLS to the broker. Without `ca_file` the system's authorities are trusted."""

    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None

    @model_validator(mode="after")
    def _certificate_with_key(self) -> "TlsConfig":
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("`certificate_file` and `key_file` go together")
        return self


class MqttConfig(_Section):
    """The broker connection.

    silence_timeout_seconds: connected, yet nothing received for so long: reconnect (0 turns it off).
    client_id: fixed, so that the broker keeps the session while we are away.
    """

    host: str = "localhost"
    port: Port = 1883
    protocol: Literal["3.1.1", "5"] = "5"
    client_id: Name = "residuald"
    username: str | None = None
    password_file: Path | None = None
    tls: TlsConfig | None = None
    keepalive_seconds: Annotated[int, Field(ge=5, le=3600)] = 30
    session_expiry_seconds: Annotated[int, Field(ge=0)] = 3600
    silence_timeout_seconds: Annotated[float, Field(ge=0)] = 120.0
    reconnect_ceiling_seconds: Annotated[float, Field(gt=0, le=30)] = 30.0
    base_topic: Annotated[str, Field(pattern=r"^[^+#/\s]+(/[^+#/\s]+)*$")] = "residuald"

    @model_validator(mode="after")
    def _password_with_user(self) -> "MqttConfig":
        if self.password_file is not None and self.username is None:
            raise ValueError("`password_file` needs `username`")
        return self


class ModelConfig(_Section):
    """A model: a folder with artifacts, of which `current` is in use."""

    name: Name
    path: Path
    max_batch: Annotated[int, Field(ge=1, le=65536)] = 256
    judge: JudgeSettings = JudgeSettings()


class ScoringConfig(_Section):
    """How windows are scored. A micro-batch closes when full or when its oldest window waited `max_delay_seconds`."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    max_delay_seconds: Annotated[float, Field(ge=0, le=10)] = 0.05


class TimingConfig(_Section):
    """How event time is kept.

    jitter_samples: a block whose time differs from the expected by at most so many sample periods is contiguous.
    lateness_seconds: how long a stream waits for a channel that lags behind the others.
    max_ahead_seconds: a timestamp further ahead of arrival is refused. silent_after_seconds: then a stream is silent.
    expire_after_seconds: then a silent stream and its series are forgotten.
    """

    jitter_samples: Annotated[float, Field(ge=0, le=1000)] = 0.75
    lateness_seconds: Annotated[float, Field(ge=0, le=3600)] = 2.0
    max_ahead_seconds: Seconds = 60.0
    silent_after_seconds: Seconds = 30.0
    expire_after_seconds: Seconds = 3600.0


class LimitsConfig(_Section):
    """What keeps the daemon bounded."""

    max_streams: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    max_inbox_messages: Annotated[int, Field(ge=1)] = 100_000
    max_inbox_bytes: Annotated[int, Field(ge=1024)] = 256 * 1024 * 1024
    max_payload_bytes: Annotated[int, Field(ge=16)] = 4 * 1024 * 1024
    max_channel_series: Annotated[int, Field(ge=0)] = 10_000


class HttpConfig(_Section):
    """Where `/metrics`, `/healthz` and `/readyz` are served. Port 0 takes a free one and logs it."""

    host: str = "127.0.0.1"
    port: Port = 9108


class LogConfig(_Section):
    """Logs go to standard error. `auto` is console on a terminal, JSON otherwise."""

    format: Literal["auto", "console", "json"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Config(_Section):
    """The whole configuration. All paths are absolute once loaded (relative ones are taken from the file's folder)."""

    mqtt: MqttConfig = MqttConfig()
    source: Annotated[tuple[SourceSpec, ...], Field(min_length=1)]
    model: Annotated[tuple[ModelConfig, ...], Field(min_length=1)]
    scoring: ScoringConfig = ScoringConfig()
    timing: TimingConfig = TimingConfig()
    limits: LimitsConfig = LimitsConfig()
    http: HttpConfig = HttpConfig()
    log: LogConfig = LogConfig()

    @model_validator(mode="after")
    def _names_resolve(self) -> "Config":
        for kind, names in (("source", [s.name for s in self.source]), ("model", [m.name for m in self.model])):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"two {kind}s are named {twice[0]!r}")
        models = {model.name for model in self.model}
        unknown = [f"source {s.name!r} names model {s.model!r}" for s in self.source if s.model not in models]
        if unknown:
            raise ValueError(f"{'; '.join(unknown)}, but the models are: {', '.join(sorted(models))}")
        return self


def load_config(path: Path) -> Config:
    """Read and check a configuration file.

    Raises:
        ConfigError: the file cannot be read or used; it lists every problem.

    """
    raise NotImplementedError
