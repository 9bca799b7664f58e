"""The layout of a stream: which of its channels arrive together, and what each channel group belongs to.

A channel group belongs to the topic that brought it first (with the keys of the payload, where those name streams or
channels) until the stream is forgotten. Nobody else may write to it: a device with rights on its own topic could
otherwise forge what another one measures. Channels that nothing has come for belong to nobody yet, and arrive as the
first topic for them has it: so what sources could bring, and do not, decides nothing.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

Owner: TypeAlias = tuple[str, ...]  # a topic, and the keys of its payload


@dataclass(slots=True)
class StreamLayout:
    """The channel groups of one stream, as lists of channel numbers; owners: by the first channel of the group."""

    channel_groups: list[list[int]]
    owners: dict[int, Owner] = field(default_factory=dict)

    def owner_of_any(self, channels: list[int]) -> Owner | None:
        """What one of these channels belongs to; None: they are free."""
        return next(
            (
                self.owners[group[0]]
                for group in self.channel_groups
                if group[0] in self.owners and not set(channels).isdisjoint(group)
            ),
            None,
        )

    @property
    def first_owner(self) -> Owner | None:
        """What the stream was opened by, or the first that came for it since; None: nothing has come yet."""
        return next(iter(self.owners.values()), None)

    def with_channel_group(self, channel_group: list[int]) -> list[list[int]]:
        """The channel groups if these channels, which are free, arrive together."""
        if channel_group in self.channel_groups:
            return self.channel_groups
        owned = [group for group in self.channel_groups if group[0] in self.owners]
        taken = {channel for group in [*owned, channel_group] for channel in group}
        free = sorted(channel for group in self.channel_groups for channel in group if channel not in taken)
        return [*owned, channel_group, *([channel] for channel in free)]


def beginning_with(channel_group: list[int], channels: int) -> list[list[int]]:
    """The channel groups of a stream of so many channels while only one of them has come."""
    return [channel_group, *([channel] for channel in range(channels) if channel not in channel_group)]
