"""A model group: all streams that one model judges, and what is done with their samples from ring to alert.

The steps are called by `monitor/pipeline/pipeline.py`, in this order: `ingest`, `ready`, `prepare`, (the scorer),
`conclude`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from monitor.core.alerting.alerts import AlertBook, AlertStep, Evidence
from monitor.core.alerting.command import MAX_MUTE_SECONDS
from monitor.core.alerting.decision_rule import DecisionRule, DecisionSettings, Phase, Verdict
from monitor.core.alerting.end_reason import EndReason
from monitor.core.alerting.mutes import Mutes
from monitor.core.alerting.questions import Questions
from monitor.core.artifact.manifest import Manifest
from monitor.core.grid.sample_grid import GridRules
from monitor.core.scoring.channel_limits import ChannelLimits
from monitor.core.scoring.masking import Masking
from monitor.core.scoring.microbatch import MicroBatch
from monitor.core.scoring.normalize import Normalizer
from monitor.core.scoring.preparation import PreparedBatch, prepare_windows
from monitor.core.scoring.quality import CODES, QUALITIES, Quality, assess_windows, is_trusted
from monitor.core.scoring.stream_factors import StreamFactors
from monitor.core.streams.input_health import InputHealth
from monitor.core.streams.scored_batch import ScoredBatch
from monitor.core.streams.stream_layout import StreamLayout
from monitor.core.streams.stream_table import StreamState, StreamTable
from monitor.core.values.discards import Reason
from monitor.core.values.scorer import Floats32, ScoreBatch
from monitor.core.windows.stream_windows import StreamBlocks, StreamWindows, WindowBatch

# In a window that arrives later than this after its own time, the stream's clock is off or a backlog is coming in.
MAX_SKEW_SECONDS = 60.0
WARMING_UP = "warming_up"
# A slow sensor is not silent between two samples, nor when one of them was lost.
_SILENT_PERIODS = 3


class ModelGroup:
    """The streams of one model and all state about them."""

    def __init__(
        self,
        name: str,
        manifest: Manifest,
        rules: GridRules,
        judge: DecisionSettings,
        max_batch: int,
        max_delay_seconds: float,
    ) -> None:
        self.name = name
        self.manifest = manifest
        self.channels = manifest.channel_names
        self.measured = manifest.measured_names  # what sources deliver; cutting may derive more
        self.streams = StreamTable(len(self.channels))
        self.windows = StreamWindows(len(self.measured), manifest.window, rules)
        self.groups = self.windows.grid.groups
        self.layouts: dict[str, StreamLayout] = {}  # by stream
        self.normalizer = _normalizer_of(manifest)
        self.inputs = InputHealth(self.windows, self.streams, self.measured)
        self.limits, self.masking = _limits_of(manifest), Masking(manifest)
        self.factors = StreamFactors(manifest.calibration.stream_factors)
        self.decision = DecisionRule(judge)
        self.alerts = AlertBook()
        self.mutes = Mutes()
        self.questions = Questions(manifest.usual_score)
        self.batch = MicroBatch(max_batch, max_delay_seconds)
        self.samples_received = 0
        self.samples_discarded: Counter[Reason] = Counter()
        self.windows_withheld: Counter[str] = Counter()
        self.streams_evicted = 0  # by this process; they never gave a window, and made room for others
        self.changed: set[str] = set()  # streams whose state, quality or alert changed since someone last looked

    def resume(self, now_seconds: float) -> None:
        """Go on after nobody listened till now (wall clock): no stream is silent for that, and all report anew."""
        self.windows.grid.reset_silence(now_seconds)
        self.mutes.bound(now_seconds + MAX_MUTE_SECONDS)
        # what a journal gave back was counted by the process before
        self.streams.alerts_fired[:] = self.streams.conflicts[:] = 0
        self.streams_evicted = 0
        self.report_all()

    def report_all(self) -> None:
        """Let every stream be reported with the next step: somebody is new who was told nothing."""
        self.changed = set(self.streams.number)

    def fits(self, manifest: Manifest) -> bool:
        """Whether another artifact can take over as we are: the same windows, and nothing to be learnt anew."""
        ours, theirs = self.manifest, manifest
        same = ours.channel_names == theirs.channel_names and ours.window == theirs.window
        same = same and ours.sample_period_seconds == theirs.sample_period_seconds
        return same and (not theirs.normalization.learnt or ours.normalization.learns_like(theirs.normalization))

    def adopt(self, manifest: Manifest, max_batch: int) -> None:
        """Go on with another artifact that fits; rings, phases and alerts stay."""
        self.batch.max_windows = max_batch
        if manifest.normalization != self.manifest.normalization:
            if self.normalizer.spec.learns_like(manifest.normalization):
                self.normalizer.adopt(manifest.normalization, self.streams.number)
            else:
                self.normalizer = _normalizer_of(manifest)
        self.limits, self.masking = _limits_of(manifest), Masking(manifest)
        self.factors.adopt(manifest.calibration.stream_factors, self.streams.number)
        self.questions.usual_score = manifest.usual_score
        self.manifest = manifest

    def open_stream(
        self, name: str, labels: dict[str, str], channel_groups: list[list[int]], display_name: str | None = None
    ) -> int:
        """Start a stream. Returns its number.

        channel_groups: lists of channel numbers; the channels of one list arrive together. display_name: how its
        messages call it; None: as it is named.
        """
        number = self.streams.next_number
        self.windows.open_stream(number, channel_groups)
        self.normalizer.open_stream(name, number)
        self.factors.open_stream(name, number)
        self.inputs.open_stream(number)
        self.decision.open_stream(number)
        self.mutes.open_stream(name, number)
        self.questions.open_stream(number)
        self.layouts[name] = StreamLayout(channel_groups)
        self.streams.open(name, labels, display_name)  # last: from here on a scrape finds it
        self.changed.add(name)
        return number

    def add_channel_group(self, name: str, channel_group: list[int], labels: dict[str, str]) -> None:
        """Let free channels of a stream arrive together, and add what the labels tell of it."""
        layout, known = self.layouts[name], self.streams.labels[name]
        channel_groups = layout.with_channel_group(channel_group)
        if channel_groups != layout.channel_groups:
            layout.channel_groups = channel_groups
            self.windows.grid.arrange(self.streams.number[name], channel_groups)
        if not labels.keys() <= known.keys():
            self.streams.labels[name] = labels | known

    def close_stream(self, name: str, reason: EndReason = EndReason.GONE) -> AlertStep | None:
        """Forget a stream. What was open about it is resolved by the step returned."""
        number = self.streams.close(name)
        self.windows.close_stream(number)
        self.normalizer.close_stream(name, number)
        self.decision.reset(number)
        self.questions.reset(number)
        self.changed.discard(name)
        del self.layouts[name]
        return self.alerts.close(name, reason)

    def ingest(self, blocks: StreamBlocks, monotonic_seconds: float, waited_seconds: float = 0.0) -> None:
        """Write the decoded blocks of one source, as `ingest_all` does."""
        self.ingest_all([blocks], monotonic_seconds, waited_seconds)

    def ingest_all(self, parts: Sequence[StreamBlocks], monotonic_seconds: float, waited_seconds: float = 0.0) -> None:
        """Write decoded blocks into the rings, source by source; windows that became complete wait for the scorer.

        waited_seconds: how long ago the first of the blocks arrived.
        """
        for blocks in parts:
            self.samples_received += len(blocks.values)
            self.inputs.observe(blocks)
        for windows in self.windows.feed(parts, self.samples_discarded):
            self.streams.gave_window[windows.stream] = True
            self.batch.add(windows, monotonic_seconds, waited_seconds)
        if self.windows.alignment.changes:
            self.inputs.notice_clocks()
        refused = self.windows.grid.take_refused()
        if refused:
            self.inputs.count_refused(refused, parts)

    def ready(self, monotonic_seconds: float, *, everything: bool = False) -> WindowBatch | None:
        """The windows that should be scored now, if there are any."""
        return self.batch.take(monotonic_seconds, everything=everything)

    def prepare(self, windows: WindowBatch) -> PreparedBatch:
        """Assess quality, find centre and scale, replace what is masked, and count what is withheld."""
        window, quality = self.manifest.window, assess_windows(windows, self.manifest.window, MAX_SKEW_SECONDS)
        wrong_rate = self.inputs.rates.wrong(windows.stream, windows.end_seconds)
        quality[wrong_rate] = np.maximum(quality[wrong_rate], CODES[Quality.WRONG_RATE])
        prepared = prepare_windows(windows, quality, window, self.limits, self.masking, self.normalizer)
        trusted = is_trusted(prepared.quality)
        for code, count in zip(*np.unique(prepared.quality[~trusted], return_counts=True), strict=True):
            self.windows_withheld[QUALITIES[code]] += int(count)
        warming = int((trusted & ~prepared.judged).sum())
        if warming:
            self.windows_withheld[WARMING_UP] += warming
        return prepared

    def conclude(self, prepared: PreparedBatch, scores: ScoreBatch) -> ScoredBatch:
        """Judge a scored batch: `scores` holds the judged windows only, in order."""
        windows, judged, streams = prepared.windows, prepared.judged, self.streams
        error = np.full(len(windows), np.nan, np.float32)
        channel_error = np.full((len(windows), len(self.channels)), np.nan, np.float32)
        error[judged], channel_error[judged] = scores.error, scores.channel_error
        threshold = self.masking.judge_without(prepared.masked, error, channel_error)
        self.factors.apply(threshold, windows.stream)
        with np.errstate(over="ignore"):
            score = error / threshold
        broken = judged & ~np.isfinite(score)  # the model itself came to no number
        if broken.any():
            error[broken] = score[broken] = channel_error[broken] = np.nan
            judged, quality = judged & ~broken, np.where(broken, np.int8(CODES[Quality.NON_FINITE]), prepared.quality)
            prepared = replace(prepared, judged=judged, quality=quality)
            self.windows_withheld[Quality.NON_FINITE] += int(broken.sum())
        held = self.mutes.held(windows.stream, windows.arrival_seconds)
        verdicts = self.decision.decide(windows.stream, score, judged, held)
        self._remember(prepared, error, score, channel_error, verdicts.verdict)
        steps: list[tuple[int, AlertStep]] = []
        for at, before, after in verdicts.transitions:
            name = streams.name(int(windows.stream[at]))
            masked = () if prepared.masked is None else self._names(prepared.masked[at])
            evidence = Evidence(
                float(windows.end_seconds[at]),
                float(score[at]),
                float(error[at]),
                dict(zip(self.channels, map(float, channel_error[at]), strict=True)),
                masked,
                None if threshold[at] == np.float32(self.manifest.threshold) else float(threshold[at]),
            )
            steps += [(at, step) for step in self.alerts.transition(name, before, after, evidence)]
            if after is Phase.FIRING:
                streams.alerts_fired[windows.stream[at]] += 1
                self.questions.begin(int(windows.stream[at]), evidence.time_seconds)
        self.questions.observe(windows.stream, windows.end_seconds, score)
        return ScoredBatch(
            windows, error, score, channel_error, verdicts.verdict, prepared.quality, tuple(steps), streams.names
        )

    def _remember(
        self,
        prepared: PreparedBatch,
        error: Floats32,
        score: Floats32,
        channel_error: Floats32,
        verdict: NDArray[np.int8],
    ) -> None:
        streams, who = self.streams, prepared.windows.stream
        scored = verdict != Verdict.WITHHELD
        # numpy keeps the last of several assignments to one row, which is the newest window of the stream
        streams.error[who[scored]] = error[scored]
        streams.score[who[scored]] = score[scored]
        streams.channel_error[who[scored]] = channel_error[scored]
        streams.end_seconds[who] = prepared.windows.end_seconds
        np.add.at(streams.windows_scored, who[scored], 1)
        np.add.at(streams.windows_anomalous, who[verdict == Verdict.ANOMALOUS], 1)
        touched = np.unique(who)
        if prepared.faulty is not None or streams.masked[touched].any():
            before = streams.masked[touched]
            streams.masked[who] = False if prepared.faulty is None else prepared.faulty
            differs = (before != streams.masked[touched]).any(axis=1)
            self.changed.update(streams.name(number) for number in touched[differs].tolist())
        quality, state = streams.quality.copy(), streams.state.copy()
        quality[who] = prepared.quality
        learnt_from = is_trusted(prepared.quality) & ~prepared.judged
        state[who] = np.select(
            [scored, learnt_from], [StreamState.NORMAL, StreamState.WARMING_UP], StreamState.WITHHELD
        )
        learning = (self.normalizer.warmup_progress(touched) < 1) & is_trusted(quality[touched])
        state[touched[learning]] = StreamState.WARMING_UP
        self._settle(touched, state[touched], quality[touched])

    def _settle(self, numbers: NDArray[np.int64], state: NDArray[np.int8], quality: NDArray[np.int8]) -> None:
        """Set state and quality of streams, an open alert outranking `state`, and note whose changed."""
        phase = self.decision.phase[numbers]
        state = np.where(phase == Phase.PENDING, StreamState.PENDING, state)
        state = np.where(phase == Phase.FIRING, StreamState.FIRING, state)
        differs = (self.streams.state[numbers] != state) | (self.streams.quality[numbers] != quality)
        self.streams.state[numbers], self.streams.quality[numbers] = state, quality
        self.changed.update(self.streams.name(number) for number in numbers[differs].tolist())

    def masked_names(self, number: int) -> list[str]:
        """The channels of a stream that could not be trusted in its last window."""
        return list(self._names(self.streams.masked[number]))

    def _names(self, chosen: NDArray[np.bool_]) -> tuple[str, ...]:
        return tuple(name for name, is_chosen in zip(self.channels, chosen.tolist(), strict=True) if is_chosen)

    def question(self, number: int) -> float | None:
        """Since when a stream asks whether its alert is a fault or the new normal (event time); None: it does not."""
        since = float(self.questions.asks_since_seconds[number])
        return since if since == since and self.decision.phase[number] == Phase.FIRING else None  # noqa: PLR0124 - NaN

    def review_questions(self, *, may_ask: bool) -> list[int]:
        """Look which alerts ask now; the streams of which another thing holds than before."""
        changed: list[int] = self.questions.review(self.decision.phase == Phase.FIRING, may_ask=may_ask).tolist()
        self.changed.update(self.streams.name(number) for number in changed)
        return changed

    def mute(self, name: str, until_seconds: float) -> AlertStep | None:
        """Let a stream raise no alert until then (wall clock; 0: as ever). What is open is resolved by the step."""
        number = self.streams.number.get(name)
        self.mutes.put(name, number, until_seconds)
        if number is None:
            return None
        self.changed.add(name)
        return self.end_alert(name, EndReason.MUTED) if until_seconds else None

    def unmute(self, now_seconds: float) -> None:
        """End the mutes that are over (wall clock)."""
        for name in self.mutes.over(now_seconds):
            self.mute(name, 0.0)

    def knows(self, name: str) -> bool:
        """Whether a stream is open, or what it had learnt is remembered."""
        return name in self.streams.number or name in self.normalizer.remembered

    def relearn(self, name: str, at_seconds: float) -> AlertStep | None:
        """Let a stream learn anew what is usual for it. What is open is resolved by the step returned."""
        number = self.streams.number.get(name)
        self.normalizer.relearn(name, number, at_seconds)
        if number is None:
            return None
        step = self.end_alert(name, EndReason.RELEARN)
        self.streams.state[number] = StreamState.WARMING_UP
        self.changed.add(name)
        return step

    def end_alert(self, name: str, reason: EndReason) -> AlertStep | None:
        """End the alert of a stream, if there is one, by the step returned; k-of-n begins anew."""
        number = self.streams.number[name]
        self.decision.reset(number)
        step = self.alerts.close(name, reason)
        if step is not None:
            trusted = is_trusted(self.streams.quality[[number]])[0]
            self.streams.state[number] = StreamState.NORMAL if trusted else StreamState.WITHHELD
        return step

    def mark_silent(self, now_seconds: float, silent_after_seconds: float) -> None:
        """Say of streams that they send nothing (on some channel), only what is refused, or never enough for a window.

        now_seconds: wall clock, as arrivals of blocks are.
        """
        self.inputs.settle()
        numbers = self.streams.numbers()
        silent_after_seconds = self._at_least_some_periods(silent_after_seconds)
        refused = self.inputs.refusing(numbers, now_seconds, silent_after_seconds)
        arrivals = self.windows.grid.last_arrivals(numbers, now_seconds).min(axis=1)
        silent = (now_seconds - arrivals > silent_after_seconds) & ~refused
        incomplete = self.windows.progress.stalled(numbers, now_seconds) & ~silent & ~refused
        for stream in numbers[incomplete & (self.streams.quality[numbers] != CODES[Quality.INCOMPLETE])].tolist():
            self.inputs.notice_incomplete(stream)
        marks = (silent, Quality.SILENT), (refused, Quality.REFUSED), (incomplete, Quality.INCOMPLETE)
        for found, quality in marks:
            code = np.full(int(found.sum()), CODES[quality], np.int8)
            self._settle(numbers[found], np.full(len(code), StreamState.WITHHELD, np.int8), code)

    def gone(self, now_seconds: float, expire_after_seconds: float) -> list[str]:
        """Streams of which nothing at all came, not even what is refused, for so long that they should be forgotten."""
        numbers = self.streams.numbers()
        arrivals = self.windows.grid.last_arrivals(numbers, now_seconds).max(axis=1)
        arrivals = np.fmax(arrivals, self.inputs.discards.last_arrivals(numbers))
        gone = numbers[now_seconds - arrivals > self._at_least_some_periods(expire_after_seconds)]
        return [self.streams.name(number) for number in gone.tolist()]

    def _at_least_some_periods(self, seconds: float) -> float:
        return max(seconds, _SILENT_PERIODS * self.manifest.sample_period_seconds)


def _normalizer_of(manifest: Manifest) -> Normalizer:
    return Normalizer(manifest.normalization, len(manifest.channel_names), manifest.window.length)


def _limits_of(manifest: Manifest) -> ChannelLimits:
    return ChannelLimits.of(manifest.channels, manifest.normalization.scale_floor)
