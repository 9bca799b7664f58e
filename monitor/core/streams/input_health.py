"""What is wrong with what streams are sent: clocks that are off, other sampling rates, samples and messages refused."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.core.scoring.quality import Quality
from monitor.core.streams.clock_offset import ClockOffsets
from monitor.core.streams.hints import incomplete_hint, rate_hint, refusal_hint
from monitor.core.streams.notices import Notice, NoticeLimit
from monitor.core.streams.sample_rates import RateVerdict, SampleRates
from monitor.core.streams.stream_discards import StreamDiscards
from monitor.core.streams.stream_table import StreamTable
from monitor.core.streams.unmeasured_blocks import UnmeasuredBlocks
from monitor.core.values.discards import OF_SAMPLES, Discard, Reason
from monitor.core.windows.stream_windows import StreamBlocks, StreamWindows

Ints = NDArray[np.int64]
_MOST_NOTICES = 100  # that wait to be taken


class InputHealth:
    """The input of the streams of one model group.

    windows: which accept samples, or refuse them. streams: their names. channels: what sources deliver.
    """

    def __init__(self, windows: StreamWindows, streams: StreamTable, channels: tuple[str, ...]) -> None:
        grid = windows.grid
        rules = grid.rules
        self.clocks = ClockOffsets()
        self.rates = SampleRates(grid.groups, rules.sample_period_seconds, rules.max_ahead_seconds)
        self.discards = StreamDiscards(grid.groups)
        self._unmeasured = UnmeasuredBlocks(grid.groups, rules.sample_period_seconds)
        self._grid = grid
        self._progress = windows.progress
        self._alignment = windows.alignment
        self._streams = streams
        self._channels = channels
        self._limit = NoticeLimit()
        self._notices: list[Notice] = []
        self._notices_left_out = 0  # since the last call

    def open_stream(self, stream: int) -> None:
        """Know nothing of a stream number any more."""
        self.settle()
        self._unmeasured.open_stream(stream)
        self.clocks.forget(stream)
        self.rates.open_stream(stream)
        self.discards.open_stream(stream)

    def observe(self, blocks: StreamBlocks) -> None:
        """Take in what came, before the grid looks at it."""
        if self._unmeasured.add(blocks):
            self.settle()

    def settle(self) -> None:
        """Measure clocks and rates by all that came; to be called once a second, too, since nothing more may come."""
        for blocks in self._unmeasured.take():
            if blocks.timed:
                streams, arrivals = self._grid.groups.stream(blocks.channel_group), blocks.arrival_seconds
                self.clocks.observe(streams, blocks.end_seconds - arrivals, arrivals)
            for verdict in self.rates.observe(blocks):
                self._notice_rate(verdict)

    def count_refused(self, refused: Counter[tuple[int, Reason]], parts: Sequence[StreamBlocks]) -> None:
        """Count what the grid refused of these blocks, by channel group and reason."""
        arrivals: dict[int, float] = {}  # of the last block of each channel group
        for blocks in parts:
            arrivals.update(zip(blocks.channel_group.tolist(), blocks.arrival_seconds.tolist(), strict=True))
        for (group, reason), samples in refused.items():
            arrival = arrivals[group]
            self.discards.add(group, reason, samples, arrival, float(self._grid.accepted_seconds[group]))
            self._notice_refused(group, arrival)

    def refuse_message(self, group: int, discard: Discard, arrival_seconds: float) -> None:
        """Count a message of a channel group that was refused before it came to samples."""
        self.discards.add_message(group, discard, arrival_seconds, float(self._grid.accepted_seconds[group]))

    def refusing(self, streams: Ints, now_seconds: float, silent_after_seconds: float) -> NDArray[np.bool_]:
        """Streams that send, on some channel, nothing but what is refused: bool [T]. streams: int64 [T]."""
        since = now_seconds - silent_after_seconds
        by_channel = self.discards.refusing(self._grid.accepted_seconds, streams, since)
        return np.asarray(by_channel.any(axis=1))

    def wrong_rate_of(self, stream: int) -> str | None:
        """What is to be done about the sampling rate of a stream; None: it is the model's, as far as it is known."""
        self.settle()
        if not self.rates.wrong(np.array([stream]), np.array([np.inf]))[0]:
            return None
        ratio = float(self.rates.ratios(np.array([stream]))[0])
        return rate_hint(ratio, self._grid.rules.sample_period_seconds, self.rates.tolerance)

    def why(self, stream: int, quality: Quality) -> dict[str, str]:
        """What is behind the quality of a stream, as far as there is more to say.

        `reason`: why all that it sends is refused; `hint`: what may be behind that, or is to be done about its rate;
        `incomplete`: the channels that keep its windows from being completed.
        """
        found: dict[str, str | None] = {}
        if quality is Quality.REFUSED:
            found = self._refusal_of(stream)
        elif quality is Quality.WRONG_RATE:
            found = {"hint": self.wrong_rate_of(stream)}
        elif quality is Quality.INCOMPLETE:
            found = self._incomplete_of(stream)
        return {key: text for key, text in found.items() if text is not None}

    def notice_incomplete(self, stream: int) -> None:
        """Tell that a stream receives samples and completes no window."""
        self._notice("samples come and no window is completed: withheld", stream, self._incomplete_of(stream))

    def notice_clocks(self) -> None:
        """Tell of channels whose times are taken otherwise from now on."""
        for group, before, offset in self._alignment.take_changes():
            stream = self._grid.groups.stream(group)
            mine = np.flatnonzero(self._grid.channel_groups_of(np.array([stream]))[0] == group).tolist()
            fields = {
                "channels": ", ".join(self._channels[channel] for channel in mine),
                "offset_seconds": round(offset, 3),
                "before_seconds": round(before, 3),
            }
            if offset:
                found = "ahead of" if offset > 0 else "behind"
                event = f"a clock is {found} those of the other channels: its times are corrected"
            else:
                event = "a clock is right again: its times are taken as they are"
            self._notice(event, stream, fields)

    def _incomplete_of(self, stream: int) -> dict[str, str | None]:
        groups = self._grid.groups_of(stream)
        by_group = self._progress.stored(groups)
        least = groups[int(by_group.argmin())]
        stored, most = int(by_group.min()), int(self._progress.received[groups].max())
        mine = np.flatnonzero(self._grid.channel_groups_of(np.array([stream]))[0] == least).tolist()
        channels = ", ".join(self._channels[channel] for channel in mine)
        apart, behind = len(groups) > 1, -self._alignment.ahead_seconds(least)
        return {"incomplete": channels if apart else None, "hint": incomplete_hint(stored, most, behind, apart=apart)}

    def _refusal_of(self, stream: int) -> dict[str, str | None]:
        refusing = self.discards.refusing(self._grid.accepted_seconds, np.array([stream]), -np.inf)[0]
        if not refusing.any():
            return {}
        channel = int(refusing.argmax())
        reason, hint = self._last_refusal(self._grid.groups.number(stream, channel))
        if len(self._grid.groups_of(stream)) > 1:
            hint = f"channel {self._channels[channel]}: {hint or reason.value}"
        return {"reason": reason.value, "hint": hint}

    def take_notices(self) -> list[Notice]:
        """What there is to tell since the last call."""
        if not self._notices:
            return []
        left_out = self._limit.take_left_out()
        if left_out:
            self._notices.append(Notice("samples of further streams are refused", {"streams": left_out}))
        if self._notices_left_out:
            self._notices.append(Notice("there is more to tell of streams", {"notices": self._notices_left_out}))
            self._notices_left_out = 0
        taken, self._notices = self._notices, []
        return taken

    def refused_of(self, stream: int) -> list[tuple[Reason, int, str | None]]:
        """All that was refused of a stream: why, how much, and what may be behind it."""
        hints: dict[Reason, str | None] = {}
        for group in self._grid.groups_of(stream).tolist():
            reason, hint = self._last_refusal(group)
            hints[reason] = hint or hints.get(reason)
        return [(reason, count, hints.get(reason)) for reason, count in self.discards.totals(stream)]

    def adjust_for_clock_step(self, seconds: float, now_seconds: float) -> None:
        """Shift stored arrival times by the step of our wall clock, and measure clocks anew."""
        self._alignment.adjust_for_clock_step(now_seconds)
        self._progress.adjust_for_clock_step(seconds)
        self.discards.adjust_for_clock_step(seconds, now_seconds)

    def _last_refusal(self, group: int) -> tuple[Reason, str | None]:
        """Why the last block or message of a channel group was refused, and what may be behind it."""
        reason, detail, arrival = self.discards.last_of(group)
        if reason not in OF_SAMPLES:
            return reason, detail
        self.settle()
        stream = np.array([self._grid.groups.stream(group)])
        ahead, ratio = float(self.clocks.seconds(stream)[0]), float(self.rates.ratios(stream)[0])
        return reason, refusal_hint(ahead, arrival, ratio, self._grid.rules.sample_period_seconds)

    def _notice_refused(self, group: int, arrival_seconds: float) -> None:
        stream = self._grid.groups.stream(group)
        if not self._limit.admits(stream, arrival_seconds):
            return
        reason, hint = self._last_refusal(group)
        so_far = sum(count for each, count in self.discards.totals(stream) if each in OF_SAMPLES)
        self._notice("samples refused", stream, {"reason": reason.value, "samples_so_far": so_far, "hint": hint})

    def _notice_rate(self, verdict: RateVerdict) -> None:
        stream = self._grid.groups.stream(verdict.channel_group)
        period = self._grid.rules.sample_period_seconds
        fields = {"measured_hz": round(1 / (verdict.ratio * period), 6), "model_hz": round(1 / period, 6)}
        if verdict.wrong:
            hint = rate_hint(verdict.ratio, period, self.rates.tolerance)
            self._notice(
                "another sampling rate than the model's: its windows are withheld", stream, fields | {"hint": hint}
            )
        else:
            self._notice("the sampling rate is the model's again", stream, fields)

    def _notice(self, event: str, stream: int, fields: dict[str, Any]) -> None:
        name = self._streams.names[stream] if stream < len(self._streams.names) else None
        if name is None:
            return
        if len(self._notices) >= _MOST_NOTICES:
            self._notices_left_out += 1
            return
        told = {key: value for key, value in fields.items() if value is not None}
        self._notices.append(Notice(event, {"stream": name} | told))
