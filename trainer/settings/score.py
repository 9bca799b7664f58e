"""What the error of a window is."""

from typing import Annotated, Literal

from pydantic import Field

from monitor.settings.section import Section

Residual = Literal["mean_square", "variance", "covariance"]


class ScoreSettings(Section):
    """How the residual becomes an error; see `monitor.core.artifact.manifest.ScoreSpec`.

    residual: `mean_square`, or in units of each feature's normal deviation (`variance`), or whitened by the normal
        residual's covariance (`covariance`).
    latent_weight: how much the code's distance from the normal codes counts: 0 nothing, 1 each number of the code as
        much as each feature.
    smoothing_samples: the residual is smoothed by a Gaussian of this standard deviation first (0: not).
    smoothing_axes: 1 along time; 2 also across channels, where these are the rows of an image, or across frequencies.
    """

    residual: Residual = "mean_square"
    latent_weight: Annotated[float, Field(ge=0, le=1000)] = 0.0
    smoothing_samples: Annotated[float, Field(ge=0, le=100)] = 0.0
    smoothing_axes: Literal[1, 2] = 1
