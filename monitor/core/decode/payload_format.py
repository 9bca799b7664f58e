"""What every format of payloads is: settings that say what payloads carry, and make the decoder for them."""

from abc import ABC, abstractmethod
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from monitor.core.decode.decoded import Decoder


class PayloadFormat(BaseModel, ABC):
    """The settings of one kind of payload. A subclass has a field `kind` that no other has.

    one_channel: whether a payload can carry no more than one channel.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    one_channel: ClassVar[bool] = False

    @property
    @abstractmethod
    def carries_time(self) -> bool:
        """Whether payloads carry the time of their samples; else samples count from their arrival."""

    @abstractmethod
    def decoder(self, channels: int) -> Decoder:
        """Make a decoder of payloads with so many columns; `misfit` has said that they fit."""

    @property
    def key_names(self) -> tuple[str, ...]:
        """The placeholders that payloads give values for: the keys of `Decoded.keys`. Topics give the others."""
        return ()

    def misfit(self, columns: int) -> str | None:
        """Say what is wrong if payloads are to have so many columns, as `key: text`; None: nothing."""
        if self.one_channel and columns != 1:
            return f"kind: it carries one channel, not {columns}"
        return None
