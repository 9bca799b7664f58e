"""Settling: the channel groups of blocks that have none yet, in the order in which their messages came.

These are the first blocks of each topic, and all of payloads that name their streams. They may open streams, and where
there are as many as there may be, one that has never given a window makes room. Whether it has is certain once its
blocks are in their rings; so a batch is given in pieces where some of them still wait.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from monitor.core.sources.source import SourceSpec
from monitor.core.streams.model_group import ModelGroup
from monitor.core.streams.router import UNSETTLED, Route, Router
from monitor.core.values.discards import Discard
from monitor.pipeline.part import Part, Refused

_REFUSED = -2  # in place of a channel group

# of a block: the row of its message, its part, its index in the part; of a refused message: likewise, -1 - the index
_Place = tuple[int, int, int]
_Chosen = NDArray[np.bool_]


class Settling:
    """Settles the parts of one batch.

    on_refused: called with source, reason and topic for each block that gets no channel group. make_room: forgets a
    stream of a model group, for one of a source and topic. on_unopened: called with source and message for each refused
    one whose topic has opened no stream.
    """

    def __init__(
        self,
        sources: Sequence[SourceSpec],
        router: Router,
        parts: list[Part],
        on_refused: Callable[[int, Discard, str], None],
        make_room: Callable[[ModelGroup, str, int, str], None],
        on_unopened: Callable[[int, Refused], None],
    ) -> None:
        self._key_names = [sources[part.source].format.key_names for part in parts]
        self._router = router
        self._parts = parts
        self._on_refused = on_refused
        self._make_room = make_room
        self._on_unopened = on_unopened
        self._rows = [part.row_of_blocks() for part in parts]
        self._given = [np.zeros(len(rows), np.bool_) for rows in self._rows]

    def pieces(self) -> Iterator[list[tuple[Part, _Chosen]]]:
        """The blocks that get a channel group, piece by piece: parts, and which of each part's blocks: bool [M].

        A piece has to be in its rings when the next is asked for.
        """
        waiting = sorted(
            [*self._places([part.channel_group == UNSETTLED for part in self._parts]), *self._places_of_refused()]
        )
        done = 0
        while done < len(waiting):
            _, at, block = place = waiting[done]
            part = self._parts[at]
            if block < 0:
                self._count_refused(part.source, part.refused[-1 - block])
                done += 1
                continue
            number, keys = part.names_of(block, self._key_names[at])
            found = self._router.settle(part.source, part.batch.topics, number, keys)
            unproven = self._router.unproven() if found is None else None
            if unproven is not None:
                if any(chosen.any() for chosen in self._of_stream(*unproven, place)):
                    yield self._give_before(place)
                else:
                    later = self._of_stream(*unproven)
                    self._make_room(*unproven, part.source, part.batch.topics.texts[number])
                    waiting[done:] = sorted([*waiting[done:], *self._unsettled(later)])
                continue
            if isinstance(found, Discard):
                self._on_refused(part.source, found, part.batch.topics.texts[number])
            part.channel_group[block] = found if isinstance(found, int) else _REFUSED
            done += 1
        yield self._give_before(None)

    def _places(self, chosen: list[_Chosen]) -> list[_Place]:
        return [
            (row, at, block)
            for at, each in enumerate(chosen)
            for block, row in zip(np.flatnonzero(each).tolist(), self._rows[at][each].tolist(), strict=True)
        ]

    def _places_of_refused(self) -> list[_Place]:
        """Refused messages of topics that may come to a stream before they do."""
        return [
            (refused.row, at, -1 - index)
            for at, part in enumerate(self._parts)
            if not self._key_names[at]
            for index, refused in enumerate(part.refused)
        ]

    def _count_refused(self, source: int, refused: Refused) -> None:
        """Count a refused message for the stream of its topic, where one has been opened by now."""
        route = self._router.route(refused.topic)
        if isinstance(route, Route) and route.channel_group != UNSETTLED:
            refused._replace(channel_group=route.channel_group).count_for(self._router.model_group(source))
        else:
            self._on_unopened(source, refused)

    def _unsettled(self, chosen: list[_Chosen]) -> list[_Place]:
        """Let these blocks, whose stream has made room, be settled anew."""
        for part, each in zip(self._parts, chosen, strict=True):
            part.channel_group[each] = UNSETTLED
        return self._places(chosen)

    def _of_stream(self, model_group: ModelGroup, stream: str, place: _Place | None = None) -> list[_Chosen]:
        """Which blocks of each part are still to be given and go to a stream; place: only those before it."""
        number = model_group.streams.number[stream]
        return [
            self._before(at, place) & (model_group.groups.stream(part.channel_group) == number)
            if self._router.model_group(part.source) is model_group
            else np.zeros(len(part.channel_group), np.bool_)
            for at, part in enumerate(self._parts)
        ]

    def _before(self, at: int, place: _Place | None) -> _Chosen:
        """Which blocks of a part are settled, not given yet, and before a place (None: the end)."""
        rows = self._rows[at]
        chosen = (self._parts[at].channel_group >= 0) & ~self._given[at]
        if place is not None:
            row, _, block = place
            chosen &= (rows < row) | ((rows == row) & (np.arange(len(rows)) < block))
        return chosen

    def _give_before(self, place: _Place | None) -> list[tuple[Part, _Chosen]]:
        given = []
        for at, part in enumerate(self._parts):
            chosen = self._before(at, place)
            if chosen.any():
                self._given[at] |= chosen
                given.append((part, chosen))
        return given
