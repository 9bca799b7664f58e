"""An inlet: one source, prepared. It makes of a topic, and of what a payload names, who the sender is."""

from typing import NamedTuple

import numpy as np

from monitor.core.sources.source import SourceSpec
from monitor.core.sources.topics import CHANNEL, fill_template
from monitor.core.streams.model_group import ModelGroup
from monitor.core.values.discards import Discard, Reason
from monitor.core.values.names import is_name, safe_name, shown_text, stream_name

_MAX_LETTERS = 128  # of what a placeholder stands for, and of all that names a stream


class Sender(NamedTuple):
    """Who messages are from: stream, how people call it, labels, and the channel numbers that arrive together."""

    stream: str
    display_name: str
    labels: dict[str, str]
    channel_group: list[int]


class Inlet:
    """One source: its pattern, its model group, and which channels its messages carry.

    Raises:
        KeyError: the source names a channel that its model does not have.

    """

    def __init__(self, spec: SourceSpec, model_group: ModelGroup) -> None:
        self.spec = spec
        self.model_group = model_group
        self.pattern = spec.pattern
        self.key_names = spec.format.key_names
        self.has_channel = spec.has_channel
        self._template = spec.stream_template
        numbers = {name: number for number, name in enumerate(model_group.measured)}
        self.columns = {name: numbers[name] for name in spec.channels or model_group.measured}
        self.column_row = np.array([list(self.columns.values())])  # [1, C']

    @property
    def width(self) -> int:
        """How many columns a payload has."""
        return 1 if self.has_channel else len(self.columns)

    def sender(self, values: dict[str, str]) -> Sender | Discard:
        """Who sends it, or why nobody can be.

        values: what the placeholders of the topic stand for, and the keys of the payload.
        """
        unfit = unfit_of(values)
        if unfit is not None:
            return unfit
        column = None
        if self.has_channel:
            # a trainer called the channel so, whatever its column was called
            column = self.columns.get(values[CHANNEL], self.columns.get(safe_name(values[CHANNEL])))
            if column is None:
                return Discard(Reason.UNKNOWN_CHANNEL, f"source {self.spec.name} has no such channel")
        labels = {key: value for key, value in values.items() if key != CHANNEL}
        text = fill_template(self._template, labels)
        if len(text) > _MAX_LETTERS:
            return Discard(Reason.BAD_NAME, f"the name of the stream is longer than {_MAX_LETTERS} letters")
        if not is_name(text) and not all(value.strip() for value in labels.values()):
            return Discard(Reason.BAD_NAME, "a placeholder stands for nothing")
        return Sender(
            stream_name(text),
            shown_text(text),
            {key: shown_text(value) for key, value in labels.items()},
            list(self.columns.values()) if column is None else [column],
        )


def unfit_of(values: dict[str, str]) -> Discard | None:
    """Why placeholders cannot stand for such texts; None: they can."""
    if max(map(len, values.values()), default=0) > _MAX_LETTERS:
        return Discard(Reason.BAD_NAME, f"a placeholder is longer than {_MAX_LETTERS} letters")
    if any("\0" in value for value in values.values()):
        return Discard(Reason.BAD_NAME, "a placeholder holds a NUL character")
    if any("\ud800" <= letter <= "\udfff" for value in values.values() if not value.isascii() for letter in value):
        return Discard(Reason.BAD_NAME, "a placeholder is no UTF-8")
    return None
