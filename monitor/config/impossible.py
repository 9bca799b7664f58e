"""What can never work, whatever the world is like: hosts that are URLs, paths that are none, topics of our own output.

Each problem names the key and what to write instead. A capture holds sources, too, and is read whatever they say: so
this is a check of the configuration and not of a source.
"""

import re
from collections.abc import Iterator
from typing import Any

from monitor.config.field_types import BASE_TOPIC
from monitor.core.sources.topics import TopicPattern, overlap

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?:[^@/]*@)?(?P<host>\[[^\]]*\]|[^:/]*)(?::(?P<port>\d+))?.*")
_IN_BRACKETS = re.compile(r"\[(?P<host>[^\]]*)\](?::(?P<port>\d+))?")
_WITH_PORT = re.compile(r"(?P<host>[^:]+):(?P<port>\d+)")
_IN_ARRAY = re.compile(r"\[(\d+|\*|'[^']*')\]")
_BETWEEN_KEYS = re.compile(r"\[[\d*]*\]|[./'\[\]]")
_OVER_TLS = {"mqtts", "ssl", "tls", "https", "tls+mqtt"}
_WEBSOCKETS = {"ws", "wss"}
_SHARED = ("$share", "$queue")
_LABELS = ("stream", "model")  # of our metrics, which no placeholder can name as well
_MOST_TOPIC_BYTES = 65_535
_PLACES = ("timestamp", "values", "rows", "fields", "keys")  # of a format, whose values are paths


def impossible_problems(table: dict[str, Any]) -> list[str]:
    """List what can never work, one line per problem with its dotted path.

    `table` is the TOML document or a dumped `Config`; parts of other types than expected are skipped.
    """
    mqtt, http = _section(table, "mqtt"), _section(table, "http")
    problems = [f"mqtt.host: {problem}" for problem in _host_problems(mqtt.get("host"), broker=True)]
    if mqtt.get("port") == 0 and not isinstance(mqtt["port"], bool):
        problems.append("mqtt.port: no broker listens on port 0; 1883 is usual, 8883 with TLS")
    base = mqtt.get("base_topic", BASE_TOPIC)
    if isinstance(base, str) and base.startswith("$"):
        problems.append("mqtt.base_topic: brokers take nothing that clients publish below `$…`; choose another")
    problems += [f"http.host: {problem}" for problem in _host_problems(http.get("host"), broker=False)]
    sources = table.get("source")
    for index, source in enumerate(sources if isinstance(sources, list | tuple) else []):
        if isinstance(source, dict):
            problems += [f"source[{index}].{problem}" for problem in _source_problems(source, base)]
    return problems


def _section(table: dict[str, Any], key: str) -> dict[str, Any]:
    section = table.get(key)
    return section if isinstance(section, dict) else {}


def _host_problems(host: object, *, broker: bool) -> Iterator[str]:
    if not isinstance(host, str):
        return
    url, bare = _URL.fullmatch(host.strip()), _IN_BRACKETS.fullmatch(host) or _WITH_PORT.fullmatch(host)
    if url is not None:
        # it may hold a password: it is not shown
        yield f"a URL is no host; {_instead(url['host'].strip('[]'), url['port'])}{_transport(url['scheme'], broker)}"
    elif bare is not None:
        yield f"{host!r} is more than a host; {_instead(bare['host'], bare['port'])}"
    elif "@" in host and broker:
        yield "holds a user; write it as `username`, its password into `password_file`"
    elif "/" in host:
        yield f"{host!r} holds a path; {_instead(host.partition('/')[0], None)}"
    elif any(character.isspace() for character in host):
        yield f"{host!r} holds a blank; {_instead(''.join(host.split()), None)}"
    elif not host or host == "*":
        yield 'write "0.0.0.0" for all addresses of this machine'


def _instead(host: str, port: str | None) -> str:
    return f'write `host = "{host}"`' + (f" and `port = {port}`" if port else "")


def _transport(scheme: str, broker: bool) -> str:
    if broker and scheme.lower() in _OVER_TLS:
        return ", and an empty `[mqtt.tls]` for TLS"
    if broker and scheme.lower() in _WEBSOCKETS:
        return ", with the broker's port for plain TCP or TLS: WebSockets are not spoken"
    return ""


def _source_problems(source: dict[str, Any], base: object) -> Iterator[str]:
    topic = source.get("topic")
    if isinstance(topic, str):
        yield from (f"topic: {problem}" for problem in _topic_problems(topic, base))
    described = source.get("format")
    if not isinstance(described, dict) or described.get("kind") != "json":
        return
    for key in _PLACES:
        for path in _paths(described.get(key)):
            yield from (f"format.{key}: {problem}" for problem in _path_problem(path))
    names = described.get("keys")
    for name in names if isinstance(names, dict) else ():
        if name in _LABELS:
            yield f"format.keys: {_taken(name)}"


def _topic_problems(topic: str, base: object) -> Iterator[str]:
    levels = topic.split("/")
    if levels[0] in _SHARED:
        yield (
            f"{levels[0]} shares the messages out among subscribers, so that each would see a part of every stream; "
            f"write the topic itself, {'/'.join(levels[2 if levels[0] == '$share' else 1 :])!r}"
        )
    elif levels[0] == "$exclusive":
        yield f"the broker delivers under the topic itself: write {'/'.join(levels[1:])!r}"
    if any(level != level.strip() for level in levels):
        yield f"a level of {topic!r} begins or ends with a blank"
    if any(not character.isprintable() and not character.isspace() for character in topic if ord(character) < 0xA0):
        yield f"{topic!r} holds a control character, for which brokers end the connection"
    if len(topic.encode(errors="replace")) > _MOST_TOPIC_BYTES:
        yield f"is longer than the {_MOST_TOPIC_BYTES:,} bytes that MQTT has room for"
    try:
        pattern = TopicPattern.parse(topic)
    except ValueError:
        return  # told by the source's own check
    yield from (_taken(name) for _, name in pattern.placeholders if name in _LABELS)
    met = [own for own in _published(base, topic) if overlap(pattern.levels, own)] if isinstance(base, str) else []
    if met:
        yield (
            f"admits {' and '.join('/'.join(level or '+' for level in own) for own in met)}, which residuald publishes "
            "itself: it would judge its own output; write a level out, or choose another `mqtt.base_topic`"
        )


# of ourselves and of our models, below the base topic
_TOLD_OF_ITSELF: tuple[tuple[str | None, ...], ...] = (("status",), ("status", "journal"), ("model", None, "state"))


def _published(base: str, topic: str) -> Iterator[tuple[str | None, ...]]:
    """What we publish and a source could take for telemetry; of ourselves only where the topic names our own levels."""
    levels = base.split("/")
    named = topic.split("/")[: len(levels)] == levels
    for below in (None, "state"), (None, "alert"), *(_TOLD_OF_ITSELF if named else ()):
        yield (*levels, *below)


def _taken(name: str) -> str:
    return f"placeholder {{{name}}} would be hidden by our own label `{name}`; give it another name, e.g. {{device}}"


def _paths(value: object) -> list[str]:
    found = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else [value]
    return [path for path in found if isinstance(path, str)]


def _path_problem(path: str) -> Iterator[str]:
    dotted = ".".join(key.strip() for key in _BETWEEN_KEYS.split(path.removeprefix("$")) if key.strip())
    if not dotted or path == "$":
        yield f"{path!r} names no field of the payload"
    elif path.startswith(("$.", "$[", "/")):
        yield f"{path!r} is no path of keys; write {dotted!r}, with dots alone"
    elif _IN_ARRAY.search(path):
        yield f"{path!r} reaches into an array; a path holds keys alone, joined by dots: {dotted!r}"
    elif any(key != key.strip() for key in path.split(".")):
        yield f"a key of {path!r} begins or ends with a blank; write {dotted!r}"
