"""How the threshold is found."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from trainer.settings.section import Section


class CalibrationSettings(Section):
    """How the threshold follows from the errors of the calibration part.

    setting: for `quantile` the level, for `mean_std` how many standard deviations, for `mad` how many scaled MADs
        (None: 0.995, 4 and 6).
    """

    rule: Literal["quantile", "mean_std", "mad"] = "quantile"
    setting: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _level_below_one(self) -> "CalibrationSettings":
        if self.rule == "quantile" and self.setting is not None and self.setting >= 1:
            raise ValueError("for rule `quantile`, `setting` is a level between 0 and 1, e.g. 0.995")
        return self

    @property
    def number(self) -> float:
        """The setting, or the rule's default."""
        return self.setting if self.setting is not None else {"quantile": 0.995, "mean_std": 4.0, "mad": 6.0}[self.rule]
