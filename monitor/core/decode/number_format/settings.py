"""Payloads that are one plain number: there is nothing to set."""

from typing import ClassVar, Literal

from monitor.core.decode.decoded import Decoder
from monitor.core.decode.number_format.decoder import NumberDecoder
from monitor.core.decode.payload_format import PayloadFormat


class NumberFormat(PayloadFormat):
    """The payload is one plain number as text, e.g. `21.5`. It carries no timestamp."""

    one_channel: ClassVar[bool] = True

    kind: Literal["number"]
    """What makes it this format."""

    @property
    def carries_time(self) -> bool:
        """It does not."""
        return False

    def decoder(self, channels: int) -> Decoder:  # noqa: ARG002 - there is one
        """Make a decoder of payloads with one column."""
        return NumberDecoder()
