"""Topic patterns: `plant/{site}/{device}/vib` admits topics and names streams.

A placeholder stands for one whole level. `{channel}` is special: it names the channel, not the stream. Matching gives
the placeholder values; `stream_template` turns them into a stream name.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from monitor.core.values.names import is_name

_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_IN_TEMPLATE = re.compile(r"\{([^{}]*)\}")
CHANNEL = "channel"


@dataclass(frozen=True, slots=True)
class TopicPattern:
    """A parsed pattern. `levels` holds literal texts; a placeholder's level is None there, named in `placeholders`."""

    text: str
    levels: tuple[str | None, ...]
    placeholders: tuple[tuple[int, str], ...]  # (level, name), in topic order

    @classmethod
    def parse(cls, text: str) -> "TopicPattern":
        """Parse a pattern.

        Raises:
            ValueError: the text is no pattern; the message says why.

        """
        if not text or "\0" in text:
            raise ValueError("a topic pattern must not be empty or hold a NUL character")
        levels: list[str | None] = []
        placeholders: list[tuple[int, str]] = []
        for index, level in enumerate(text.split("/")):
            found = _PLACEHOLDER.fullmatch(level)
            if found:
                if found[1] in {name for _, name in placeholders}:
                    raise ValueError(f"placeholder {{{found[1]}}} appears twice in {text!r}")
                levels.append(None)
                placeholders.append((index, found[1]))
            elif any(mark in level for mark in "{}+#"):
                raise ValueError(f"level {level!r} of {text!r}: write a whole level as {{name}}; no + or #")
            else:
                levels.append(level)
        return cls(text, tuple(levels), tuple(placeholders))

    @property
    def subscription(self) -> str:
        """The MQTT topic filter that covers the pattern."""
        return "/".join("+" if level is None else level for level in self.levels)

    @property
    def has_channel(self) -> bool:
        """Whether each topic carries one channel, named by `{channel}`."""
        return any(name == CHANNEL for _, name in self.placeholders)

    @property
    def label_names(self) -> tuple[str, ...]:
        """The placeholders that describe the stream."""
        return tuple(name for _, name in self.placeholders if name != CHANNEL)

    def match(self, topic: str) -> dict[str, str] | None:
        """The placeholder values of `topic`, or None where the pattern does not admit it.

        As at brokers, no placeholder stands for a first level that begins with `$` (MQTT 5.0, section 4.7.2).
        """
        levels = topic.split("/")
        if len(levels) != len(self.levels) or (self.levels[0] is None and topic.startswith("$")):
            return None
        if any(mine is not None and mine != theirs for mine, theirs in zip(self.levels, levels, strict=True)):
            return None
        return {name: levels[index] for index, name in self.placeholders}

    def stream_template(self, template: str | None, keys: Sequence[str] = ()) -> str:
        """Check how streams are named, or make the default: all placeholders but `{channel}`, joined by dots.

        keys: the placeholders that payloads give values for, beside those of the topic.

        Raises:
            ValueError: the template uses a placeholder that there is not, no name could ever come of it, or nothing
                is left to name the stream by.

        """
        names = (*self.label_names, *(key for key in keys if key != CHANNEL))
        if template is None:
            if not names:
                raise ValueError(f"topic {self.text!r} has no placeholder to name the stream by: set `stream`")
            return ".".join(f"{{{name}}}" for name in names)
        unknown = [name for name in _IN_TEMPLATE.findall(template) if name not in names]
        if unknown:
            raise ValueError(f"`stream` uses {{{unknown[0]}}}, which is not a placeholder of {self.text!r}")
        if not is_name(fill_template(template, dict.fromkeys(names, "x"))):
            raise ValueError(
                f"`stream` {template!r} makes no names: beside {{placeholders}} use letters, digits and _ . : -"
            )
        return template


def overlap(one: Sequence[str | None], other: Sequence[str | None]) -> bool:
    """Whether some topic fits the levels of both patterns, of which None stands for any but a first one of `$…`."""
    if len(one) != len(other):
        return False
    first = {one[0], other[0]} - {None}
    if None in (one[0], other[0]) and any(level is not None and level.startswith("$") for level in first):
        return False
    return all(a is None or b is None or a == b for a, b in zip(one, other, strict=True))


def fill_template(template: str, values: dict[str, str]) -> str:
    """Replace the placeholders of `template` by `values`, literally: a value that contains braces stays a text."""
    return _IN_TEMPLATE.sub(lambda found: values[found[1]], template)
