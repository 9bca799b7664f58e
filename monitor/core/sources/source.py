"""A source: one topic pattern or one file, the format of what arrives there, and the model that judges it."""

from pathlib import PurePath
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from monitor.core.decode.formats import Format
from monitor.core.sources.topics import CHANNEL, TopicPattern
from monitor.core.values.names import Name

STDIN = "-"  # in place of the name of a file


class SourceSpec(BaseModel):
    """Where telemetry comes from, how it is laid out and which model judges it. Repeat `[[source]]` for each.

    The same settings stand at the head of a capture.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: Name
    """The `source` label of its metrics."""

    topic: str | None = None
    """Topics to subscribe to, with whole levels as placeholders, e.g. `plant/{site}/{device}/vib`. `{channel}` makes
    one topic one channel; the others name the stream and become labels. No two sources may admit the same topic.
    Either this or `file` is needed."""

    file: Annotated[str, Field(min_length=1)] | None = None
    """A file whose lines are the messages, instead of topics; `-` is standard input. Its messages have the topic
    `file/` and the name of the source. A file is read to its end, and a daemon that has only files ends with them."""

    model: Name
    """Name of the model that judges its streams."""

    format: Format
    """How payloads are laid out; see `[source.format]`."""

    qos: Literal[0, 1, 2] = 0
    """Quality of service to subscribe with. Messages of QoS 1 and 2 are never dropped: a full inbox holds them back."""

    stream: str | None = None
    """How the stream is named, e.g. `{site}.{device}`; by default all placeholders joined by dots, those of the topic
    before the `keys` of the format. Sources that carry parts of one stream name it alike. Blanks, accents and signs are
    mapped to what a name may hold. Each channel belongs to the topic, and the keys, that brought it first; others are
    refused, also those that differ in a placeholder that is left out here."""

    channels: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    """Which channels of the model this source carries, in payload order; all of them when left out."""

    accept_retained: bool = False
    """Take retained messages too. They are of unknown age and refused otherwise."""

    @property
    def pattern(self) -> TopicPattern:
        """The topics that the source admits; a file has one."""
        return TopicPattern.parse(file_topic(self.name) if self.topic is None else self.topic)

    @property
    def has_channel(self) -> bool:
        """Whether a block carries one channel, named by the topic or by the payload."""
        return self.pattern.has_channel or CHANNEL in self.format.key_names

    @property
    def stream_template(self) -> str:
        """How the stream is named: text with placeholders, of which the topic gives some and the payload the others."""
        return self.pattern.stream_template(self.stream, self.format.key_names)

    @property
    def names_left_out(self) -> tuple[str, ...]:
        """The placeholders that tell devices apart and are not part of the stream's name."""
        names = (*self.pattern.label_names, *(key for key in self.format.key_names if key != CHANNEL))
        return tuple(name for name in names if f"{{{name}}}" not in self.stream_template)

    @field_validator("topic")
    @classmethod
    def _topic_is_a_pattern(cls, topic: str | None) -> str | None:
        if topic is not None:
            TopicPattern.parse(topic)
        return topic

    @field_validator("file")
    @classmethod
    def _file_is_taken_from_the_folder(cls, file: str | None, info: ValidationInfo) -> str | None:
        if file is not None and "\0" in file:
            raise ValueError("must not hold a NUL character")
        folder = info.context.get("folder") if info.context else None
        return file if file is None or file == STDIN or folder is None else str(PurePath(folder, file))

    @model_validator(mode="after")
    def _topic_or_file(self) -> "SourceSpec":
        if (self.topic is None) == (self.file is None):
            raise ValueError("give exactly one of `topic`, `file`")
        if self.file is not None and (self.qos or self.accept_retained):
            raise ValueError("`qos` and `accept_retained` are for a `topic`: lines of a file have neither")
        return self

    @model_validator(mode="after")
    def _stream_is_named(self) -> "SourceSpec":
        twice = [name for _, name in self.pattern.placeholders if name in self.format.key_names]
        if twice:
            raise ValueError(f"placeholder {{{twice[0]}}} is in the topic and also a key of the payload")
        self.pattern.stream_template(self.stream, self.format.key_names)
        if self.format.one_channel and not self.has_channel and len(self.channels or ("",)) != 1:
            raise ValueError(
                f"format `{self.format.kind}` carries one channel: put {{channel}} in `topic` or list one in `channels`"
            )
        return self


def file_topic(source: str) -> str:
    """The topic of all messages of a source that is a file, by the source's name."""
    return f"file/{source}"
