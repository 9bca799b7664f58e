"""What differs between two configurations, as far as a reload has to care."""

from dataclasses import dataclass

from monitor.setup.build import pipeline_settings_of, subscriptions_of
from monitor.setup.registry import Config

_AT_NEXT_START = ("http", "log", "journal", "history")


@dataclass(frozen=True, slots=True)
class ConfigDiff:
    """What of a running daemon has to change. Where artifacts lie is no difference: they are swapped by themselves.

    pipeline: whether the pipeline is made of other settings. models: those whose streams can go on: their group is made
    of the same settings. broker, webhooks, files: whether these doors are others. web: whether users or certificate
    are. at_next_start: sections that differ and take effect at the next start only.
    """

    pipeline: bool
    models: frozenset[str]
    broker: bool
    webhooks: bool
    files: bool
    web: bool
    at_next_start: tuple[str, ...]

    @staticmethod
    def between(old: Config, new: Config) -> "ConfigDiff":
        """Compare the configuration in use with one that was loaded."""
        return ConfigDiff(
            pipeline=pipeline_settings_of(old) != pipeline_settings_of(new),
            models=frozenset(
                model.name
                for model in new.model
                if any(before.name == model.name for before in old.model)
                and _of_model_group(old, model.name) == _of_model_group(new, model.name)
            ),
            broker=_of_broker(old) != _of_broker(new),
            webhooks=old.webhook != new.webhook,
            files=_of_files(old) != _of_files(new),
            web=old.web != new.web,
            at_next_start=tuple(part for part in _AT_NEXT_START if getattr(old, part) != getattr(new, part)),
        )

    @property
    def doors(self) -> bool:
        """Whether any source or sink is another."""
        return self.broker or self.webhooks or self.files


def _of_broker(config: Config) -> object:
    return config.uses_broker, config.mqtt, subscriptions_of(config)


def _of_files(config: Config) -> object:
    return [(source.name, source.file) for source in config.source if source.file is not None]


def _of_model_group(config: Config, name: str) -> object:
    """The settings that the group of a model is made of."""
    (decision,) = [model.judge for model in config.model if model.name == name]
    sources = [source for source in config.source if source.model == name]
    timing = config.timing.model_dump(exclude=_OF_THE_PIPELINE)
    return decision, sources, timing, config.scoring.max_delay_seconds


_OF_THE_PIPELINE = {"silent_after_seconds", "expire_after_seconds", "rate_tolerance", "ask_after_seconds"}
