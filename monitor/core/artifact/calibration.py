"""How an artifact's threshold came about, and what it promises about false alarms. Part of the manifest."""

from typing import Annotated, Literal

from pydantic import Field

from monitor.core.alerting.decision_rule import DecisionSettings
from monitor.core.artifact.part import Finite, ManifestPart, NotNegative, Positive
from monitor.core.values.duration import in_words
from monitor.core.values.names import Name

DAY_SECONDS = 86400.0


class TailFit(ManifestPart):
    """The generalized Pareto distribution of how far alarms' peaks go beyond `base_error`.

    peaks: how many it was fitted to; shape: the mean of what is plausible, and the ends of its 95 % interval (0 is an
    exponential tail, above it is heavier); scale: its mean, in units of the error; misfit: Anderson & Darling's A².
    """

    base_error: Finite
    peaks: Annotated[int, Field(ge=1)]
    shape: Finite
    shape_low: Finite
    shape_high: Finite
    scale: Positive
    misfit: Finite


class SetAside(ManifestPart):
    """A stretch of calibration windows that would have raised an alarm too far out for the tail of all the others."""

    recording: str
    start_seconds: Finite  # end of the first window
    end_seconds: Finite
    windows: Annotated[int, Field(ge=1)]
    error: Finite  # the peak


class FalseAlarms(ManifestPart):
    """The false-alarm budget and what came of it: alarms are alerts that fire, per stream and day.

    asked: as it was set, e.g. `1 per 30d`. expected_per_day: the rate of the threshold that was chosen, between
    low_per_day and high_per_day with 95 %. method: how it is known, from the `tail` or by counting (`rank`).
    normal_seconds: how much normal data it rests on; needed_seconds: how much the budget asked for takes. judge: the
    settings it holds for. set_aside: what was taken for mislabelled.
    """

    asked: str
    asked_per_day: Positive
    expected_per_day: Positive
    low_per_day: NotNegative
    high_per_day: NotNegative
    method: Literal["tail", "rank"]
    normal_seconds: Positive
    needed_seconds: Positive
    judge: DecisionSettings
    tail: TailFit | None = None
    set_aside: tuple[SetAside, ...] = ()

    @property
    def extrapolation(self) -> float:
        """How many times longer than the normal data an alarm is expected to take; above 1 nobody has seen one."""
        return DAY_SECONDS / self.expected_per_day / self.normal_seconds

    @property
    def expectation(self) -> str:
        """What the threshold promises, in words."""
        rates = (self.expected_per_day, self.high_per_day, self.low_per_day)
        mean, shortest, longest = (in_words(DAY_SECONDS / rate) if rate else "over 100 years" for rate in rates)
        return f"one false alarm per stream in {mean} expected (95 %: in {shortest} to {longest})"


class Calibration(ManifestPart):
    """How the threshold came about, on normal windows that the model was not fitted on.

    rule: `budget` (`false_alarms` says all; `setting` is the rate asked for, per day), `quantile` (level in `setting`),
    `mean_std` (how many standard deviations), `mad` (how many scaled MADs). error_quantiles: level (as text, e.g.
    "0.99") to error. stream_factors: streams that are held to so many times the threshold, since their own normal
    errors vary more than most; a refit finds them.
    """

    rule: Literal["budget", "quantile", "mean_std", "mad"]
    setting: Finite
    windows: Annotated[int, Field(ge=1)]
    error_quantiles: dict[str, Finite]
    false_alarms: FalseAlarms | None = None
    stream_factors: dict[Name, Annotated[float, Field(ge=1, le=10)]] = Field(default_factory=dict)

    @property
    def described(self) -> str:
        """The rule and what it rests on, in words."""
        if self.false_alarms is None:
            return f"{self.rule} {self.setting:.5g} of {self.windows:,} windows"
        return f"budget {self.false_alarms.asked}, from {self.windows:,} windows"
