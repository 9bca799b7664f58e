"""Routing: from a topic to the channel group of a stream, in two steps.

`route` finds the source that admits a topic. `settle` finds the channel group for a block that was decoded, and opens
the stream where it is new: what never brings a block opens nothing. A channel group belongs to the topic, and the keys
of the payload, that brought it first; another one is refused (`stream_layout.py`). What was found is remembered, and
topics that are settled are found by their number.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitor.core.sources.source import SourceSpec
from monitor.core.streams.inlet import Inlet, Sender, unfit_of
from monitor.core.streams.model_group import ModelGroup
from monitor.core.streams.routes_by_number import RoutesByNumber
from monitor.core.streams.stream_layout import Owner, beginning_with
from monitor.core.values.discards import Discard, Reason
from monitor.core.values.messages import TopicTable
from monitor.core.values.names import shown_text

# What became of a topic is remembered, to be quick the next time. Since topics can be invented without end, too many
# are forgotten all at once, and long ones are not remembered at all.
_MAX_REMEMBERED = 10_000
_MAX_REMEMBERED_LETTERS = 1024
_MAX_SHOWN_LETTERS = 200
# reasons that may no longer hold when the topic comes again
_PASSING = frozenset({Reason.STREAM_LIMIT, Reason.STREAM_CONFLICT})

UNSETTLED = -1  # in place of a channel group that is found with the blocks


class Route(NamedTuple):
    """Where a topic's messages go: source by its index, channel group by its number in the source's model group.

    channel_group: `UNSETTLED` where the payload names it, and where nothing that can be used has come yet.
    """

    source: int
    channel_group: int


Refusal: TypeAlias = tuple[int | None, Discard]  # the source (None: no source admits the topic) and why

# What leads to a channel group: a source by its index, a topic, and what a payload names
_Place: TypeAlias = tuple[int | str, ...]


class Router:
    """Topics to routes, over all sources.

    Raises:
        KeyError: a source names a channel or model that is not there (the config check says so in words first).

    """

    def __init__(self, sources: tuple[SourceSpec, ...], model_groups: dict[str, ModelGroup], max_streams: int) -> None:
        self._inlets = [Inlet(spec, model_groups[spec.model]) for spec in sources]
        self._model_groups = model_groups
        self._max_streams = max_streams
        self._sources: dict[str, int] = {}  # topic -> the source that admits it
        self._settled: dict[_Place, int] = {}  # channel groups: no more than there are of all streams
        self._refused: dict[_Place | str, Refusal] = {}
        self._by_number = RoutesByNumber()
        self._holder: dict[str, ModelGroup] = {}  # stream -> its model group
        self._places: dict[str, list[_Place]] = {}  # stream -> what leads to it
        self._unproven: dict[str, None] = {}  # streams that may not have given a window yet, the oldest first

    def width(self, source: int) -> int:
        """How many columns the payloads of a source have."""
        return self._inlets[source].width

    def model_group(self, source: int) -> ModelGroup:
        """The model group that a source feeds."""
        return self._inlets[source].model_group

    def columns(self, source: int, channel_groups: NDArray[np.int64]) -> NDArray[np.int64]:
        """The channel of each payload column, for blocks in these channel groups: int64 [M, C'].

        channel_groups: int64 [M].
        """
        inlet = self._inlets[source]
        if inlet.has_channel:
            return inlet.model_group.groups.first_channel(channel_groups)[:, None]
        return inlet.column_row.repeat(len(channel_groups), axis=0)

    def known(self, topics: TopicTable, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Look up the routes of messages by the numbers of their topics.

        numbers: int64 [M], of topics in the table. Returns int64 [2, M]: source and channel group; -1 for topics that
        `learn` was not asked for, or that it refused. The channel group is -1 as well where it is `UNSETTLED`.
        """
        return self._by_number.look_up(topics, numbers)

    def learn(self, topics: TopicTable, number: int) -> Route | Refusal:
        """Find the route of a topic, as `route` does, for `known` to look it up. number: of the topic in the table."""
        found = self.route(topics.texts[number])
        if isinstance(found, Route):
            self._by_number.note(topics, number, found)
        return found

    def route(self, topic: str) -> Route | Refusal:
        """The route of a topic, or the source (None: no source admits it) and the reason for refusing it."""
        source = self._sources.get(topic)
        if source is not None:
            return Route(source, self._settled.get((source, topic), UNSETTLED))
        known = self._refused.get(topic)
        if known is not None:
            return known
        result: Refusal = None, Discard(Reason.UNKNOWN_TOPIC, "no source admits the topic")
        for number, inlet in enumerate(self._inlets):
            values = inlet.pattern.match(topic)
            if values is not None:
                # what the payload names comes with the blocks
                refusal = unfit_of(values) if inlet.key_names else _refusal_of(inlet.sender(values))
                if refusal is None:
                    self._remember_source(topic, number)
                    return Route(number, self._settled.get((number, topic), UNSETTLED))
                result = number, refusal
                if refusal.reason is not Reason.UNKNOWN_CHANNEL:
                    break
        self._remember_refusal(topic, result)
        return result

    def concerned(self, source: int, topic: str) -> int | str | None:
        """Whom messages concern that are refused and whose topic has no channel group.

        A channel group of an open stream that is free, so that it waits for this topic; the name of the stream that the
        topic would open; None: the payload would name it, or the stream belongs to another.
        """
        inlet = self._inlets[source]
        sender = None if inlet.key_names else inlet.sender(inlet.pattern.match(topic) or {})
        if not isinstance(sender, Sender):
            return None
        name, channels, holder = sender.stream, sender.channel_group, self._holder.get(sender.stream)
        if holder is None:
            return name
        if holder is not inlet.model_group or channels not in holder.layouts[name].channel_groups:
            return None
        if holder.layouts[name].owner_of_any(channels) is not None:
            return None
        return holder.groups.number(holder.streams.number[name], channels[0])

    def settle(self, source: int, topics: TopicTable, number: int, keys: tuple[str, ...] = ()) -> int | Discard | None:
        """The channel group of a block, whose stream is opened where it is new, or the reason for refusing it.

        number: of the topic in the table. keys: what the payload names, in the order of `SourceSpec.format.key_names`.
        None: there are as many streams as there may be, and one may have to make room (`unproven`).
        """
        topic = topics.texts[number]
        place: _Place = (source, topic, *keys)
        found: int | Discard | None = self._settled.get(place)
        if found is None:
            refused = self._refused.get(place)
            found = self._admit(source, place, topic, keys) if refused is None else refused[1]
        if isinstance(found, int) and not keys:
            self._by_number.note(topics, number, Route(source, found))
        return found

    def unproven(self) -> tuple[ModelGroup, str] | None:
        """The oldest stream that has not given a window, and its model group; None: all have.

        Whether it has is certain once all blocks that came before are in their rings.
        """
        while self._unproven:
            name = next(iter(self._unproven))
            streams = self._holder[name].streams
            if not streams.gave_window[streams.number[name]]:
                return self._holder[name], name
            del self._unproven[name]
        return None

    def sources_of(self, stream: str) -> list[str]:
        """The names of the sources that feed a stream, as far as its topics came to this process."""
        numbers = {int(place[0]) for place in self._places.get(stream, ())}
        return [self._inlets[number].spec.name for number in sorted(numbers)]

    def find_streams(self) -> None:
        """Take over the streams that the model groups have; their topics are found again when they come."""
        self._holder = {
            stream: model_group for model_group in self._model_groups.values() for stream in model_group.streams.number
        }
        self._places = {stream: [] for stream in self._holder}
        self._unproven = dict.fromkeys(self._holder)
        self._settled.clear()
        self._by_number.clear()

    def forget(self, name: str) -> None:
        """Drop all that leads to a stream that was closed."""
        places = self._places.pop(name, [])
        self._by_number.unsettle({(int(place[0]), self._settled.pop(place)) for place in places})
        self._holder.pop(name, None)
        self._unproven.pop(name, None)

    def _admit(self, source: int, place: _Place, topic: str, keys: tuple[str, ...]) -> int | Discard | None:
        """Find the channel group of a place that is new; the same answers as those of `settle`."""
        inlet, owner = self._inlets[source], (topic, *keys)
        sender = inlet.sender((inlet.pattern.match(topic) or {}) | dict(zip(inlet.key_names, keys, strict=True)))
        if isinstance(sender, Discard):
            self._remember_refusal(place, (source, sender))
            return sender
        name, model_group, channel_group = sender.stream, inlet.model_group, sender.channel_group
        holder = self._holder.get(name)
        if holder is None:
            if len(self._holder) >= self._max_streams:
                limit = f"there are {self._max_streams} streams already (limits.max_streams)"
                return Discard(Reason.STREAM_LIMIT, limit) if self.unproven() is None else None
            self._open(sender, model_group)
        else:
            conflict = _conflict_of(holder, model_group, sender, owner)
            if conflict is not None:
                holder.streams.conflicts[holder.streams.number[name]] += 1
                return Discard(Reason.STREAM_CONFLICT, conflict, name)
            model_group.add_channel_group(name, channel_group, sender.labels)
        model_group.layouts[name].owners[channel_group[0]] = owner
        found = model_group.groups.number(model_group.streams.number[name], channel_group[0])
        self._settled[place] = found
        self._places[name].append(place)
        return found

    def _open(self, sender: Sender, model_group: ModelGroup) -> None:
        name = sender.stream
        channel_groups = beginning_with(sender.channel_group, len(model_group.measured))
        model_group.open_stream(name, sender.labels, channel_groups, sender.display_name)
        self._holder[name] = model_group
        self._places[name] = []
        self._unproven[name] = None

    def _remember_refusal(self, place: _Place | str, refusal: Refusal) -> None:
        letters = len(place) if isinstance(place, str) else sum(len(str(part)) for part in place)
        if refusal[1].reason not in _PASSING and letters <= _MAX_REMEMBERED_LETTERS:
            if len(self._refused) >= _MAX_REMEMBERED:
                self._refused.clear()
            self._refused[place] = refusal

    def _remember_source(self, topic: str, source: int) -> None:
        if len(topic) <= _MAX_REMEMBERED_LETTERS:
            if len(self._sources) >= _MAX_REMEMBERED:
                self._sources.clear()
            self._sources[topic] = source


def _refusal_of(sender: Sender | Discard) -> Discard | None:
    return sender if isinstance(sender, Discard) else None


def _conflict_of(holder: ModelGroup, model_group: ModelGroup, sender: Sender, owner: Owner) -> str | None:
    """Why what comes from elsewhere is no part of the stream that has its name; None: it is one."""
    name = sender.stream
    layout = holder.layouts[name]
    first = layout.first_owner
    whose = "an earlier topic" if first is None else _shown(first)
    if holder is not model_group:
        return f"stream {name} of model {holder.name} belongs to {whose}; no other model may have one of this name"
    for key, value in sender.labels.items():
        theirs = holder.streams.labels[name].get(key, value)
        if theirs != value:
            return f"stream {name} belongs to {whose}, with {key} {theirs!r}, which is {value!r} here"
    theirs_too = layout.owner_of_any(sender.channel_group)
    if theirs_too is None or (theirs_too == owner and sender.channel_group in layout.channel_groups):
        return None
    return f"stream {name} belongs to {_shown(theirs_too)}"


def _shown(owner: Owner) -> str:
    topic, *keys = (shown_text(part)[:_MAX_SHOWN_LETTERS] for part in owner)
    return f"topic {topic!r}" + (f" with {', '.join(map(repr, keys))} in the payload" if keys else "")
