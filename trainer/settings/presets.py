"""Presets: what `fit` and `select` do when they are told only what is measured. Anything set by hand wins.

The numbers behind them are in docs/ecg.md and docs/quality.md.
"""

from typing import Any, Literal, get_args

Kind = Literal["motor", "ecg"]
KINDS: tuple[Kind, ...] = get_args(Kind)

# Of a new patient, to learn the usual beat from: about three minutes at 60 beats per minute.
WARMUP_BEATS = 180


def preset(kind: Kind, recordings: int) -> dict[str, Any]:
    """Give fit settings, as dotted paths, for what is measured and how many recordings there are to fit on.

    ecg: windows around beats. Several recordings are taken for several patients, so that every stream learns its own
    usual beat first; a single one for the patient who is watched, whose beats the model itself knows. motor: the
    defaults, which look at the data.
    """
    if kind == "motor":
        return {}
    settings: dict[str, Any] = {"window.cut": "beat"}
    if recordings > 1:
        settings |= {"normalization.kind": "template", "normalization.warmup_windows": WARMUP_BEATS}
        settings |= {"split.by": "recording"}
    return settings
