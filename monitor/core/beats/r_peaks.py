"""Beats: where the R peaks of heart signals are, found while the samples come, for many streams at once.

A band-pass keeps what is as quick as a QRS complex, its slope is rectified and smoothed into an envelope, and
`beat_rules.py` decides which of the envelope's peaks are beats. The rectified slope has no polarity, so an inverted
lead makes no difference. The R peak is then the largest deflection of the lead itself nearby; where a complex has two
of nearly the same size, the sign that was the larger one lately is taken, or beats would jump in their windows.

All filters are recursive and kept between calls, so that the same samples give the same beats, however they come.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import bessel, butter, sosfilt, sosfilt_zi

from monitor.core.beats.beat_rules import BeatRules, BeatRulesState, BeatTimes, Pause, Peak
from monitor.core.grid.ring_buffers import Rings
from monitor.core.grid.sample_grid import Floats, Ints
from monitor.core.values.columns import Columns, column, in_range
from monitor.core.values.snapshots import LARGEST, State, StateError, part_of, typed

QRS_HZ = (8.0, 18.0)  # below lie P and T waves and the baseline's wander, above muscles and mains
ENVELOPE_HZ = 6.0  # joins the slopes of one QRS complex to one peak
LEAST_RATE_HZ = 60.0  # of samples, for the band above
_APEX_SECONDS = 0.1  # R is so close to where the envelope says
_BASELINE_SECONDS = 0.2  # a complex fills less than half of what lies so close; no more than the refractory period
_POLARITY_MEMORY = 0.1  # how much one beat says about the lead's polarity
_POLARITY_WEIGHT = 0.2


class BeatFinder(Columns):
    """Finds beats in the first channel of each stream.

    Raises:
        ValueError: the sample rate is below `LEAST_RATE_HZ`.

    """

    _seen: Ints = column("seen", np.int64)  # the slots before it were looked at
    _run: Ints = column("run", np.int64, -1)  # where the run began that the filters' state belongs to
    _slope_state: Floats = column("slope_state", np.float64, shape=("slope_sections", "two"))
    _smooth_state: Floats = column("smooth_state", np.float64, shape=("smooth_sections", "two"))
    _last_value: Floats = column("last_value", np.float64)
    _last_envelope: Floats = column("last_envelope", np.float64, shape=("two",))
    _polarity: Floats = column("polarity", np.float64)  # from -1, all deflections downwards, to 1

    def __init__(self, sample_period_seconds: float, max_rr_seconds: float, stride_samples: int) -> None:
        rate_hz = 1 / sample_period_seconds
        if rate_hz < LEAST_RATE_HZ:
            raise ValueError(f"beats cannot be found at {rate_hz:g} Hz: it takes {LEAST_RATE_HZ:g} Hz or more")
        band = butter(1, QRS_HZ, "bandpass", fs=rate_hz, output="sos")
        self._slope_filter = np.vstack((band, [1.0, -1.0, 0.0, 1.0, 0.0, 0.0]))
        self._slope_start = sosfilt_zi(self._slope_filter)  # [sections, 2], for a signal that was 1 for ever
        self._smoothing = bessel(2, ENVELOPE_HZ, "lowpass", fs=rate_hz, output="sos", norm="mag")
        self._times = BeatTimes.of(sample_period_seconds, max_rr_seconds, stride_samples)
        self._apex_reach = round(_APEX_SECONDS * rate_hz)
        self._baseline_reach = int(_BASELINE_SECONDS * rate_hz)
        self._delay = self._envelope_delay(round(rate_hz))
        self._rules: list[BeatRules] = []
        super().__init__(slope_sections=len(self._slope_filter), smooth_sections=len(self._smoothing), two=2)

    @property
    def lookback_samples(self) -> int:
        """How far before the newest sample an R peak may lie that is still to be told."""
        return self._times.longest_delay + self._delay + self._baseline_reach

    def open_stream(self, stream: int) -> None:
        """Make room for stream number `stream`; forget who had the number."""
        self.ensure_capacity(stream + 1)
        self.reset(stream)
        self._rules += [BeatRules(self._times) for _ in range(stream + 1 - len(self._rules))]
        self._rules[stream] = BeatRules(self._times)

    def find(self, streams: Ints, run_start: Ints, complete: Ints, rings: Rings) -> Iterator[tuple[int, int, bool]]:
        """Look at what came for some streams and give `(stream, slot of the R peak, True)`, stream by stream.

        `(stream, slot, False)` says that no beat came for the longest RR interval before this slot.
        streams, run_start, complete: int64 [T], which, the first slot after the last gap, and the next slot to come.
        """
        broken = self._run[streams] != run_start
        if broken.any():
            self._start_runs(streams[broken], run_start[broken])
        counts = complete - self._seen[streams]
        for count in np.unique(counts[counts > 0]).tolist():
            alike = streams[counts == count]
            peaks = self._peaks(alike, self._lead(alike, count, rings))
            self._seen[alike] += count
            for stream, found in zip(alike.tolist(), peaks, strict=True):
                # whether the newest sample is a peak is known with the next one
                for event in self._rules[stream].feed(found, int(self._seen[stream]) - 1):
                    if isinstance(event, Pause):
                        yield stream, event.slot, False
                    else:
                        yield stream, self._apex(stream, event.slot - self._delay, rings), True

    def _start_runs(self, streams: Ints, run_start: Ints) -> None:
        self._run[streams] = self._seen[streams] = run_start
        self._smooth_state[streams] = 0
        self._last_envelope[streams] = 0
        self._last_value[streams] = np.nan
        for stream, slot in zip(streams.tolist(), run_start.tolist(), strict=True):
            self._rules[stream].start(slot)

    def _lead(self, streams: Ints, count: int, rings: Rings) -> Floats:
        """The next `count` samples [T, count] of the lead; what is no number repeats the last one that was."""
        lead = rings.stretches(streams, 0, self._seen[streams] + count, count).astype(np.float64)
        strange = ~np.isfinite(lead)
        fresh = np.isnan(self._last_value[streams])
        if strange.any():
            before = np.where(fresh, 0.0, self._last_value[streams])
            lead = np.column_stack((before, lead))
            known = np.where(np.column_stack((np.zeros(len(lead), np.bool_), strange)), 0, np.arange(count + 1))
            lead = np.take_along_axis(lead, np.maximum.accumulate(known, axis=1), axis=1)[:, 1:]
        if fresh.any():
            self._slope_state[streams[fresh]] = self._slope_start * lead[fresh, 0, None, None]
        self._last_value[streams] = lead[:, -1]
        return lead

    def _peaks(self, streams: Ints, lead: Floats) -> list[list[Peak]]:
        """The envelope's local maxima, by stream."""
        slope, state = sosfilt(self._slope_filter, lead, zi=self._slope_state[streams].transpose(1, 0, 2))
        self._slope_state[streams] = state.transpose(1, 0, 2)
        envelope, state = sosfilt(self._smoothing, np.abs(slope), zi=self._smooth_state[streams].transpose(1, 0, 2))
        self._smooth_state[streams] = state.transpose(1, 0, 2)
        envelope = np.column_stack((self._last_envelope[streams], envelope))
        self._last_envelope[streams] = envelope[:, -2:]
        first = self._seen[streams] - 1  # the slot of the first that can be a maximum
        is_peak = (envelope[:, 1:-1] > envelope[:, :-2]) & (envelope[:, 1:-1] >= envelope[:, 2:])
        peaks: list[list[Peak]] = [[] for _ in first]
        row, column = np.nonzero(is_peak)
        height = envelope[row, column + 1]
        for stream, slot, high in zip(row.tolist(), (first[row] + column).tolist(), height.tolist(), strict=True):
            peaks[stream].append(Peak(slot, high))
        return peaks

    def _apex(self, stream: int, slot: int, rings: Rings) -> int:
        """The slot of the dominant deflection near `slot`."""
        first = max(slot - self._baseline_reach, int(self._run[stream]))
        end = slot + self._baseline_reach + 1
        near = rings.stretches(np.array([stream]), 0, np.array([end]), end - first)[0].astype(np.float64)
        known = np.isfinite(near)
        if not known.any():
            return slot
        near[~known] = np.median(near[known])
        near -= np.median(near)
        start = max(slot - self._apex_reach - first, 0)
        near = near[start : slot + self._apex_reach + 1 - first]
        upwards, downwards = float(near.max()), float(-near.min())
        polarity = float(self._polarity[stream])
        if upwards + downwards > 0:
            says = (upwards - downwards) / (upwards + downwards)
            self._polarity[stream] += _POLARITY_MEMORY * (says - polarity)
        lean = _POLARITY_WEIGHT * polarity
        peak = near.argmax() if upwards * (1 + lean) >= downwards * (1 - lean) else near.argmin()
        return first + start + int(peak)

    def _envelope_delay(self, count: int) -> int:
        """How many samples after an R peak the envelope is highest."""
        impulse = np.zeros(count)
        impulse[0] = 1.0
        envelope: NDArray[np.float64] = sosfilt(self._smoothing, np.abs(sosfilt(self._slope_filter, impulse)))
        return int(envelope.argmax())

    def snapshot(self, streams: Ints) -> State:
        """What is known of these streams, to be kept. streams: int64 [T]."""
        return super().snapshot(streams) | {"rules": [self._rules[stream].snapshot() for stream in streams.tolist()]}

    def schema(self) -> list[Any]:
        """What a snapshot is made of, as plain values."""
        return [super().schema(), BeatRulesState.__struct_fields__]

    def check(self, state: object, count: int) -> None:
        """See whether `state` is a snapshot of `count` streams; raises StateError if it is not."""
        super().check(state, count)
        in_range(part_of(state, "seen"), 0, LARGEST)
        rules = typed(part_of(state, "rules"), list[BeatRulesState])
        if len(rules) != count:
            raise StateError("rules of other streams")
        # all that was due before the newest sample was decided: what is overdue for ever would be told without end
        decided = part_of(state, "seen") - 1
        pauses = np.array([kept.next_pause for kept in rules], np.int64)
        learnt = np.array(
            [LARGEST if kept.beat_heights else kept.begin + self._times.learning for kept in rules], np.int64
        )
        in_range(np.minimum(pauses, learnt) - decided, 0, LARGEST)

    def restore(self, streams: Ints, state: State) -> None:
        """Give streams that are open what a snapshot that passes `check` says. streams: int64 [T]."""
        super().restore(streams, state)
        for stream, kept in zip(streams.tolist(), state["rules"], strict=True):
            self._rules[stream].restore(kept)
