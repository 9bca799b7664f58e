"""Routing: from a topic to the channel group of a stream. New topics are admitted once, then found in a dictionary.

A stream is laid out when its first message comes: the source that brought it says which channels arrive together; other
sources of the same model bring the channels that are still missing.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitor.core.sources.source import SourceSpec
from monitor.core.sources.topics import CHANNEL, fill_template
from monitor.core.streams.model_group import ModelGroup
from monitor.core.streams.routes_by_number import RoutesByNumber
from monitor.core.values.discards import Discard, Reason
from monitor.core.values.messages import TopicTable
from monitor.core.values.names import is_name

# What became of a topic is remembered, to be quick the next time. Since topics can be invented without end, too many
# are forgotten all at once, and long ones that are refused are not remembered at all.
_MAX_REMEMBERED = 10_000
_MAX_REFUSED_LETTERS = 1024
_MAX_LABEL_LETTERS = 128  # of a placeholder that is not part of the name; as many as a name may have
# reasons that may no longer hold when the topic comes again
_PASSING = frozenset({Reason.STREAM_LIMIT, Reason.STREAM_CONFLICT})


class Route(NamedTuple):
    """Where a topic's messages go: source by its index, channel group by its number in the source's model group."""

    source: int
    channel_group: int


Refusal: TypeAlias = tuple[int | None, Discard]  # the source (None: no source admits the topic) and why

_NAMED_IN_PAYLOAD = -1  # in place of a channel group

# What leads to a route: a topic; or a source by its index, a topic and what a payload names
_Place: TypeAlias = str | tuple[int | str, ...]


class _Inlet:
    """One source, prepared: its pattern, its model group, and which channels its messages carry."""

    def __init__(self, spec: SourceSpec, model_group: ModelGroup) -> None:
        self.spec = spec
        self.model_group = model_group
        self.pattern = spec.pattern
        self.key_names = spec.format.key_names
        self.has_channel = spec.has_channel
        self.template = spec.stream_template
        numbers = {name: number for number, name in enumerate(model_group.measured)}
        self.columns = {name: numbers[name] for name in spec.channels or model_group.measured}
        self.column_row = np.array([list(self.columns.values())])  # [1, C']

    @property
    def channel_groups(self) -> list[list[int]]:
        """The channel numbers that arrive together, channel group by channel group."""
        columns = list(self.columns.values())
        return [[column] for column in columns] if self.has_channel else [columns]

    @property
    def width(self) -> int:
        """How many columns a payload has."""
        return 1 if self.has_channel else len(self.columns)


class Router:
    """Topics to routes, over all sources.

    Raises:
        KeyError: a source names a channel or model that is not there (the config check says so in words first).

    """

    def __init__(self, sources: tuple[SourceSpec, ...], model_groups: dict[str, ModelGroup], max_streams: int) -> None:
        self._inlets = [_Inlet(spec, model_groups[spec.model]) for spec in sources]
        self._model_groups = model_groups
        self._max_streams = max_streams
        most_channels = max((len(model_group.measured) for model_group in model_groups.values()), default=1)
        self._max_routes = max(_MAX_REMEMBERED, max_streams * most_channels)
        self._routes: dict[_Place, Route] = {}
        self._refused: dict[_Place, Refusal] = {}
        self._by_number = RoutesByNumber()
        self._owner: dict[str, str] = {}  # stream -> model
        self._places: dict[str, list[_Place]] = {}  # stream -> what leads to it

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
        `learn` was not asked for, or that it refused. The channel group is -1 as well where the payload names it.
        """
        return self._by_number.look_up(topics, numbers)

    def learn(self, topics: TopicTable, number: int) -> Route | Refusal:
        """Find the route of a topic, as `route` does, for `known` to look it up. number: of the topic in the table."""
        found = self.route(topics.texts[number])
        if isinstance(found, Route):
            self._by_number.note(topics, number, found)
        return found

    def remembers(self, topic: str) -> bool:
        """Whether `route` gives the same for a topic whatever streams have been opened since it was asked."""
        return topic in self._routes or topic in self._refused

    def names_in_payload(self, source: int) -> bool:
        """Whether payloads of a source name streams or channels: `route` leads to the source, `route_keys` further."""
        return bool(self._inlets[source].key_names)

    def route_keys(self, source: int, topic: str, keys: tuple[str, ...]) -> int | Discard:
        """The channel group of a block, or the reason for refusing it.

        keys: what the payload names, in the order of `SourceSpec.format.key_names`.
        """
        place: _Place = (source, topic, *keys)
        found = self._routes.get(place)
        if found is not None:
            return found.channel_group
        refused = self._refused.get(place)
        if refused is not None:
            return refused[1]
        inlet = self._inlets[source]
        values = (inlet.pattern.match(topic) or {}) | dict(zip(inlet.key_names, keys, strict=True))
        admitted = self._admit_to_stream(source, place, values)
        if isinstance(admitted, Route):
            return admitted.channel_group
        self._remember_refusal(place, (source, admitted))
        return admitted

    def route(self, topic: str) -> Route | Refusal:
        """The route of a topic, or the source (None: no source admits it) and the reason for refusing it."""
        found = self._routes.get(topic)
        return found if found is not None else self._admit(topic)

    def _admit(self, topic: str) -> Route | Refusal:
        known = self._refused.get(topic)
        if known is not None:
            return known
        result: Refusal = None, Discard(Reason.UNKNOWN_TOPIC, "no source admits the topic")
        for number, inlet in enumerate(self._inlets):
            values = inlet.pattern.match(topic)
            if values is not None:
                admit = self._admit_to_source if inlet.key_names else self._admit_to_stream
                admitted = admit(number, topic, values)
                if isinstance(admitted, Route):
                    return admitted
                result = number, admitted
                if admitted.reason is not Reason.UNKNOWN_CHANNEL:
                    break
        self._remember_refusal(topic, result)
        return result

    def _remember_refusal(self, place: _Place, refusal: Refusal) -> None:
        letters = len(place) if isinstance(place, str) else sum(len(str(part)) for part in place)
        if refusal[1].reason not in _PASSING and letters <= _MAX_REFUSED_LETTERS:
            if len(self._refused) >= _MAX_REMEMBERED:
                self._refused.clear()
            self._refused[place] = refusal

    def _remember_route(self, place: _Place, route: Route) -> None:
        if len(self._routes) >= self._max_routes:
            self._routes.clear()
            self._places = {stream: [] for stream in self._places}
        self._routes[place] = route

    def _admit_to_source(self, number: int, topic: str, values: dict[str, str]) -> Route | Discard:
        """Let a topic lead to a source whose payloads say the rest."""
        unfit = _unfit(values)
        if unfit is not None:
            return unfit
        route = Route(number, _NAMED_IN_PAYLOAD)
        self._remember_route(topic, route)
        return route

    def _admit_to_stream(self, number: int, place: _Place, values: dict[str, str]) -> Route | Discard:
        inlet = self._inlets[number]
        channel = values.get(CHANNEL)
        if channel is not None and channel not in inlet.columns:
            return Discard(Reason.UNKNOWN_CHANNEL, f"source {inlet.spec.name} has no such channel")
        name = fill_template(inlet.template, values)
        if not is_name(name):
            return Discard(Reason.BAD_NAME, "stream names are made of letters, digits and _ . : -")
        unfit = _unfit(values)
        if unfit is not None:
            return unfit
        channel_group = list(inlet.columns.values()) if channel is None else [inlet.columns[channel]]
        if name not in self._owner:
            if len(self._owner) >= self._max_streams:
                return Discard(
                    Reason.STREAM_LIMIT, f"there are {self._max_streams} streams already (limits.max_streams)"
                )
            self._open(name, inlet, {key: value for key, value in values.items() if key != CHANNEL})
        if self._owner[name] != inlet.model_group.name or channel_group not in inlet.model_group.channel_groups[name]:
            return Discard(Reason.STREAM_CONFLICT, f"stream {name} is already fed by another source")
        stream = inlet.model_group.streams.number[name]
        route = Route(number, inlet.model_group.groups.number(stream, channel_group[0]))
        self._remember_route(place, route)
        self._places[name].append(place)
        return route

    def _open(self, name: str, inlet: _Inlet, labels: dict[str, str]) -> None:
        channel_groups = list(inlet.channel_groups)
        covered = {column for channel_group in channel_groups for column in channel_group}
        for other in self._inlets:
            if other.model_group is inlet.model_group:
                fresh = [
                    channel_group for channel_group in other.channel_groups if not covered.intersection(channel_group)
                ]
                channel_groups += fresh
                covered.update(column for channel_group in fresh for column in channel_group)
        inlet.model_group.open_stream(name, labels, channel_groups)
        self._owner[name] = inlet.model_group.name
        self._places[name] = []

    def sources_of(self, stream: str) -> list[str]:
        """The names of the sources that feed a stream, as far as its topics are remembered."""
        numbers = {self._routes[place].source for place in self._places.get(stream, ())}
        return [self._inlets[number].spec.name for number in sorted(numbers)]

    def find_streams(self) -> None:
        """Take over the streams that the model groups have; their topics are found again when they come."""
        self._owner = {
            stream: model_group.name
            for model_group in self._model_groups.values()
            for stream in model_group.streams.number
        }
        self._places = {stream: [] for stream in self._owner}
        self._by_number.clear()

    def forget(self, name: str) -> None:
        """Drop all routes of a stream that was closed."""
        self._by_number.clear()
        for place in self._places.pop(name, ()):
            del self._routes[place]
        self._owner.pop(name, None)


def _unfit(values: dict[str, str]) -> Discard | None:
    """Why values of placeholders can be no labels."""
    if max(map(len, values.values()), default=0) > _MAX_LABEL_LETTERS:
        return Discard(Reason.BAD_NAME, f"a placeholder is longer than {_MAX_LABEL_LETTERS} letters")
    if any("\0" in value for value in values.values()):
        return Discard(Reason.BAD_NAME, "a placeholder holds a NUL character")
    return None
