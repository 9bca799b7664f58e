#!/usr/bin/env python3
"""The device dashboard: one stream, what is unlike normal about it, and since when."""

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import dashboard as model
from panels import (
    CHOSEN,
    OF_MODEL,
    QUALITIES,
    SCORE_STEPS,
    STATES,
    bars,
    choice,
    codes,
    fixed,
    frame,
    lines,
    mapping,
    mark,
    number,
    query,
    stacked,
    timeline,
    with_threshold_line,
)

UID = "residuald-device"
HERE = f'{OF_MODEL}, stream="$stream"'
STATE = codes("residuald_stream_state", "state", list(STATES), HERE)
QUALITY = codes("residuald_stream_quality", "quality", list(QUALITIES), HERE)
# the model's threshold, spread over its streams
THRESHOLD = (
    f"residuald_artifact_threshold{{{OF_MODEL}}} * on (job, instance, model) group_right () "
    f"(0 * residuald_reconstruction_error{{{HERE}}} + 1)"
)


def dashboard() -> build.Dashboard:
    """Build the device dashboard."""
    board = frame(UID, "residuald device", "One stream: its score, the channels behind it, and what its data is like.")
    board.with_variable(choice("stream", "Stream", f"label_values({CHOSEN}, stream)", several=False))
    board.link(
        build.DashboardLink("Fleet").type(model.DashboardLinkType.LINK).url("/d/residuald-fleet").keep_time(True)
    )
    mark(board, "Alerts", "red", f"increase(residuald_stream_alerts_total{{{HERE}}}[1m]) > 0")
    _numbers(board)
    _score(board)
    _channels(board)
    _data(board)
    return board


def _numbers(board: build.Dashboard) -> None:
    plain = [(None, "text")]
    panels = (
        number(
            "State", "pending and firing: k of n windows above the threshold.", query(STATE), plain, sparkline=False
        ).mappings(mapping(STATES)),
        number("Data quality", "Whether its windows can be trusted.", query(QUALITY), plain, sparkline=False).mappings(
            mapping(QUALITIES)
        ),
        number(
            "Score", "Reconstruction error / threshold.", query(f"residuald_window_score{{{HERE}}}"), SCORE_STEPS
        ).decimals(2),
        number(
            "Last sample",
            "Event time of the newest sample, before now.",
            query(f"time() - residuald_last_sample_timestamp_seconds{{{HERE}}}"),
            [(None, "green"), (30.0, "orange")],
        ).unit("s"),
        number(
            "Alerts",
            "That fired in the shown time range.",
            query(f"increase(residuald_stream_alerts_total{{{HERE}}}[$__range])").instant(),
            [(None, "text"), (0.5, "red")],
        ).decimals(0),
        number(
            "Windows scored",
            "In the shown time range.",
            query(f"increase(residuald_windows_scored_total{{{HERE}}}[$__range])").instant(),
            plain,
        ).decimals(0),
        number(
            "Windows anomalous",
            "Of those scored in the shown time range.",
            query(
                f"increase(residuald_windows_anomalous_total{{{HERE}}}[$__range]) "
                f"/ increase(residuald_windows_scored_total{{{HERE}}}[$__range])"
            ).instant(),
            plain,
        ).unit("percentunit"),
        number(
            "False alarms expected",
            "A day, by the calibration of the model in use; nothing where the threshold keeps no budget.",
            query(
                f'max(residuald_artifact_false_alarms_per_day{{{OF_MODEL}, rate="expected"}} '
                f"and on (job, instance, model) residuald_stream_info{{{HERE}}})"
            ),
            plain,
            sparkline=False,
        ).decimals(3),
    )
    for panel in panels:
        board.with_panel(panel)


def _score(board: build.Dashboard) -> None:
    board.with_panel(
        with_threshold_line(
            lines(
                "Score",
                "Reconstruction error / threshold: above 1 the window is anomalous.",
                "none",
                query(f"residuald_window_score{{{HERE}}}", "score"),
                span=24,
            )
        )
    ).with_panel(timeline("State", "From window to alert.", query(STATE, "state"), STATES).height(4))


def _channels(board: build.Dashboard) -> None:
    error = f"residuald_channel_error{{{HERE}}}"
    board.with_row(build.Row("Channels"))
    board.with_panel(
        stacked(lines("Error by channel", "What each channel adds.", "none", query(error, "{{channel}}"), span=16))
    ).with_panel(
        bars(
            "Share of the error",
            "Which channel to look at first.",
            "percentunit",
            query(
                f"sort_desc({error} / ignoring (channel) group_left () sum without (channel) ({error}))", "{{channel}}"
            ).instant(),
        )
        .color_scheme(fixed("blue"))
        .max(1)
        .span(8)
    )


def _data(board: build.Dashboard) -> None:
    board.with_row(build.Row("Data"))
    board.with_panel(
        timeline(
            "Data quality",
            "Beside good, masked, unlike_training, clock_skew and no_beat are judged; others withhold windows.",
            query(QUALITY, "quality"),
            QUALITIES,
        ).height(4)
    ).with_panel(
        lines(
            "Reconstruction error",
            "In squared normalized units, with the threshold of the model in use.",
            "none",
            query(f"residuald_reconstruction_error{{{HERE}}}", "error"),
            query(THRESHOLD, "threshold", "B"),
        )
    ).with_panel(
        lines(
            "Windows",
            "Scored, and anomalous among them.",
            "cps",
            query(f"rate(residuald_windows_scored_total{{{HERE}}}[$__rate_interval])", "scored"),
            query(f"rate(residuald_windows_anomalous_total{{{HERE}}}[$__rate_interval])", "anomalous", "B"),
        )
    ).with_panel(
        lines(
            "Clock offset",
            "How far the device's clock is ahead of ours, by its least delayed messages of the last minutes.",
            "s",
            query(f"residuald_stream_clock_offset_seconds{{{HERE}}}", "ahead"),
        )
    ).with_panel(
        lines(
            "Sampling rate",
            "As measured; windows of another rate than the model's are withheld.",
            "hertz",
            query(f"residuald_stream_sample_rate_hertz{{{HERE}}}", "measured"),
        )
    ).with_panel(
        lines(
            "Refused",
            "Samples and messages of the device that were refused; the state has a hint where all of them are.",
            "cps",
            query(f"rate(residuald_stream_samples_discarded_total{{{HERE}}}[$__rate_interval])", "samples: {{reason}}"),
            query(
                f"rate(residuald_stream_messages_discarded_total{{{HERE}}}[$__rate_interval])",
                "messages: {{reason}}",
                "B",
            ),
            span=24,
        )
    )
