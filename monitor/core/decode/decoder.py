"""Decoding: the decoder for a source, by the format that its settings name.

Whatever a payload holds, decoding never raises: a bad payload is refused with exactly one reason, and the others of
its run count. The size of a payload is checked here, before anything looks inside.
"""

from dataclasses import replace

from monitor.core.decode.decoded import Decoded, Decoder
from monitor.core.decode.payload_format import PayloadFormat
from monitor.core.decode.refusals import Refusals
from monitor.core.values.discards import Reason
from monitor.core.values.messages import MessageBatch
from monitor.core.values.snapshots import State


def decoder_for(format: PayloadFormat, channels: int, max_payload_bytes: int) -> Decoder:  # noqa: A002 - its name
    """Make the decoder of one source.

    channels: how many columns the source's payloads carry, 1 where the topic or the payload names the channel.

    Raises:
        ValueError: the format cannot carry so many channels.

    """
    misfit = format.misfit(channels)
    if misfit is not None:
        raise ValueError(f"format.{misfit}")
    return _SizeChecked(format.decoder(channels), max_payload_bytes)


class _SizeChecked(Decoder):
    """Refuses payloads with nothing in them and payloads beyond the limit; the rest goes to the decoder proper."""

    def __init__(self, decoder: Decoder, max_payload_bytes: int) -> None:
        self._decoder = decoder
        self._max_payload_bytes = max_payload_bytes

    def decode(self, batch: MessageBatch) -> Decoded:
        payloads = batch.payload
        if all(payloads) and max(map(len, payloads), default=0) <= self._max_payload_bytes:
            return self._decoder.decode(batch)
        refusals = Refusals(payloads)
        for index, payload in enumerate(payloads):
            if not payload:
                refusals.add(index, Reason.EMPTY, "no bytes")
            elif len(payload) > self._max_payload_bytes:
                refusals.add(index, Reason.TOO_LARGE, f"{len(payload)} bytes (limit {self._max_payload_bytes})")
        kept = refusals.kept()
        decoded = self._decoder.decode(batch.select(kept.tolist()))
        refused = [(int(kept[index]), discard) for index, discard in decoded.refused]
        return replace(
            decoded,
            payload=kept[decoded.payload],
            refused=tuple(sorted([*refusals.as_tuple(), *refused], key=lambda refusal: refusal[0])),
        )

    def snapshot(self) -> State:
        return self._decoder.snapshot()

    def restore(self, state: State) -> None:
        self._decoder.restore(state)
