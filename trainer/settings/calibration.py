"""How the threshold is found."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from monitor.core.alerting.decision_rule import DecisionSettings
from monitor.settings.section import Section
from trainer.settings.budget import Budget, parse_budget, part_of_budget

_DEFAULTS = {"quantile": 0.995, "mean_std": 4.0, "mad": 6.0}


class CalibrationSettings(Section):
    """How the threshold follows from the errors of the calibration part; see docs/calibration.md."""

    rule: Literal["budget", "quantile", "mean_std", "mad"] = "budget"
    """`budget`: the threshold that keeps `false_alarms`. `quantile`: a quantile of the errors. `mean_std`: their mean
    and so many standard deviations. `mad`: their median and so many scaled median absolute deviations."""

    false_alarms: str = "1 per 30d"
    """How many alerts without a cause one stream may raise, for rule `budget`: a number `per` a time in `h`, `d` or
    `w`."""

    setting: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """For rule `quantile` the level, for `mean_std` how many standard deviations, for `mad` how many scaled MADs. Left
    out: 0.995, 4 and 6."""

    max_extrapolation: Annotated[float, Field(ge=1, le=1000)] = 10.0
    """For so many times longer than the calibration data the tail of the errors is trusted, for rule `budget`. A budget
    that takes more is kept only so far, and a note says how much data it takes. A larger number makes fewer false
    alarms, and misses more."""

    judge: DecisionSettings = DecisionSettings()
    """When windows become an alert, as the daemon's `[model.judge]` has it: the budget counts alerts."""

    @field_validator("false_alarms")
    @classmethod
    def _is_a_budget(cls, false_alarms: str) -> str:
        parse_budget(false_alarms)
        return false_alarms

    @model_validator(mode="after")
    def _belongs_to_the_rule(self) -> "CalibrationSettings":
        if self.rule == "budget" and self.setting is not None:
            raise ValueError("`setting` belongs to the other rules (`rule = ...`); a budget is set by `false_alarms`")
        own = sorted(self.model_fields_set & {"false_alarms", "max_extrapolation", "judge"})
        if self.rule != "budget" and own:
            raise ValueError(f"`{own[0]}` belongs to rule `budget`, not to `{self.rule}`")
        if self.rule == "quantile" and self.setting is not None and self.setting >= 1:
            raise ValueError("for rule `quantile`, `setting` is a level between 0 and 1, e.g. 0.995")
        return self

    @property
    def budget(self) -> Budget:
        """`false_alarms`, parsed."""
        return parse_budget(self.false_alarms)

    @property
    def number(self) -> float:
        """The setting, or the rule's default; of a budget, the alarms per day."""
        if self.rule == "budget":
            return self.budget.per_day
        return _DEFAULTS[self.rule] if self.setting is None else self.setting

    def allowing(self, part: float) -> "CalibrationSettings":
        """The same rule with a part (above 0, at most 1) of its false alarms; as it is where it asks for no rate."""
        if self.rule == "budget":
            return self.model_copy(update={"false_alarms": part_of_budget(self.false_alarms, part)})
        if self.rule == "quantile":
            return self.model_copy(update={"setting": 1 - (1 - self.number) * part})
        return self
