"""How packed samples are laid out."""

from typing import Literal

from pydantic import Field

from monitor.core.decode.binary_format.decoder import BinaryDecoder
from monitor.core.decode.decoded import Decoder
from monitor.core.decode.payload_format import PayloadFormat

_NUMPY_CODES = {"f32": "f4", "f64": "f8", "i16": "i2"}


class BinaryFormat(PayloadFormat):
    """Packed samples: `value = raw * scale + offset`. It carries no timestamp."""

    kind: Literal["binary"]
    """What makes it this format."""

    encoding: Literal["f32", "f64", "i16"]
    """Floating point of 32 or 64 bits, or signed integers of 16 bits."""

    byte_order: Literal["little", "big"] = "little"
    """Of each number."""

    layout: Literal["interleaved", "planar"] = "interleaved"
    """`interleaved` is a b c a b c …, `planar` is a a … b b … c c …"""

    scale: float = Field(default=1.0, allow_inf_nan=False)
    """Units per count, e.g. g per LSB."""

    offset: float = Field(default=0.0, allow_inf_nan=False)
    """Added after scaling."""

    @property
    def carries_time(self) -> bool:
        """It does not."""
        return False

    def decoder(self, channels: int) -> Decoder:
        """Make a decoder of samples with so many channels."""
        dtype = ("<" if self.byte_order == "little" else ">") + _NUMPY_CODES[self.encoding]
        return BinaryDecoder(channels, dtype, self.layout == "planar", self.scale, self.offset)
