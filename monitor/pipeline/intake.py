"""The intake: messages to blocks of samples of their streams. It routes, decodes, and counts what is refused.

    MessageBatch -> Router.known -> per source: Decoder.decode -> (Router.route_keys ->) StreamBlocks

Whole columns are routed at once. Only messages of topics that have no route yet, refused ones and commands are looked
at one by one, and blocks of payloads that name their streams.

The same messages come to the same, however they are cut into batches: streams are opened in the order in which messages
come, whether topics or payloads name them, and a command meets the streams that were opened before it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.core.decode.decoded import Decoded, Decoder
from monitor.core.decode.decoder import decoder_for
from monitor.core.outputs.counters import Counters
from monitor.core.sources.source import SourceSpec
from monitor.core.streams.model_group import ModelGroup
from monitor.core.streams.router import Refusal, Route, Router
from monitor.core.values.discards import Discard, Reason
from monitor.core.values.messages import RETAINED, MessageBatch
from monitor.core.values.snapshots import State, StateError, part_of, typed
from monitor.core.windows.stream_windows import StreamBlocks
from monitor.pipeline.commands import AcceptedCommand, CommandHandler

_STATE_VERSION = 1

UNROUTED = "none"  # the source of messages that no source admits


class TakenIn(NamedTuple):
    """What came of some messages.

    stop: the row behind the last of them. blocks: per source what its messages contribute, and to which model group.
    command: what the last of them asks for; None: it is no command.
    """

    stop: int
    blocks: list[tuple[ModelGroup, StreamBlocks]]
    command: AcceptedCommand | None


@dataclass(slots=True)
class _Part:
    """Messages of one source, decoded: m of them, M blocks.

    rows: int64 [m], where the messages stand in their batch. channel_group: int64 [M], of each block.
    """

    source: int
    batch: MessageBatch
    rows: NDArray[np.int64]
    decoded: Decoded
    channel_group: NDArray[np.int64]

    def row_of_blocks(self) -> NDArray[np.int64]:
        return self.rows[self.decoded.payload]

    def topics_of_blocks(self) -> list[str]:
        texts, topic = self.batch.topics.texts, self.batch.topic
        return [texts[topic[message]] for message in self.decoded.payload.tolist()]

    def keys_of_blocks(self, names: Sequence[str]) -> list[tuple[str, ...]]:
        columns = self.decoded.keys or {}
        return list(zip(*(columns[name] for name in names), strict=True))


class Intake:
    """Takes messages in for the model groups behind a router.

    commands: gets the messages that no source admits and that are commands. on_discard: called once per refused message
    with source, topic and reason.
    """

    def __init__(
        self,
        sources: Sequence[SourceSpec],
        router: Router,
        max_payload_bytes: int,
        counters: Counters,
        commands: CommandHandler,
        on_discard: Callable[[str, str, Discard], None],
    ) -> None:
        self._sources = sources
        self._router = router
        self._counters = counters
        self._commands = commands
        self._on_discard = on_discard
        self._max_payload_bytes = max_payload_bytes
        self._decoders = self._fresh_decoders()

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
        without_route = routes[0] < 0
        stop, command = len(topic), None
        if without_route.any():
            unknown = np.flatnonzero(without_route)
            named = np.flatnonzero((routes[0] >= 0) & (routes[1] < 0))
            first_named = start + int(named[0]) if len(named) else stop
            stop, command = self._meet(batch, (unknown + start).tolist(), first_named)
            routes = self._router.known(batch.topics, topic[start:stop])
        blocks = self._decode_all(batch.slice(start, stop), routes)
        return TakenIn(stop if command is None else stop + 1, blocks, command)

    def _meet(self, batch: MessageBatch, rows: list[int], first_named: int) -> tuple[int, AcceptedCommand | None]:
        """Find routes for messages that have none, and refuse those that get none, in the order in which they came.

        rows: of these messages. first_named: the first row whose payload names a stream. Ends at a command that is to
        be applied, and at a message that could come to something else once earlier payloads have opened their streams;
        returns its row, and the command if it is one; the end of the batch and None where nothing ends it.
        """
        texts = batch.topics.texts
        met: dict[int, Route | Refusal] = {}
        for row in rows:
            number = batch.topic[row]
            found = met.get(number)
            if found is None:
                if first_named < row and not self._router.remembers(texts[number]):
                    return row, None
                found = met[number] = self._router.learn(batch.topics, number)
            if isinstance(found, Route):
                if self._router.names_in_payload(found.source):
                    first_named = min(first_named, row)
            elif found[0] is None and self._commands.is_meant(texts[number]):
                if first_named < row:
                    return row, None
                command = self._commands.take(batch.row(row))
                if command is not None:
                    return row, command
            else:
                self._refuse(*found, texts[number])
        return len(batch), None

    def _decode_all(self, batch: MessageBatch, routes: NDArray[np.int64]) -> list[tuple[ModelGroup, StreamBlocks]]:
        """Decode messages source by source. routes: int64 [2, M], source and channel group; -1 for what was refused."""
        parts = [part for part in self._parts_of(batch, routes) if len(part.decoded.length)]
        named = [part for part in parts if self._router.names_in_payload(part.source)]
        if named:
            self._route_by_keys(named)
        return [self._blocks_of(part) for part in parts if len(part.decoded.length)]

    def _parts_of(self, batch: MessageBatch, routes: NDArray[np.int64]) -> Iterator[_Part]:
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
    ) -> _Part:
        """Decode messages of one source. rows, channel_groups: int64 [M]."""
        spec = self._sources[source]
        self._counters.received[spec.name] += len(batch)
        if not spec.accept_retained and any(flags & RETAINED for flags in batch.flags):
            kept: list[int] = []
            for row, flags in enumerate(batch.flags):
                if flags & RETAINED:
                    discard = Discard(Reason.RETAINED, "of unknown age (accept_retained)")
                    self._discard_payload(source, discard, batch, row, int(channel_groups[row]))
                else:
                    kept.append(row)
            batch, rows, channel_groups = batch.select(kept), rows[kept], channel_groups[kept]
        decoded = self._decoders[source].decode(batch)
        for row, discard in decoded.refused:
            self._discard_payload(source, discard, batch, row, int(channel_groups[row]))
        return _Part(source, batch, rows, decoded, channel_groups[decoded.payload])

    def _route_by_keys(self, parts: list[_Part]) -> None:
        """Find the channel groups of blocks whose payloads name them, in the order in which the messages came.

        Blocks that get none are refused and taken out.
        """
        blocks = [
            (row, at, block) for at, part in enumerate(parts) for block, row in enumerate(part.row_of_blocks().tolist())
        ]
        if len(parts) > 1:
            blocks.sort()
        keys = [part.keys_of_blocks(self._sources[part.source].format.key_names) for part in parts]
        topics = [part.topics_of_blocks() for part in parts]
        kept = [np.ones(len(part.decoded.length), np.bool_) for part in parts]
        for _, at, block in blocks:
            part, topic = parts[at], topics[at][block]
            found = self._router.route_keys(part.source, topic, keys[at][block])
            if isinstance(found, Discard):
                kept[at][block] = False
                self._discard(part.source, found, topic)
            else:
                part.channel_group[block] = found
        for part, keep in zip(parts, kept, strict=True):
            if not keep.all():
                part.decoded, part.channel_group = part.decoded.select(keep), part.channel_group[keep]

    def _blocks_of(self, part: _Part) -> tuple[ModelGroup, StreamBlocks]:
        decoded = part.decoded
        blocks = StreamBlocks(
            channel_group=part.channel_group,
            columns=self._router.columns(part.source, part.channel_group),
            first_time_seconds=decoded.first_time_seconds,
            length=decoded.length,
            arrival_seconds=np.array(part.batch.arrival_seconds)[decoded.payload],
            timed=self._sources[part.source].format.carries_time,
            values=decoded.values,
            row=part.row_of_blocks(),
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

    def _discard_payload(self, source: int, discard: Discard, batch: MessageBatch, row: int, group: int) -> None:
        """Count a message whose topic leads to a channel group; -1: the payload would have said to which."""
        self._discard(source, discard, batch.topics.texts[batch.topic[row]])
        if group >= 0:
            self._router.model_group(source).inputs.refuse_message(group, discard, batch.arrival_seconds[row])

    def _name_of(self, source: int | None) -> str:
        return UNROUTED if source is None else self._sources[source].name
