"""What holds for every decoder, checked on bytes of a fuzzer."""

from typing import Any

import numpy as np
from pydantic import TypeAdapter

from monitor.core.decode.decoded import Decoded
from monitor.core.decode.decoder import decoder_for
from monitor.core.decode.formats import Format
from tests.payloads import batch_of

_SEPARATOR = b"\x00\xff\x00"  # between the payloads of one run
_MAX_PAYLOAD_BYTES = 1000


def check_decoder(settings: list[dict[str, Any]], data: bytes) -> None:
    """Let the first byte choose settings and width, and decode the rest as payloads, together and alone."""
    if not data:
        return
    chosen, channels = settings[data[0] % len(settings)], 1 + data[0] // 64
    if chosen["kind"] == "number":
        channels = 1
    if "fields" in chosen:
        channels = len(chosen["fields"])
    decode = decoder_for(TypeAdapter[Any](Format).validate_python(chosen), channels, _MAX_PAYLOAD_BYTES).decode
    payloads = data[1:].split(_SEPARATOR)
    together = decode(batch_of(payloads))
    _check(together, len(payloads), channels)
    alone = [decode(batch_of([payload])) for payload in payloads]
    assert together.refused == tuple((at, one.refused[0][1]) for at, one in enumerate(alone) if one.refused)
    for name in together.keys or ():
        assert list((together.keys or {})[name]) == [key for one in alone for key in (one.keys or {})[name]]
    np.testing.assert_array_equal(together.values, np.concatenate([one.values for one in alone]))


def _check(decoded: Decoded, payloads: int, channels: int) -> None:
    refused = [index for index, _ in decoded.refused]
    assert refused == sorted(set(refused))
    assert sorted({*decoded.payload.tolist(), *refused}) == list(range(payloads))
    assert not set(decoded.payload.tolist()) & set(refused)
    assert decoded.values.shape == (decoded.length.sum(), channels)
    assert decoded.values.dtype == np.float32
    assert (decoded.length > 0).all()
    # NaN: the payload carries no time; a time is one that can be computed with
    assert not np.isinf(decoded.first_time_seconds).any()
    for values in (decoded.keys or {}).values():
        assert len(values) == len(decoded.length)
        assert all(type(value) is str for value in values)
        "".join(values).encode()  # no half of a surrogate pair: names go out as UTF-8
    for _, discard in decoded.refused:
        assert len(discard.detail) <= 200
        assert discard.detail.isprintable()
