"""What the error of a window is."""

from typing import Annotated, Literal

from pydantic import Field

from monitor.settings.section import Section

Residual = Literal["mean_square", "variance", "covariance"]


class ScoreSettings(Section):
    """How the residual (features less reconstruction) becomes an error; see docs/representations.md."""

    residual: Residual = "mean_square"
    """`mean_square`: its mean square. `variance`: of the residual in units of each feature's normal deviation.
    `covariance`: of the residual whitened by the normal residual's covariance."""

    latent_weight: Annotated[float, Field(ge=0, le=1000)] = 0.0
    """How much the code's distance from the normal codes counts: 0 nothing, 1 each number of the code as much as each
    feature."""

    smoothing_samples: Annotated[float, Field(ge=0, le=100)] = 0.0
    """Standard deviation of the Gaussian that smooths the residual first, which forgives what comes a little early or
    aside; 0: no smoothing."""

    smoothing_axes: Literal[1, 2] = 1
    """1: smoothed along time. 2: also across channels, where these are the rows of an image, or across frequencies."""
