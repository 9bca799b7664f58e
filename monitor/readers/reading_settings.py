"""How recordings in foreign formats are read: the `[reading]` table of a settings file."""

from typing import Annotated

from pydantic import Field

from monitor.settings.section import Section

Seconds = Annotated[float, Field(ge=0, le=3600)]


class WfdbSettings(Section):
    """WFDB records, with their beat annotations as labels.

    annotator: suffix of the annotation file; a record without it has no labels. abnormal_beats: annotation symbols that
    mark an anomaly, by default the classes S, V, F and Q of ANSI/AAMI EC57 (class N, bundle-branch beats among it, is
    normal; every other symbol is no beat). before_seconds, after_seconds: how far around the R peak an abnormal beat
    reaches, by default from its P wave to its T wave.
    """

    annotator: str = "atr"
    abnormal_beats: str = "AaJS" + "VE" + "F" + "/fQ"
    before_seconds: Seconds = 0.25
    after_seconds: Seconds = 0.45


class MatlabSettings(Section):
    """Variables of a MATLAB file. What is left out is taken from the file where only one variable can be meant.

    samples: one matrix [n, C], or one vector [n] per channel. rate_hz, time, labels: names of variables.
    """

    samples: Annotated[tuple[str, ...], Field(max_length=1024)] = ()
    rate_hz: str | None = None
    time: str | None = None
    labels: str | None = None


class ReadingSettings(Section):
    """How data files are read, where their format leaves something open."""

    wfdb: WfdbSettings = WfdbSettings()
    matlab: MatlabSettings = MatlabSettings()
