"""Beats: where the R peaks of heart signals are, found while the samples come, for many streams at once.

A band-pass keeps what is as quick as a QRS complex, its slope is rectified and smoothed into an envelope, and
`beat_rules.py` decides which of the envelope's peaks are beats. The rectified slope has no polarity, so an inverted
lead makes no difference. The R peak is then the largest deflection of the lead itself nearby; where a complex has two
of nearly the same size, the sign that was the larger one lately is taken, or beats would jump in their windows.

All filters are recursive and kept between calls, so that the same samples give the same beats, however they come.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.signal import bessel, butter, sosfilt, sosfilt_zi

from monitor.core.beats.beat_rules import BeatRules, BeatTimes, Pause, Peak
from monitor.core.grid.ring_buffers import Rings
from monitor.core.grid.sample_grid import Floats, Ints
from monitor.core.values.growable import grown
from monitor.core.values.snapshots import State, arrays_of, put_arrays

QRS_HZ = (8.0, 18.0)  # below lie P and T waves and the baseline's wander, above muscles and mains
ENVELOPE_HZ = 6.0  # joins the slopes of one QRS complex to one peak
LEAST_RATE_HZ = 60.0  # of samples, for the band above
_APEX_SECONDS = 0.1  # R is so close to where the envelope says
_BASELINE_SECONDS = 0.2  # a complex fills less than half of what lies so close; no more than the refractory period
_POLARITY_MEMORY = 0.1  # how much one beat says about the lead's polarity
_POLARITY_WEIGHT = 0.2

_KEPT = ("_seen", "_run", "_slope_state", "_smooth_state", "_last_value", "_last_envelope", "_polarity")


class BeatFinder:
    """Finds beats in the first channel of each stream.

    Raises:
        ValueError: the sample rate is below `LEAST_RATE_HZ`.

    """

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
        self._seen: Ints = np.zeros(0, np.int64)  # the slots before it were looked at
        self._run: Ints = np.zeros(0, np.int64)  # where the run began that the filters' state belongs to
        self._slope_state: Floats = np.zeros((0, *self._slope_start.shape))
        self._smooth_state: Floats = np.zeros((0, len(self._smoothing), 2))
        self._last_value: Floats = np.zeros(0)
        self._last_envelope: Floats = np.zeros((0, 2))
        self._polarity: Floats = np.zeros(0)  # from -1, all deflections downwards, to 1

    @property
    def lookback_samples(self) -> int:
        """How far before the newest sample an R peak may lie that is still to be told."""
        return self._times.longest_delay + self._delay + self._baseline_reach

    def open_stream(self, stream: int) -> None:
        """Make room for stream number `stream`; forget who had the number."""
        for name in _KEPT:
            setattr(self, name, grown(getattr(self, name), stream + 1, 0))
        self._rules += [BeatRules(self._times) for _ in range(stream + 1 - len(self._rules))]
        self._rules[stream] = BeatRules(self._times)
        self._run[stream] = -1
        self._polarity[stream] = 0

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

    def snapshot(self) -> State:
        """Everything, to be kept."""
        return {"rules": [rules.snapshot() for rules in self._rules], **arrays_of(self, _KEPT)}

    def restore(self, state: State) -> None:
        """Be as the one was that gave this state."""
        put_arrays(self, _KEPT, state)
        self._rules = [BeatRules(self._times) for _ in state["rules"]]
        for rules, kept in zip(self._rules, state["rules"], strict=True):
            rules.restore(kept)
