"""The intake: messages to blocks of samples of their streams. It routes, decodes, and counts what is refused.

    MessageBatch -> Router.known -> per source: Decoder.decode -> (Router.settle ->) StreamBlocks

Whole columns are routed at once. Only messages of topics that have no route yet, refused ones and commands are looked
at one by one, and blocks whose channel group is not settled: the first ones of their topic, and all of payloads that
name their streams.

The same messages come to the same, however they are cut into batches: streams are opened by their first blocks, in the
order in which messages come, whether topics or payloads name them. What came before is in its rings when a stream has
to make room for another, and has been opened when a command is applied.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.core.decode.decoded import Decoder
from monitor.core.decode.decoder import decoder_for
from monitor.core.outputs.counters import Counters
from monitor.core.sources.source import SourceSpec
from monitor.core.streams.model_group import ModelGroup
from monitor.core.streams.router import UNSETTLED, Refusal, Route, Router
from monitor.core.streams.unopened import Unopened
from monitor.core.values.discards import Discard, Reason
from monitor.core.values.messages import RETAINED, MessageBatch
from monitor.core.values.snapshots import State, StateError, part_of, typed
from monitor.core.windows.stream_windows import StreamBlocks
from monitor.pipeline.commands import AcceptedCommand, CommandHandler
from monitor.pipeline.part import Part, Refused
from monitor.pipeline.settling import Settling

_STATE_VERSION = 1

UNROUTED = "none"  # the source of messages that no source admits


class TakenIn(NamedTuple):
    """What came of some messages.

    stop: the row behind the last of them. pieces: per source what its messages contribute, and to which model group;
    each piece is to be in the rings before the next is asked for. command: what the last of them asks for; None: it is
    no command.
    """

    stop: int
    pieces: Iterator[list[tuple[ModelGroup, StreamBlocks]]]
    command: AcceptedCommand | None


class Intake:
    """Takes messages in for the model groups behind a router.

    commands: gets the messages that no source admits and that are commands. on_discard: called once per refused message
    with source, topic and reason, and once per stream that makes room for another. evict: forgets such a stream.
    """

    def __init__(
        self,
        sources: Sequence[SourceSpec],
        router: Router,
        max_payload_bytes: int,
        counters: Counters,
        commands: CommandHandler,
        on_discard: Callable[[str, str, Discard], None],
        evict: Callable[[ModelGroup, str], None],
    ) -> None:
        self._sources = sources
        self._router = router
        self._counters = counters
        self._commands = commands
        self._on_discard = on_discard
        self._evict = evict
        self._max_payload_bytes = max_payload_bytes
        self._decoders = self._fresh_decoders()
        self.unopened = Unopened()

    def _fresh_decoders(self) -> list[Decoder]:
        return [
            decoder_for(spec.format, self._router.width(number), self._max_payload_bytes)
            for number, spec in enumerate(self._sources)
        ]

    def snapshot(self) -> State:
        """What decoders keep, by the names of their sources."""
        kept = {spec.name: decoder.snapshot() for spec, decoder in zip(self._sources, self._decoders, strict=True)}
        return {"version": _STATE_VERSION, "sources": {name: state for name, state in kept.items() if state}}

    def restore(self, state: object) -> None:
        """Go on from what another intake of the same sources gave.

        Raises:
            StateError: the state is damaged, or of another version; nothing was changed.

        """
        if typed(part_of(state, "version"), int) != _STATE_VERSION:
            raise StateError("the state of decoders is of another version")
        self._take_over(typed(part_of(state, "sources"), dict[str, dict[str, Any]]))

    def inherit(self, other: "Intake") -> None:
        """Take over the decoders of those sources that have the same settings in another intake."""
        same = {spec.name for spec in self._sources if spec in other._sources}  # noqa: SLF001 - one intake of another
        self._take_over({name: state for name, state in other.snapshot()["sources"].items() if name in same})

    def _take_over(self, states: State) -> None:
        decoders = self._fresh_decoders()
        for spec, decoder in zip(self._sources, decoders, strict=True):
            if spec.name in states:
                decoder.restore(states[spec.name])
        self._decoders = decoders

    def take_in(self, batch: MessageBatch, topic: NDArray[np.int64], start: int) -> TakenIn:
        """Take in the messages from row `start` on, up to the first command that is to be applied.

        topic: int64 [M], the column of the batch.
        """
        routes = self._router.known(batch.topics, topic[start:])
        stop, command, settled = len(topic), None, not (routes < 0).any()
        if not settled and (routes[0] < 0).any():
            unsettled = np.flatnonzero((routes[0] >= 0) & (routes[1] == UNSETTLED))
            first_unsettled = start + int(unsettled[0]) if len(unsettled) else stop
            without_route = np.flatnonzero(routes[0] < 0) + start
            stop, command = self._meet(batch, without_route.tolist(), first_unsettled)
            routes = self._router.known(batch.topics, topic[start:stop])
        parts = list(self._parts_of(batch.slice(start, stop), routes))
        if settled or all(part.channel_group.min(initial=0) >= 0 for part in parts):
            for part in parts:
                for each in part.refused:
                    self._count_unopened(part.source, each)
            pieces = iter([[self._blocks_of(part, None) for part in parts if len(part.channel_group)]])
        else:
            pieces = self._settled_pieces(parts)
        return TakenIn(stop if command is None else stop + 1, pieces, command)

    def _meet(self, batch: MessageBatch, rows: list[int], first_unsettled: int) -> tuple[int, AcceptedCommand | None]:
        """Find routes for messages that have none, and refuse those that get none, in the order in which they came.

        rows: of these messages. first_unsettled: the first row that may open a stream. Ends at a command that is to be
        applied, and at one that could come to something else once earlier messages have opened their streams; returns
        its row, and the command if it was taken; the end of the batch and None where nothing ends it.
        """
        texts = batch.topics.texts
        met: dict[int, Route | Refusal] = {}
        for row in rows:
            number = batch.topic[row]
            found = met.get(number)
            if found is None:
                found = met[number] = self._router.learn(batch.topics, number)
            if isinstance(found, Route):
                if found.channel_group == UNSETTLED:
                    first_unsettled = min(first_unsettled, row)
            elif found[0] is None and self._commands.is_meant(texts[number]):
                if first_unsettled < row:
                    return row, None
                command = self._commands.take(batch.row(row))
                if command is not None:
                    return row, command
            else:
                self._refuse(*found, texts[number])
        return len(batch), None

    def _parts_of(self, batch: MessageBatch, routes: NDArray[np.int64]) -> Iterator[Part]:
        source = routes[0]
        if not len(source):
            return
        if source[0] >= 0 and (source == source[0]).all():
            yield self._decode(int(source[0]), batch, np.arange(len(batch)), routes[1])
            return
        found, first = np.unique(source, return_index=True)
        for number in found[np.argsort(first)].tolist():
            if number >= 0:
                rows = np.flatnonzero(source == number)
                yield self._decode(number, batch.select(rows.tolist()), rows, routes[1, rows])

    def _decode(
        self, source: int, batch: MessageBatch, rows: NDArray[np.int64], channel_groups: NDArray[np.int64]
    ) -> Part:
        """Decode messages of one source. rows, channel_groups: int64 [M]."""
        spec = self._sources[source]
        refused: list[Refused] = []
        self._counters.received[spec.name] += len(batch)
        if not spec.accept_retained and any(flags & RETAINED for flags in set(batch.flags)):
            kept: list[int] = []
            for row, flags in enumerate(batch.flags):
                if flags & RETAINED:
                    discard = Discard(Reason.RETAINED, "of unknown age (accept_retained)")
                    refused.append(_refused(batch, row, rows, channel_groups, discard))
                else:
                    kept.append(row)
            batch, rows, channel_groups = batch.select(kept), rows[kept], channel_groups[kept]
        decoded = self._decoders[source].decode(batch)
        refused += [_refused(batch, row, rows, channel_groups, discard) for row, discard in decoded.refused]
        for each in refused:
            self._discard(source, each.discard, each.topic)
            if each.channel_group >= 0:
                each.count_for(self._router.model_group(source))
        unsettled = [each for each in refused if each.channel_group < 0]
        return Part(source, batch, rows, decoded, channel_groups[decoded.payload], unsettled)

    def _settled_pieces(self, parts: list[Part]) -> Iterator[list[tuple[ModelGroup, StreamBlocks]]]:
        """The blocks of parts of which some have no channel group yet."""
        settling = Settling(self._sources, self._router, parts, self._discard, self._make_room, self._count_unopened)
        for piece in settling.pieces():
            yield [self._blocks_of(part, None if chosen.all() else chosen) for part, chosen in piece]

    def _count_unopened(self, source: int, refused: Refused) -> None:
        """Count a refused message whose topic has no channel group, for the stream that it concerns."""
        concerned = self._router.concerned(source, refused.topic)
        if isinstance(concerned, int):
            refused._replace(channel_group=concerned).count_for(self._router.model_group(source))
        elif concerned is not None:
            spec, topic = self._sources[source], refused.topic
            self.unopened.count(concerned, spec.name, spec.model, topic, refused.discard, refused.arrival_seconds)

    def _make_room(self, model_group: ModelGroup, stream: str, source: int, topic: str) -> None:
        """Evict a stream that has not given a window for that of a topic of a source."""
        why = f"stream {stream} has never given a window: it makes room for another (limits.max_streams)"
        self._evict(model_group, stream)
        self._on_discard(self._name_of(source), topic, Discard(Reason.EVICTED, why, stream))

    def _blocks_of(self, part: Part, chosen: NDArray[np.bool_] | None) -> tuple[ModelGroup, StreamBlocks]:
        """Blocks of a part for its model group. chosen: bool [M], which of the part's; None: all."""
        decoded, channel_group, row = part.decoded, part.channel_group, part.row_of_blocks()
        if chosen is not None:
            decoded, channel_group, row = decoded.select(chosen), channel_group[chosen], row[chosen]
        blocks = StreamBlocks(
            channel_group=channel_group,
            columns=self._router.columns(part.source, channel_group),
            first_time_seconds=decoded.first_time_seconds,
            length=decoded.length,
            arrival_seconds=np.array(part.batch.arrival_seconds)[decoded.payload],
            timed=self._sources[part.source].format.carries_time,
            values=decoded.values,
            row=row,
        )
        return self._router.model_group(part.source), blocks

    def _refuse(self, source: int | None, discard: Discard, topic: str) -> None:
        """Count a message that got no route."""
        self._counters.received[self._name_of(source)] += 1
        self._discard(source, discard, topic)

    def _discard(self, source: int | None, discard: Discard, topic: str) -> None:
        """Count what is refused of a message that is counted."""
        name = self._name_of(source)
        self._counters.discarded[name, discard.reason] += 1
        self._on_discard(name, topic, discard)

    def _name_of(self, source: int | None) -> str:
        return UNROUTED if source is None else self._sources[source].name


def _refused(
    batch: MessageBatch, at: int, rows: NDArray[np.int64], channel_groups: NDArray[np.int64], discard: Discard
) -> Refused:
    """A message of a part that is refused. at: where it stands there. rows, channel_groups: int64 [m]."""
    topic, arrival_seconds = batch.topics.texts[batch.topic[at]], batch.arrival_seconds[at]
    return Refused(int(rows[at]), topic, arrival_seconds, int(channel_groups[at]), discard)
