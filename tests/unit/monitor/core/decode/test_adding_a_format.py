"""A format is a folder with settings and a decoder, and one line in `formats.py`: here is all that it takes.

`Pairs` are texts such as `17.5 a=1.25 b=3`: a time, and a number for each channel, in order.
"""

from typing import Annotated, Any, Literal

import numpy as np
import pytest
from pydantic import Field, TypeAdapter

from monitor.core.decode.decoded import Decoded, Decoder
from monitor.core.decode.decoder import decoder_for
from monitor.core.decode.formats import Format
from monitor.core.decode.payload_format import PayloadFormat
from monitor.core.decode.refusals import Refusals
from monitor.core.outputs.journal_record import StepRecord, decode_step, encode_step
from monitor.core.sources.source import SourceSpec
from monitor.core.values.discards import Discard, Reason
from monitor.core.values.float32 import to_float32
from monitor.core.values.messages import Message, MessageBatch
from monitor.pipeline.pipeline import Moment, Pipeline, PipelineSettings
from tests.manifests import PERIOD, MeanSquareScorer, manifest_of, model_group_of
from tests.payloads import batch_of

# the settings, in a folder `pairs_format`


class PairsFormat(PayloadFormat):
    """A time, and a number for each channel."""

    kind: Literal["pairs"]

    @property
    def carries_time(self) -> bool:
        return True

    def decoder(self, channels: int) -> Decoder:
        return PairsDecoder(channels)


# the decoder, beside them


class PairsDecoder(Decoder):
    def __init__(self, channels: int) -> None:
        self._channels = channels

    def decode(self, batch: MessageBatch) -> Decoded:
        refusals = Refusals(batch.payload)
        times: list[float] = []
        rows: list[list[float]] = []
        for index, payload in enumerate(batch.payload):
            try:
                time, *pairs = payload.decode().split()
                row = [float(pair.partition("=")[2]) for pair in pairs]
                moment = float(time)
            except ValueError:
                refusals.add(index, Reason.MALFORMED, "not a time and pairs")
                continue
            if len(row) != self._channels:
                refusals.add(index, Reason.WRONG_SHAPE, f"not {self._channels} pairs")
                continue
            times.append(moment)
            rows.append(row)
        return Decoded(
            refusals.kept(),
            np.array(times, np.float64),
            np.ones(len(rows), np.int64),
            to_float32(np.array(rows, np.float64).reshape(-1, self._channels)),
            refusals.as_tuple(),
        )


# the line

WithPairs = Annotated[Format | PairsFormat, Field(discriminator="kind")]


def pipeline_of(settings: Any, refused: list[Discard]) -> Pipeline:
    model_group = model_group_of(manifest_of(("a", "b")))
    spec = SourceSpec.model_validate({"name": "s", "topic": "p/{d}", "model": "m", "format": {"kind": "csv"}})
    spec = spec.model_copy(update={"format": TypeAdapter[Any](WithPairs).validate_python(settings)})

    def refuse(_source: str, _topic: str, discard: Discard) -> None:
        refused.append(discard)

    return Pipeline((spec,), {"m": model_group}, {"m": MeanSquareScorer()}, PipelineSettings(), lambda: 0.0, refuse)


def test_its_settings_are_chosen_by_kind() -> None:
    settings = TypeAdapter[Any](WithPairs).validate_python({"kind": "pairs"})
    decoded = decoder_for(settings, 2, 1000).decode(batch_of([b"17.5 a=1.25 b=3", b"x", b"1 a=2"]))
    assert decoded.first_time_seconds.tolist() == [17.5]
    assert decoded.values.tolist() == [[1.25, 3]]
    assert [(index, discard.reason) for index, discard in decoded.refused] == [
        (1, Reason.MALFORMED),
        (2, Reason.WRONG_SHAPE),
    ]


def test_its_samples_stand_at_their_own_time_and_a_replay_comes_to_the_same() -> None:
    refused: list[Discard] = []
    messages = [Message("p/one", b"%.2f a=%d b=2" % (1000 + n * PERIOD, n), 1003.0) for n in range(8)]
    batch = MessageBatch.of([*messages, Message("p/one", b"?", 1003.0)])
    stored = decode_step(encode_step(StepRecord(1003.0, batch))).messages
    windows = []
    for each in (batch, stored):
        pipeline = pipeline_of({"kind": "pairs"}, refused)
        ((_, scored),) = pipeline.step(each, Moment(1003.0, 0.0), everything=True).scored_batches
        windows.append(scored.windows)
    live, replayed = windows
    assert live.end_seconds.tolist() == pytest.approx([1000 + 7 * PERIOD])
    np.testing.assert_array_equal(live.values, [[[0, 1, 2, 3, 4, 5, 6, 7], [2] * 8]])
    np.testing.assert_array_equal(replayed.values, live.values)
    assert [discard.reason for discard in refused] == [Reason.MALFORMED] * 2


def test_a_format_that_does_not_say_whether_it_carries_time_cannot_be_used() -> None:
    class Silent(PayloadFormat):
        kind: Literal["silent"]

        def decoder(self, channels: int) -> Decoder:
            return PairsDecoder(channels)

    with pytest.raises(TypeError, match="carries_time"):
        Silent(kind="silent")  # type: ignore[abstract]
