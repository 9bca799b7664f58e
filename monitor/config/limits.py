"""The section `[limits]`: what keeps the daemon bounded."""

from typing import Annotated

from pydantic import Field

from monitor.settings.section import Section


class LimitsConfig(Section):
    """What keeps the daemon bounded."""

    max_streams: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """Most streams at a time; messages of any further one are refused and counted."""

    max_inbox_messages: Annotated[int, Field(ge=1)] = 100_000
    """Most messages waiting to be processed."""

    max_inbox_bytes: Annotated[int, Field(ge=1024)] = 256 * 1024 * 1024
    """Most payload bytes waiting to be processed."""

    max_payload_bytes: Annotated[int, Field(ge=16)] = 4 * 1024 * 1024
    """A longer payload is refused and counted."""

    max_backlog_bytes: Annotated[int, Field(ge=0)] = 256 * 1024 * 1024
    """Most bytes of samples, for each model, that wait for channels which come later, as after an outage that a gateway
    passes on topic by topic (four bytes for each sample and channel). What comes beyond it is refused and counted."""

    max_channel_series: Annotated[int, Field(ge=0)] = 10_000
    """Most series of `residuald_channel_error`."""
