"""The registry of sections: each component's own, which stands in the component's folder, under its key of the file.

The text below a key is its entry in `docs/configuration.md`.
"""

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from monitor.adapters.engines.settings import ArtifactsConfig, ScoringConfig
from monitor.adapters.mqtt.settings import MqttConfig
from monitor.adapters.process.settings import LogConfig
from monitor.adapters.storage.settings import HistoryConfig, JournalConfig
from monitor.adapters.web.settings import HttpConfig, WebConfig
from monitor.adapters.webhook.settings import WebhookConfig
from monitor.config.impossible import impossible_problems
from monitor.config.limits import LimitsConfig
from monitor.config.model import ModelConfig
from monitor.config.references import reference_problems
from monitor.config.refit import RefitConfig
from monitor.config.timing import TimingConfig
from monitor.core.sources.source import SourceSpec
from monitor.readers.history_file import history_beside
from monitor.settings.section import Section


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
    history: HistoryConfig = HistoryConfig()
    refit: RefitConfig = RefitConfig()
    webhook: tuple[WebhookConfig, ...] = ()
    http: HttpConfig = HttpConfig()
    web: WebConfig = WebConfig()
    log: LogConfig = LogConfig()

    @property
    def history_file(self) -> Path | None:
        """Where the history lies: beside the journal; None: there is none."""
        folder = self.journal.folder
        return None if folder is None or self.history.enabled is False else history_beside(folder)

    @property
    def uses_broker(self) -> bool:
        """Whether there is a broker to connect to: a source has topics, or `[mqtt]` stands in the file."""
        return "mqtt" in self.model_fields_set or any(source.file is None for source in self.source)

    @model_validator(mode="after")
    def _references_hold(self) -> "Config":
        table = self.model_dump(mode="json")
        problems = [*reference_problems(table), *impossible_problems(table)]
        if problems:
            raise ValueError("\n".join(problems))
        return self
