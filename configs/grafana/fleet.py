#!/usr/bin/env python3
"""The fleet dashboard: which devices need a look, and whether the daemon keeps up."""

from grafana_foundation_sdk.builders import common, table
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import common as shape
from grafana_foundation_sdk.models import dashboard as model
from panels import (
    QUALITIES,
    SCORE_STEPS,
    STATES,
    WIDTH,
    bars,
    choice,
    codes,
    coloured,
    frame,
    lines,
    mapping,
    now,
    number,
    query,
    rows,
    stacked,
    steps,
    timeline,
)

UID = "residuald-fleet"
DEVICE_URL = "/d/residuald-device?var-stream=${__value.raw}&${datasource:queryparam}&${instance:queryparam}"
HERE = 'instance=~"$instance"'
OF_MODEL = f'{HERE}, model=~"$model"'
PLAIN, WARN, BAD = (None, "text"), (1.0, "orange"), (1.0, "red")
STATE = codes("residuald_stream_state", "state", list(STATES), HERE)
QUALITY = codes("residuald_stream_quality", "quality", list(QUALITIES), HERE)
FIRED_LATELY = (
    f'max by (stream) (max_over_time(residuald_stream_state{{{HERE}, state="firing"}}[$__range] @ end())) == 1'
)


def dashboard() -> build.Dashboard:
    """Build the fleet dashboard."""
    board = frame(UID, "residuald fleet", "All streams at a glance: what fires, what is silent, whether we keep up.")
    board.with_variable(choice("model", "Model", f"label_values(residuald_streams{{{HERE}}}, model)", several=True))
    _numbers(board)
    _streams(board)
    _input(board)
    _daemon(board)
    return board


def _numbers(board: build.Dashboard) -> None:
    def streams_in(kind: str, value: str) -> str:
        return f'sum(residuald_stream_{kind}{{{HERE}, {kind}="{value}"}})'

    board.with_panel(
        number("Streams", "Streams that send.", query(f"sum(residuald_streams{{{OF_MODEL}}})"), [PLAIN])
    ).with_panel(
        number("Firing", "Streams unlike normal, k of n windows.", query(streams_in("state", "firing")), [PLAIN, BAD])
    ).with_panel(
        number("Pending", "Streams on the way to an alert.", query(streams_in("state", "pending")), [PLAIN, WARN])
    ).with_panel(
        number("Silent", "Streams that stopped sending.", query(streams_in("quality", "silent")), [PLAIN, WARN])
    ).with_panel(
        number(
            "Broker",
            "Daemons that are connected, of all daemons.",
            query(f"sum(residuald_mqtt_connected{{{HERE}}}) / count(residuald_mqtt_connected{{{HERE}}})"),
            [(None, "red"), (1.0, "green")],
        ).unit("percentunit")
    ).with_panel(
        number(
            "p99 to verdict",
            "From the last message of a window to its verdict: 99 of 100 windows are quicker.",
            query(f"max(instance:residuald_end_to_end_seconds:p99_rate5m{{{HERE}}})"),
            [(None, "green"), (0.5, "orange"), (2.0, "red")],
        ).unit("s")
    )


def _streams(board: build.Dashboard) -> None:
    board.with_row(build.Row("Streams"))
    board.with_panel(_table())
    board.with_panel(
        timeline(
            "Streams that fired",
            "State over time of every stream that fired in the shown range.",
            query(f"({STATE}) and on (stream) ({FIRED_LATELY})", "{{stream}}"),
            STATES,
        ).height(8)
    )
    board.with_panel(
        coloured(
            stacked(
                lines(
                    "Streams by state",
                    "How many streams are in which state.",
                    "short",
                    query(f"sum by (state) (residuald_stream_state{{{HERE}}})", "{{state}}"),
                    span=8,
                )
            ),
            STATES,
        )
    )
    board.with_panel(
        lines(
            "Alerts per hour",
            "Alerts that began to fire in the hour before, and streams that operators have muted: they begin none.",
            "none",
            query(
                f'sum by (instance) (increase(residuald_alerts_total{{{HERE}, phase="firing"}}[1h]))', "{{instance}}"
            ),
            query(f"sum by (model) (residuald_muted_streams{{{OF_MODEL}}})", "muted {{model}}", "B"),
            span=8,
        )
    )
    board.with_panel(
        bars(
            "Highest scores",
            "1.0 is the threshold of every model.",
            "none",
            query(f"topk(10, residuald_window_score{{{OF_MODEL}}})", "{{stream}}").instant(),
        )
        .thresholds(steps(*SCORE_STEPS))
        .decimals(2)
        .span(8)
    )


def _table() -> table.Panel:
    """Every stream, the worst first."""
    queries = (
        now(f"max by (stream, model) (residuald_window_score{{{OF_MODEL}}})", ref="score"),
        now(STATE, ref="state"),
        now(QUALITY, ref="quality"),
        now(f"time() - max by (stream) (residuald_last_sample_timestamp_seconds{{{HERE}}})", ref="age"),
    )
    panel = rows("All streams", "Follow a stream to its own dashboard.", *queries).height(10)
    panel.with_transformation(
        model.DataTransformerConfig(id_val="joinByField", options={"byField": "stream", "mode": "outer"})
    ).with_transformation(
        model.DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": {"Time": True, **{f"Time {copy}": True for copy in range(1, len(queries) + 1)}},
                "indexByName": {
                    "stream": 0,
                    "model": 1,
                    "Value #state": 2,
                    "Value #score": 3,
                    "Value #quality": 4,
                    "Value #age": 5,
                },
                "renameByName": {
                    "Value #score": "score",
                    "Value #state": "state",
                    "Value #quality": "quality",
                    "Value #age": "last sample",
                },
            },
        )
    )
    link = {"title": "Open the device dashboard", "url": DEVICE_URL, "targetBlank": False}
    words = {"type": shape.TableCellDisplayMode.COLOR_TEXT}
    levels = [{"value": value, "color": colour} for value, colour in SCORE_STEPS]

    def column(name: str, **properties: object) -> None:
        panel.override_by_name(name, [model.DynamicConfigValue(id_val=k, value=v) for k, v in properties.items()])

    column("stream", links=[link])
    column("state", mappings=mapping(STATES), **{"custom.cellOptions": words})
    column("quality", mappings=mapping(QUALITIES), **{"custom.cellOptions": words})
    column("last sample", unit="s", decimals=1)
    column(
        "score",
        decimals=2,
        thresholds={"mode": "absolute", "steps": levels},
        **{"custom.cellOptions": words},
    )
    return panel.sort_by([common.TableSortByFieldState().display_name("score").desc(True)])


def _input(board: build.Dashboard) -> None:
    board.with_row(build.Row("Input"))
    board.with_panel(
        lines(
            "Messages by source",
            "Arrived, before any is discarded.",
            "mps",
            query(
                f"sum by (source) (rate(residuald_messages_received_total{{{HERE}}}[$__rate_interval]))", "{{source}}"
            ),
        )
    ).with_panel(
        lines(
            "Discarded by reason",
            "Messages and samples that were refused (the log has examples) or found the inbox full.",
            "cps",
            query(
                f"sum by (source, reason) (rate(residuald_messages_discarded_total{{{HERE}}}[$__rate_interval])) > 0",
                "message {{source}} {{reason}}",
            ),
            query(
                f"sum by (model, reason) (rate(residuald_samples_discarded_total{{{OF_MODEL}}}[$__rate_interval])) > 0",
                "sample {{model}} {{reason}}",
                "B",
            ),
            query(
                f"sum by (instance) (rate(residuald_inbox_dropped_total{{{HERE}}}[$__rate_interval])) > 0",
                "inbox full {{instance}}",
                "C",
            ),
        )
    ).with_panel(
        lines(
            "Windows by model",
            "Scored per second.",
            "cps",
            query(
                f"sum by (model) (rate(residuald_windows_scored_total{{{OF_MODEL}}}[$__rate_interval]))", "{{model}}"
            ),
        )
    ).with_panel(
        lines(
            "Windows withheld by reason",
            "Windows that get no verdict because their data cannot be trusted.",
            "cps",
            query(
                f"sum by (model, reason) (rate(residuald_windows_withheld_total{{{OF_MODEL}}}[$__rate_interval]))",
                "{{model}} {{reason}}",
            ),
        )
    )


def _daemon(board: build.Dashboard) -> None:
    board.with_row(build.Row("Daemon"))
    board.with_panel(
        lines(
            "Backlog",
            "Seconds of traffic that wait in the inbox.",
            "s",
            query(f"instance:residuald_inbox_backlog_seconds:rate1m{{{HERE}}}", "{{instance}}"),
            span=8,
        )
    ).with_panel(
        lines(
            "Inference",
            "Time of one scoring call, mean, and how many windows it holds.",
            "s",
            query(
                f"sum by (model) (rate(residuald_inference_seconds_sum{{{OF_MODEL}}}[$__rate_interval])) / "
                f"sum by (model) (rate(residuald_inference_seconds_count{{{OF_MODEL}}}[$__rate_interval]))",
                "{{model}}",
            ),
            span=8,
        )
    ).with_panel(
        lines(
            "CPU and memory",
            "Of the daemon's process.",
            "percentunit",
            query(f'rate(process_cpu_seconds_total{{{HERE}, job="residuald"}}[$__rate_interval])', "CPU {{instance}}"),
            query(f'process_resident_memory_bytes{{{HERE}, job="residuald"}}', "memory {{instance}}", "B"),
            span=8,
        ).override_by_query(
            "B",
            [
                model.DynamicConfigValue(id_val="unit", value="bytes"),
                model.DynamicConfigValue(id_val="custom.axisPlacement", value="right"),
            ],
        )
    ).with_panel(
        rows(
            "Artifacts in use",
            "Which version of each model judges, and its threshold.",
            now(
                f"residuald_artifact_info{{{OF_MODEL}}} "
                f"* on (instance, model) group_left () residuald_artifact_threshold{{{OF_MODEL}}}"
            ),
        )
        .with_transformation(
            model.DataTransformerConfig(
                id_val="organize",
                options={
                    "excludeByName": {"Time": True, "job": True, "__name__": True},
                    "renameByName": {"Value": "threshold"},
                },
            )
        )
        .height(5)
        .span(WIDTH)
    )
