"""How recordings in foreign formats are read: the `[reading]` table of a settings file."""

from typing import Annotated

from pydantic import Field

from monitor.settings.section import Section

Seconds = Annotated[float, Field(ge=0, le=3600)]


class WfdbSettings(Section):
    """WFDB records, with their beat annotations as labels."""

    annotator: str = "atr"
    """Suffix of the annotation file. A record without such a file has no labels."""

    abnormal_beats: str = "AaJS" + "VE" + "F" + "/fQ"
    """Annotation symbols that mark an anomaly: the classes S, V, F and Q of ANSI/AAMI EC57. Class N, bundle-branch
    beats among it, is normal; every other symbol is no beat."""

    before_seconds: Seconds = 0.25
    """How far an abnormal beat reaches before its R peak: from its P wave."""

    after_seconds: Seconds = 0.45
    """How far an abnormal beat reaches behind its R peak: to its T wave."""


class MatlabSettings(Section):
    """Variables of a MATLAB file. What is left out is taken from the file where only one variable can be meant."""

    samples: Annotated[tuple[str, ...], Field(max_length=1024)] = ()
    """Names of the variables that hold the samples: one matrix [n, C], or one vector [n] per channel."""

    rate_hz: str | None = None
    """Name of the variable that holds the samples per second."""

    time: str | None = None
    """Name of the variable that holds the time of each sample."""

    labels: str | None = None
    """Name of the variable that holds the label of each sample."""


class ReadingSettings(Section):
    """How data files are read, where their format leaves something open."""

    wfdb: WfdbSettings = WfdbSettings()
    """See `[reading.wfdb]`."""

    matlab: MatlabSettings = MatlabSettings()
    """See `[reading.matlab]`."""
