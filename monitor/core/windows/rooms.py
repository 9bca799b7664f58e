"""Rooms: how far each stream may go on in its ring beyond what is complete; where that is too little, rings grow."""

import numpy as np

from monitor.core.grid.ring_buffers import Rings
from monitor.core.grid.sample_grid import Ints, SampleGrid

# Blocks are cut to what a ring has room for. So rings are widened for long blocks, each up to so many bytes.
_WIDE_RING_BYTES = 64 * 1024


class Rooms:
    """The room in the rings of one model group.

    lookback_samples: what is cut reaches back so far. held_samples: what a ring holds beside a round of new samples.
    round_samples: how long blocks are at most, and a gap that is filled: a round moves a channel by twice as much.
    """

    def __init__(
        self, rings: Rings, grid: SampleGrid, lookback_samples: int, held_samples: int, round_samples: int
    ) -> None:
        self.round_samples = round_samples
        self._rings = rings
        self._grid = grid
        self._lookback_samples = lookback_samples
        self._held_samples = held_samples
        ring_samples = _WIDE_RING_BYTES // (4 * rings.channels) - held_samples - rings.window_length
        self.widest_round_samples = max(round_samples, ring_samples // 2)

    def make_round(self, stream: int, samples: int) -> bool:
        """Give a stream room to take so many samples in one round; whether it has it now.

        Where all channels come together, all is cut at once: the step bounds what is held. Elsewhere it may stay there.
        """
        apart = len(self._grid.groups_of(stream)) > 1
        return self.own_ring(stream, samples + 2 * self.round_samples, backlog=apart)

    def make_room(self, stream: int, samples: int) -> bool:
        """Let a stream go on so far beyond what is complete, if there is memory for such a backlog."""
        return self.own_ring(stream, samples, backlog=True)

    def own_ring(self, stream: int, samples: int, *, backlog: bool) -> bool:
        """Give a stream a ring of its own with so much room; whether there is memory for it.

        backlog: whether that counts against the limit of backlogs.
        """
        heads = self._grid.channel_heads(np.array([stream]))[0]
        wanted = max(self._lookback_samples + samples, self._rings.slots_of(stream))
        if not self._rings.widen_one(stream, wanted, heads, backlog=backlog):
            return False
        self._grid.rooms[stream] = self._rings.slots_of(stream) - self._lookback_samples
        return True

    def narrow(self) -> None:
        """Take rings of their own from streams that have no need of them any more."""
        streams = np.array(self._rings.wide.streams)
        heads = self._grid.channel_heads(streams)
        waiting = heads.max(axis=1) - np.maximum(heads.min(axis=1), self._grid.run_start[streams])
        for at in np.flatnonzero(waiting <= self._grid.room_samples // 2).tolist():
            self._rings.narrow_one(int(streams[at]), heads[at])
            del self._grid.rooms[int(streams[at])]

    def widen(self, block_samples: int) -> None:
        """Let a round take blocks of this length whole, or as much of them as a wide ring can hold."""
        doubled = 1 << (block_samples - 1).bit_length()  # so that lengths that creep up do not move all rings each time
        self.round_samples = min(doubled, self.widest_round_samples)
        newest: Ints = self._grid.channel_heads(np.arange(self._grid.capacity)).max(axis=1)
        self._rings.widen(self._held_samples + 2 * self.round_samples, newest)
        self._grid.room_samples = self._rings.slots - self._lookback_samples
