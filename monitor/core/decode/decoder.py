"""Decoding: the decoder for a source, by the format that its settings name.

Whatever a payload holds, decoding never raises: a bad payload is refused with exactly one reason, and the others of
its run count. The size of a payload is checked here, before anything looks inside.
"""

from dataclasses import replace
from typing import assert_never

from monitor.core.decode.binary_format import BinaryDecoder
from monitor.core.decode.decoded import Decoded, Decoder
from monitor.core.decode.formats import BinaryFormat, CsvFormat, Format, JsonFormat, NumberFormat
from monitor.core.decode.json_format import JsonDecoder
from monitor.core.decode.refusals import Refusals
from monitor.core.decode.text_formats import CsvDecoder, NumberDecoder
from monitor.core.values.discards import Reason


def decoder_for(format: Format, channels: int, max_payload_bytes: int) -> Decoder:  # noqa: A002 - the setting's name
    """Make the decoder of one source.

    channels: how many columns the source's payloads carry, 1 where the topic names the channel.

    Raises:
        ValueError: the format cannot carry so many channels.

    """
    return _SizeChecked(_by_kind(format, channels), max_payload_bytes)


def _by_kind(settings: Format, channels: int) -> Decoder:
    match settings:
        case JsonFormat():
            if settings.fields is not None and len(settings.fields) != channels:
                raise ValueError(f"`fields` names {len(settings.fields)} fields for {channels} channels")
            return JsonDecoder(settings, channels)
        case NumberFormat():
            if channels != 1:
                raise ValueError(f"format `number` carries one channel, not {channels}")
            return NumberDecoder()
        case CsvFormat():
            return CsvDecoder(settings, channels)
        case BinaryFormat():
            return BinaryDecoder(settings, channels)
        case _:
            assert_never(settings)


class _SizeChecked:
    """Refuses payloads with nothing in them and payloads beyond the limit; the rest goes to the decoder proper."""

    def __init__(self, decoder: Decoder, max_payload_bytes: int) -> None:
        self._decoder = decoder
        self._max_payload_bytes = max_payload_bytes

    def decode(self, payloads: list[bytes]) -> Decoded:
        if all(payloads) and max(map(len, payloads), default=0) <= self._max_payload_bytes:
            return self._decoder.decode(payloads)
        refusals = Refusals(payloads)
        for index, payload in enumerate(payloads):
            if not payload:
                refusals.add(index, Reason.EMPTY, "no bytes")
            elif len(payload) > self._max_payload_bytes:
                refusals.add(index, Reason.TOO_LARGE, f"{len(payload)} bytes (limit {self._max_payload_bytes})")
        kept = refusals.kept()
        decoded = self._decoder.decode([payloads[index] for index in kept.tolist()])
        refused = [(int(kept[index]), discard) for index, discard in decoded.refused]
        return replace(
            decoded,
            payload=kept[decoded.payload],
            refused=tuple(sorted([*refusals.as_tuple(), *refused], key=lambda refusal: refusal[0])),
        )
