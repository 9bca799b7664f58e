"""How the threshold is found."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from monitor.core.alerting.decision_rule import DecisionSettings
from monitor.settings.section import Section
from trainer.settings.budget import Budget, parse_budget

_DEFAULTS = {"quantile": 0.995, "mean_std": 4.0, "mad": 6.0}


class CalibrationSettings(Section):
    """How the threshold follows from the errors of the calibration part.

    false_alarms: for `budget`, how many alerts without a cause one stream may raise, e.g. `1 per 30d`.
    setting: for `quantile` the level, for `mean_std` how many standard deviations, for `mad` how many scaled MADs
        (None: 0.995, 4 and 6).
    max_extrapolation: for so many times longer than the calibration data the errors' tail is trusted. A budget that
        takes more is kept only so far, and a note says how much data it takes. More of it makes fewer false alarms, and
        misses more.
    judge: when windows become an alert, as the daemon's configuration has it; the budget counts alerts.
    """

    rule: Literal["budget", "quantile", "mean_std", "mad"] = "budget"
    false_alarms: str = "1 per 30d"
    setting: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    max_extrapolation: Annotated[float, Field(ge=1, le=1000)] = 10.0
    judge: DecisionSettings = DecisionSettings()

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
