"""What is wrong between the sections of a configuration: names that are taken or missing, topics that overlap."""

from collections.abc import Iterator
from typing import Any

from monitor.config.field_types import BASE_TOPIC
from monitor.core.alerting.command import commands_below
from monitor.core.sources.source import file_topic
from monitor.core.sources.topics import TopicPattern, overlap
from monitor.settings.problems import suggestion


def reference_problems(table: dict[str, Any]) -> list[str]:
    """Check across sections: equal names, unknown models, sources that admit the same topics.

    `table` is the TOML document or a dumped `Config`; parts of other types than expected are skipped.
    """
    sources, models = _tables(table, "source"), _tables(table, "model")
    names = [model.get("name") for _, model in models]
    problems = [*_equal_names("source", sources), *_equal_names("model", models)]
    problems += _equal_names("webhook", _tables(table, "webhook"))
    problems += [
        f"source[{index}].model: there is no model {source['model']!r}{suggestion(source['model'], names)}"
        for index, source in sources
        if isinstance(source.get("model"), str) and source["model"] not in names
    ]
    patterns = [(index, source.get("name"), _levels(_topic_of(source))) for index, source in sources]
    for position, (index, _, levels) in enumerate(patterns):
        for _, other_name, other_levels in patterns[:position]:
            if levels and other_levels and overlap(levels, other_levels):
                problems.append(f"source[{index}].topic: source {other_name!r} admits the same topics")
    commands = _command_levels(table.get("mqtt"))
    problems += [
        f"source[{index}].topic: admits the topics of commands (mqtt.commands)"
        for index, _, levels in patterns
        if levels and commands and overlap(levels, commands)
    ]
    return problems


def _tables(table: dict[str, Any], key: str) -> list[tuple[int, dict[str, Any]]]:
    entries = table.get(key)
    return [(i, e) for i, e in enumerate(entries) if isinstance(e, dict)] if isinstance(entries, list | tuple) else []


def _equal_names(key: str, tables: list[tuple[int, dict[str, Any]]]) -> Iterator[str]:
    first: dict[str, int] = {}
    for index, entry in tables:
        name = entry.get("name")
        if isinstance(name, str) and first.setdefault(name, index) != index:
            yield f"{key}[{index}].name: {key}[{first[name]}] is named {name!r} too"


def _topic_of(source: dict[str, Any]) -> object:
    return source.get("topic") if source.get("file") is None else file_topic(str(source.get("name")))


def _levels(topic: object) -> tuple[str | None, ...] | None:
    try:
        return TopicPattern.parse(topic).levels if isinstance(topic, str) else None
    except ValueError:
        return None  # told by the source's own check


def _command_levels(mqtt: object) -> tuple[str | None, ...] | None:
    if not isinstance(mqtt, dict) or mqtt.get("commands") is not True:
        return None
    base = mqtt.get("base_topic", BASE_TOPIC)
    return commands_below(base).levels if isinstance(base, str) else None
