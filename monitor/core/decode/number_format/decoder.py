"""Payloads that are one number to blocks of one sample."""

import numpy as np

from monitor.core.decode.decoded import Decoded, Decoder
from monitor.core.decode.numerals import convert_all, numbers_of
from monitor.core.decode.refusals import Refusals
from monitor.core.values.discards import Reason
from monitor.core.values.float32 import to_float32
from monitor.core.values.messages import MessageBatch


class NumberDecoder(Decoder):
    """Decodes payloads that are one plain number each. Never raises on a payload."""

    def decode(self, batch: MessageBatch) -> Decoded:
        """Decode messages of one source; see `Decoded`."""
        payloads = batch.payload
        refusals, index = Refusals(payloads), np.arange(len(payloads))
        try:
            numbers = numbers_of(payloads)
        except ValueError:
            numbers, good = convert_all(numbers_of, list(zip(payloads, strict=True)))
            refusals.add_where(~good, index, Reason.MALFORMED, "not a plain number")
            numbers, index = numbers[good], index[good]
        return Decoded(
            payload=index,
            first_time_seconds=np.full(len(index), np.nan),
            length=np.ones(len(index), dtype=np.int64),
            values=to_float32(numbers.reshape(-1, 1)),
            refused=refusals.as_tuple(),
        )
