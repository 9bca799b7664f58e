"""A source: one topic pattern, the format of what arrives there, and the model that judges it."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from monitor.core.formats import Format, NumberFormat
from monitor.core.names import Name
from monitor.core.topics import TopicPattern


class SourceSpec(BaseModel):
    """Settings of one source, as written under `[[source]]` and as kept at the head of a capture.

    topic: levels with placeholders, e.g. `plant/{site}/{device}/vib`. `{channel}` makes one topic one channel; the
        others form the stream name and become labels.
    stream: how the stream is named, e.g. `{site}.{device}`; by default all placeholders joined by dots.
    channels: which channels of the model this source carries, in payload order (all of the model's when left out).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    topic: str
    model: Name
    format: Format
    qos: Literal[0, 1, 2] = 0
    stream: str | None = None
    channels: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    accept_retained: bool = False

    @field_validator("topic")
    @classmethod
    def _topic_is_a_pattern(cls, topic: str) -> str:
        TopicPattern.parse(topic)
        return topic

    @model_validator(mode="after")
    def _stream_is_named(self) -> "SourceSpec":
        pattern = TopicPattern.parse(self.topic)
        pattern.stream_template(self.stream)
        if isinstance(self.format, NumberFormat) and not pattern.has_channel and len(self.channels or ("",)) != 1:
            raise ValueError("format `number` carries one channel: put {channel} in `topic` or list one in `channels`")
        return self
