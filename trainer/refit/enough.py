"""Whether there is enough that is new and normal for a refit to be worth its name."""

from collections.abc import Sequence

from monitor.config.refit import RefitConfig
from monitor.core.artifact.manifest import Manifest
from monitor.core.values.duration import in_words
from trainer.calibration.calibrate import windows_needed
from trainer.data.split import Part
from trainer.data.window_pool import MIN_WINDOWS
from trainer.refit.day_cap import DAY_SECONDS
from trainer.refit.stream_share import StreamShare
from trainer.settings import CalibrationSettings


def why_not_yet(
    shares: Sequence[StreamShare],
    since_seconds: float,
    manifest: Manifest,
    calibration: CalibrationSettings,
    config: RefitConfig,
) -> str | None:
    """Say what is missing before a model is refitted; None: nothing is.

    since_seconds: up to where the model in use has seen its streams.
    """
    new = sum(share.new_windows for share in shares)
    until = max((share.until_seconds for share in shares if share.new_windows), default=since_seconds)
    days = max(0.0, until - since_seconds) / DAY_SECONDS
    if not new:
        return "there are no new normal data since the last fit"
    if days < config.least_days:
        return f"there are {days:.2g} days of new normal data, and it takes {config.least_days:g} (refit.least_days)"
    return why_no_threshold(shares, manifest, calibration)


def why_no_threshold(shares: Sequence[StreamShare], manifest: Manifest, calibration: CalibrationSettings) -> str | None:
    """Say why the newest part of what is taken carries no threshold; None: it does."""
    windows = sum(share.of_part(Part.CALIBRATION) for share in shares)
    interval_seconds = manifest.window.stride * manifest.sample_period_seconds
    needed = MIN_WINDOWS[Part.CALIBRATION]
    if calibration.rule == "budget":
        seconds = calibration.budget.seconds_per_alarm / calibration.max_extrapolation
        if windows * interval_seconds < seconds:
            return (
                f"the newest part of the normal data covers {in_words(windows * interval_seconds)} of all streams "
                f"together, and a threshold for {calibration.false_alarms} takes {in_words(seconds)}"
            )
    elif calibration.rule == "quantile":
        needed = max(needed, windows_needed(calibration.number))
    if windows < needed:
        return f"the newest part of the normal data has {windows} windows, and a threshold takes {needed}"
    return None
