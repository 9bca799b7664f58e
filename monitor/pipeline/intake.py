"""The intake: messages to blocks of samples of their streams. It routes, decodes, and counts what is refused.

    MessageBatch -> Router.known -> per source: Decoder.decode -> StreamBlocks

Whole columns are routed at once. Only messages of topics that have no route yet, refused ones and commands are looked
at one by one.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.core.decode.decoded import Decoder
from monitor.core.decode.decoder import decoder_for
from monitor.core.decode.formats import CsvFormat, JsonFormat
from monitor.core.outputs.counters import Counters
from monitor.core.sources.source import SourceSpec
from monitor.core.streams.model_group import ModelGroup
from monitor.core.streams.router import Route, Router
from monitor.core.values.discards import Discard, Reason
from monitor.core.values.messages import RETAINED, MessageBatch
from monitor.core.windows.stream_windows import StreamBlocks
from monitor.pipeline.commands import AcceptedCommand, CommandHandler

UNROUTED = "none"  # the source of messages that no source admits

_ROUTING_REASONS = frozenset({Reason.UNKNOWN_CHANNEL, Reason.BAD_NAME, Reason.STREAM_LIMIT, Reason.STREAM_CONFLICT})


class TakenIn(NamedTuple):
    """What came of some messages.

    stop: the row behind the last of them. blocks: per source what its messages contribute, and to which model group.
    command: what the last of them asks for; None: it is no command.
    """

    stop: int
    blocks: list[tuple[ModelGroup, StreamBlocks]]
    command: AcceptedCommand | None


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
        self._decoders: list[Decoder] = [
            decoder_for(spec.format, router.width(number), max_payload_bytes) for number, spec in enumerate(sources)
        ]

    def take_in(self, batch: MessageBatch, topic: NDArray[np.int64], start: int) -> TakenIn:
        """Take in the messages from row `start` on, up to the first command that is to be applied.

        topic: int64 [M], the column of the batch.
        """
        routes = self._router.known(batch.topics, topic[start:])
        unknown = np.flatnonzero(routes[0] < 0)
        stop, command = len(topic), None
        if len(unknown):
            stop, command = self._meet(batch, (unknown + start).tolist(), stop)
            routes = self._router.known(batch.topics, topic[start:stop])
        part = batch.slice(start, stop)
        blocks = [each for each in self._share_out(part, routes) if each is not None]
        return TakenIn(stop if command is None else stop + 1, blocks, command)

    def _meet(self, batch: MessageBatch, rows: list[int], end: int) -> tuple[int, AcceptedCommand | None]:
        """Find routes for messages that have none, and refuse those that get none, in the order in which they came.

        Whoever comes first opens a stream, or gets the last place for one. Ends at a command that is to be applied;
        returns its row and the command; `end` and None where there is none.
        """
        texts = batch.topics.texts
        met: dict[int, Route | tuple[int | None, Discard]] = {}
        for row in rows:
            number = batch.topic[row]
            found = met.get(number)
            if found is None:
                found = met[number] = self._router.learn(batch.topics, number)
            if isinstance(found, Route):
                continue
            if found[0] is None and self._commands.is_meant(texts[number]):
                command = self._commands.take(batch.row(row))
                if command is not None:
                    return row, command
            else:
                self._refuse(*found, texts[number])
        return end, None

    def _share_out(
        self, batch: MessageBatch, routes: NDArray[np.int64]
    ) -> Iterator[tuple[ModelGroup, StreamBlocks] | None]:
        """Decode messages source by source. routes: int64 [2, M], source and channel group; -1 for what was refused."""
        source = routes[0]
        if not len(source):
            return
        if source[0] >= 0 and (source == source[0]).all():
            yield self._decode(int(source[0]), batch, routes[1])
            return
        found, first = np.unique(source, return_index=True)
        for number in found[np.argsort(first)].tolist():
            if number >= 0:
                rows = np.flatnonzero(source == number)
                yield self._decode(number, batch.select(rows.tolist()), routes[1, rows])

    def _decode(
        self, source: int, batch: MessageBatch, channel_groups: NDArray[np.int64]
    ) -> tuple[ModelGroup, StreamBlocks] | None:
        """Decode messages of one source; None where nothing is left of them. channel_groups: int64 [M]."""
        spec = self._sources[source]
        self._counters.received[spec.name] += len(batch)
        if not spec.accept_retained and any(flags & RETAINED for flags in batch.flags):
            kept: list[int] = []
            for row, flags in enumerate(batch.flags):
                if flags & RETAINED:
                    discard = Discard(Reason.RETAINED, "of unknown age (accept_retained)")
                    self._refuse(source, discard, batch.topics.texts[batch.topic[row]])
                else:
                    kept.append(row)
            batch, channel_groups = batch.select(kept), channel_groups[kept]
        decoded = self._decoders[source].decode(batch.payload)
        for row, discard in decoded.refused:
            self._refuse(source, discard, batch.topics.texts[batch.topic[row]])
        if not len(decoded.length):
            return None
        channel_groups = channel_groups[decoded.payload]
        blocks = StreamBlocks(
            channel_group=channel_groups,
            columns=self._router.columns(source, channel_groups),
            first_time_seconds=decoded.first_time_seconds,
            length=decoded.length,
            arrival_seconds=np.array(batch.arrival_seconds)[decoded.payload],
            timed=_is_timed(spec),
            values=decoded.values,
        )
        return self._router.model_group(source), blocks

    def _refuse(self, source: int | None, discard: Discard, topic: str) -> None:
        name = UNROUTED if source is None else self._sources[source].name
        if source is None or discard.reason in _ROUTING_REASONS:
            self._counters.received[name] += 1
        self._counters.discarded[name, discard.reason] += 1
        self._on_discard(name, topic, discard)


def _is_timed(spec: SourceSpec) -> bool:
    """Whether the source's payloads carry their own time."""
    match spec.format:
        case JsonFormat(timestamp=timestamp):
            return timestamp is not None
        case CsvFormat(time_column=time_column):
            return time_column
        case _:
            return False
