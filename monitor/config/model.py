"""The configuration: TOML into frozen models. A `Config` that exists is valid.

Start-up, `residuald check` and reload all come through `load_config`. Unknown keys are errors, all errors are reported
at once with their dotted path, and secrets stay in their files: the config holds only the paths. The text below a key
is its entry in `docs/configuration.md`.
"""

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from monitor.config.field_types import BASE_TOPIC, AnyPath, Port, ReadableFile, Seconds, SecretFile
from monitor.config.references import reference_problems
from monitor.config.security import ArtifactsConfig, WebConfig
from monitor.config.webhook import WebhookConfig
from monitor.core.alerting.decision_rule import DecisionSettings
from monitor.core.sources.source import SourceSpec
from monitor.core.values.names import Name
from monitor.errors import ConfigError
from monitor.settings.problems import describe
from monitor.settings.section import Section

CREDENTIALS_DIRECTORY = "CREDENTIALS_DIRECTORY"  # set by systemd for a unit with LoadCredential=, see systemd.exec(5)
STATE_DIRECTORY = "STATE_DIRECTORY"  # likewise, with StateDirectory=


class TlsConfig(Section):
    """TLS to the broker. An empty `[mqtt.tls]` turns it on and trusts the system's authorities."""

    ca_file: ReadableFile | None = None
    """Certificates of the authorities to trust (PEM), instead of the system's."""

    certificate_file: ReadableFile | None = None
    """Our own certificate (PEM), where the broker asks for one. Goes together with `key_file`."""

    key_file: SecretFile | None = None
    """The private key of `certificate_file` (PEM, not encrypted). Looked up like `mqtt.password_file`."""

    @model_validator(mode="after")
    def _certificate_with_key(self) -> "TlsConfig":
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("`certificate_file` and `key_file` go together")
        return self


class MqttConfig(Section):
    """The broker connection."""

    host: Annotated[str, Field(min_length=1)] = "localhost"
    """Name or address of the broker."""

    port: Port = 1883
    """TCP port of the broker; 8883 is usual with TLS."""

    protocol: Literal["3.1.1", "5"] = "5"
    """MQTT version to speak."""

    client_id: Name = "residuald"
    """Fixed, so that the broker keeps the session while we are away. Two daemons on one broker need different ones."""

    username: str | None = None
    """User to log in as; left out, the connection is anonymous."""

    password_file: SecretFile | None = None
    """File with the password; a newline at its end is not part of it. Needs `username`. A relative path is looked up
    among the credentials that systemd passes to the unit first, then beside the configuration file."""

    tls: TlsConfig | None = None
    """Encrypt the connection; see `[mqtt.tls]`. Left out: no TLS."""

    keepalive_seconds: Annotated[int, Field(ge=5, le=3600)] = 30
    """How often the broker is asked for a sign of life. After two of them without a byte from it, the connection is
    made anew."""

    session_expiry_seconds: Annotated[int, Field(ge=0)] = 3600
    """How long the broker keeps QoS 1 and 2 messages for us while we are away (MQTT 5)."""

    silence_timeout_seconds: Annotated[float, Field(ge=0)] = 120.0
    """Connected, yet no message for so long: reconnect. 0 turns it off."""

    reconnect_ceiling_seconds: Annotated[float, Field(gt=0, le=30)] = 30.0
    """The longest wait between two attempts to connect. Waits double from one second up to it, with jitter."""

    alert_qos: Literal[1, 2] = 2
    """QoS of alerts. 2: the broker gets each step exactly once, whatever dies in between. 1: for a broker that knows no
    QoS 2 (AWS IoT Core, Azure Event Grid); a step may come twice then. A broker that says so itself (MQTT 5) is heeded.
    """

    base_topic: Annotated[str, Field(pattern=r"^[^+#/\s]+(/[^+#/\s]+)*$")] = BASE_TOPIC
    """Everything residuald publishes is below this topic."""

    commands: bool = False
    """Obey what is published to `<base_topic>/<stream>/set/mute` and `…/relearn`; see docs/commands.md. Who may publish
    there can silence alerts: restrict it in the broker (SECURITY.md)."""

    @model_validator(mode="after")
    def _password_with_user(self) -> "MqttConfig":
        if self.password_file is not None and self.username is None:
            raise ValueError("`password_file` needs `username`")
        return self


class ModelConfig(Section):
    """A model: a folder with artifacts, of which `current` is in use. Repeat `[[model]]` for each."""

    name: Name
    """What sources call it, and the `model` label of its metrics."""

    path: AnyPath
    """Folder that `residuald-trainer fit --out` writes to."""

    max_batch: Annotated[int, Field(ge=1, le=65536)] | None = None
    """Most windows scored in one call. Left out: measured when the artifact is loaded, which takes a moment."""

    judge: DecisionSettings = DecisionSettings()
    """When anomalous windows become an alert; see `[model.judge]`."""


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


class TimingConfig(Section):
    """How event time is kept."""

    jitter_samples: Annotated[float, Field(ge=0, le=1000)] = 0.75
    """A block whose time differs from the expected by at most so many sample periods is contiguous."""

    lateness_seconds: Annotated[float, Field(ge=0, le=3600)] = 2.0
    """How long a stream waits for a channel that lags behind the others, and at least a window. Where a message of one
    channel covers a longer time than that, windows never fill."""

    max_ahead_seconds: Seconds = 60.0
    """A timestamp further ahead of its arrival than this is refused."""

    silent_after_seconds: Seconds = 30.0
    """A stream that sends nothing for so long, and for three sample periods, is silent. It must be longer than the time
    between two messages."""

    expire_after_seconds: Seconds = 3600.0
    """A stream silent for so long is forgotten, and its metrics with it."""


class LimitsConfig(Section):
    """What keeps the daemon bounded."""

    max_streams: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """Most streams at a time; messages of any further one are refused and counted."""

    max_inbox_messages: Annotated[int, Field(ge=1)] = 100_000
    """Most messages waiting to be processed."""

    max_inbox_bytes: Annotated[int, Field(ge=1024)] = 256 * 1024 * 1024
    """Most payload bytes waiting to be processed."""

    max_payload_bytes: Annotated[int, Field(ge=16)] = 4 * 1024 * 1024
    """A longer payload is refused and counted."""

    max_channel_series: Annotated[int, Field(ge=0)] = 10_000
    """Most series of `residuald_channel_error`."""


class JournalConfig(Section):
    """What is kept on disk, so that a crash loses nothing of QoS 1 and 2; see docs/reliability.md."""

    path: AnyPath | None = None
    """Folder of journal and checkpoint. Left out: `journal` in the state directory that systemd gives the unit; without
    one there is no journal."""

    max_bytes: Annotated[int, Field(ge=1024 * 1024)] = 256 * 1024 * 1024
    """Most bytes of messages to keep. There is a checkpoint at half of it, so only a failing disk lets it get there;
    then messages are not kept, and counted."""

    max_age_seconds: Seconds = 86400.0
    """What is older than this at the start is not taken up again."""

    checkpoint_seconds: Seconds = 10.0
    """How often the state is written. A process that starts after a crash replays what came since."""

    @property
    def folder(self) -> Path | None:
        """Where journal and checkpoint lie: `path`, or in the unit's state directory; None: there is no journal."""
        given = os.environ.get(STATE_DIRECTORY)  # systemd.exec(5): several are separated by colons
        return self.path or (Path(given.split(":")[0], "journal") if given else None)


class HttpConfig(Section):
    """Where `/metrics`, `/healthz` and `/readyz` are served."""

    host: str = "127.0.0.1"
    """Address to listen on; `0.0.0.0` for all of them."""

    port: Port = 9108
    """TCP port; 0 takes a free one and logs it."""


class LogConfig(Section):
    """Logs go to standard error."""

    format: Literal["auto", "console", "json"] = "auto"
    """`auto` is console on a terminal, JSON otherwise."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe entries to write."""


class Config(Section):
    """The whole configuration. All paths are absolute once loaded (relative ones are taken from the file's folder)."""

    mqtt: MqttConfig = MqttConfig()
    source: Annotated[tuple[SourceSpec, ...], Field(min_length=1)]
    model: Annotated[tuple[ModelConfig, ...], Field(min_length=1)]
    artifacts: ArtifactsConfig = ArtifactsConfig()
    scoring: ScoringConfig = ScoringConfig()
    timing: TimingConfig = TimingConfig()
    limits: LimitsConfig = LimitsConfig()
    journal: JournalConfig = JournalConfig()
    http: HttpConfig = HttpConfig()
    web: WebConfig = WebConfig()
    webhook: tuple[WebhookConfig, ...] = ()
    log: LogConfig = LogConfig()

    @model_validator(mode="after")
    def _references_hold(self) -> "Config":
        problems = reference_problems(self.model_dump(mode="json"))
        if problems:
            raise ValueError("\n".join(problems))
        return self


def load_config(path: Path) -> Config:
    """Read and check a configuration file. The files it names (password, certificates) must be readable.

    Raises:
        ConfigError: the file cannot be read or used; it lists every problem.

    """
    table = _read_toml(path)
    context = {"folder": path.absolute().parent, "credentials": os.environ.get(CREDENTIALS_DIRECTORY)}
    try:
        return Config.model_validate(table, context=context)
    except ValidationError as error:
        # the check across sections runs only when each section is sound: run it on the table, to tell everything now
        problems = dict.fromkeys([*describe(error, Config), *reference_problems(table)])
        raise ConfigError(str(path), list(problems)) from None


def sound_models(path: Path) -> dict[str, ModelConfig]:
    """Read the `[[model]]` tables of a file that are valid on their own, by dotted path.

    A check looks at their artifacts even where other parts of the file are wrong, to tell everything at once. Of a file
    that cannot be read there are none.
    """
    try:
        tables = _read_toml(path).get("model")
    except ConfigError:
        return {}
    sound = {}
    for index, table in enumerate(tables if isinstance(tables, list) else []):
        try:
            model = ModelConfig.model_validate(table, context={"folder": path.absolute().parent})
        except ValidationError:
            continue
        sound[f"model[{index}]"] = model
    return sound


def sound_artifacts(path: Path) -> ArtifactsConfig | None:
    """Read the `[artifacts]` section of a file that is wrong elsewhere; None where this section is wrong itself."""
    try:
        table = _read_toml(path).get("artifacts", {})
        return ArtifactsConfig.model_validate(table, context={"folder": path.absolute().parent, "credentials": None})
    except (ConfigError, ValidationError):
        return None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        raise ConfigError(str(path), [f"cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise ConfigError(str(path), [f"not UTF-8 text (at line {line})"]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(str(path), [f"not valid TOML: {error}"]) from None
