#!/usr/bin/env python3
"""The fleet dashboard: which devices need a look, and whether the daemon keeps up."""

import fleet_daemon
from grafana_foundation_sdk.builders import common, table
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import common as shape
from grafana_foundation_sdk.models import dashboard as model
from panels import (
    CHOSEN,
    HERE,
    OF_MODEL,
    QUALITIES,
    SCORE_STEPS,
    STATES,
    bars,
    codes,
    coloured,
    daemons,
    frame,
    lines,
    mapping,
    mark,
    now,
    number,
    query,
    rows,
    stacked,
    steps,
    streams,
    timeline,
)

UID = "residuald-fleet"
CHOICES = "&".join(f"${{{name}:queryparam}}" for name in ("datasource", "job", "instance", "model"))
DEVICE_URL = f"/d/residuald-device?var-stream=${{__value.raw}}&{CHOICES}"
PLAIN, WARN, BAD = (None, "text"), (1.0, "orange"), (1.0, "red")
SCORE = f"residuald_window_score{{{OF_MODEL}}}"
STATE = streams(codes("residuald_stream_state", "state", list(STATES), OF_MODEL))
QUALITY = streams(codes("residuald_stream_quality", "quality", list(QUALITIES), OF_MODEL))
FIRED_LATELY = (
    f'max_over_time(residuald_stream_state{{{OF_MODEL}, state="firing"}}[$__range] @ end()) == 1 '
    f"or increase(residuald_stream_alerts_total{{{OF_MODEL}}}[$__range] @ end()) > 0"
)
OPEN_ALERTS = (
    f'ALERTS{{alertname=~"Residuald.+", alertstate="firing", {HERE}, '
    'model=~"($model)|", site=~"($site)|", device=~"($device)|"}'
)


def dashboard() -> build.Dashboard:
    """Build the fleet dashboard."""
    board = frame(UID, "residuald fleet", "All streams at a glance: what fires, what is silent, whether we keep up.")
    fired = streams(f"increase(residuald_stream_alerts_total{{{OF_MODEL}}}[1m]) > 0")
    mark(board, "Alerts", "red", fired)
    _numbers(board)
    _alerts(board)
    _streams(board)
    fleet_daemon.add_input(board)
    fleet_daemon.add_daemon(board)
    return board


def _numbers(board: build.Dashboard) -> None:
    def streams_in(kind: str, value: str) -> str:
        found = streams(f'residuald_stream_{kind}{{{OF_MODEL}, {kind}="{value}"}}')
        return f"sum({found})"

    up = daemons(f"up{{{HERE}}}", "1d")
    connected = daemons(f"residuald_mqtt_connected{{{HERE}}}")
    p99 = daemons(f"instance:residuald_end_to_end_seconds:p99_rate5m{{{HERE}}}")
    for panel in (
        number("Streams", "Streams that send.", query(f"count({CHOSEN})"), [PLAIN]),
        number("Firing", "Streams unlike normal, k of n windows.", query(streams_in("state", "firing")), [PLAIN, BAD]),
        number("Pending", "Streams on the way to an alert.", query(streams_in("state", "pending")), [PLAIN, WARN]),
        number("Silent", "Streams that stopped sending.", query(streams_in("quality", "silent")), [PLAIN, WARN]),
        number(
            "No verdict",
            "Streams whose last window could not be trusted, silent ones included.",
            query(streams_in("state", "withheld")),
            [PLAIN, WARN],
        ),
        number(
            "Up",
            "Daemons that Prometheus reaches, of those that judged by the chosen models within a day.",
            query(f"sum({up}) / count({up})"),
            [(None, "red"), (1.0, "green")],
        ).unit("percentunit"),
        number(
            "Broker",
            "Daemons that are connected, of all that are up.",
            query(f"sum({connected}) / count({connected})"),
            [(None, "red"), (1.0, "green")],
        ).unit("percentunit"),
        number(
            "p99 to verdict",
            "From the last message of a window to its verdict: 99 of 100 windows are quicker.",
            query(f"max({p99})"),
            [(None, "green"), (0.5, "orange"), (2.0, "red")],
        ).unit("s"),
    ):
        board.with_panel(panel)


def _alerts(board: build.Dashboard) -> None:
    """List the open alerts of the shipped rules."""
    panel = rows("Open alerts", "What the rules tell now. docs/runbook.md says what to do.", now(OPEN_ALERTS)).height(6)
    columns = ("alertname", "severity", "stream", "model", "site", "device", "source", "instance")
    panel.with_transformation(
        model.DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": dict.fromkeys(("Time", "Value", "__name__", "alertstate", "job"), True),
                "indexByName": {name: place for place, name in enumerate(columns)},
                "renameByName": {"alertname": "alert"},
            },
        )
    )
    panel.override_by_name("stream", [_link()])
    colours = {"critical": {"color": "red"}, "warning": {"color": "orange"}}
    words = [{"type": "value", "options": colours}]
    panel.override_by_name(
        "severity",
        [
            model.DynamicConfigValue(id_val="mappings", value=words),
            model.DynamicConfigValue(
                id_val="custom.cellOptions", value={"type": shape.TableCellDisplayMode.COLOR_TEXT}
            ),
        ],
    )
    board.with_panel(panel)


def _link() -> model.DynamicConfigValue:
    """From a stream's name to its own dashboard."""
    link = {"title": "Open the device dashboard", "url": DEVICE_URL, "targetBlank": False}
    return model.DynamicConfigValue(id_val="links", value=[link])


def _streams(board: build.Dashboard) -> None:
    board.with_row(build.Row("Streams"))
    board.with_panel(_table())
    board.with_panel(
        timeline(
            "Streams that fired",
            "State over time of every stream that fired in the shown range.",
            query(f"({STATE}) and on (job, instance, model, stream) ({FIRED_LATELY})", "{{stream}}"),
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
                    query(f"sum by (state) ({streams(f'residuald_stream_state{{{OF_MODEL}}}')})", "{{state}}"),
                    span=8,
                )
            ),
            STATES,
        )
    )
    board.with_panel(
        lines(
            "Alerts per hour",
            "Alerts that began to fire in the hour before, streams that operators have muted: they begin none; "
            "and alerts that ask whether they are a fault or the new normal.",
            "none",
            query(
                f"sum by (model) ({streams(f'increase(residuald_stream_alerts_total{{{OF_MODEL}}}[1h])')})", "{{model}}"
            ),
            query(f"sum by (model) (residuald_muted_streams{{{OF_MODEL}}})", "muted {{model}}", "B"),
            query(f"sum by (model) (residuald_stream_asks{{{OF_MODEL}}})", "asking {{model}}", "C"),
            span=8,
        )
    )
    board.with_panel(
        bars(
            "Highest scores",
            "1.0 is the threshold of every model.",
            "none",
            query(f"topk(10, {streams(SCORE)})", "{{stream}}").instant(),
        )
        .thresholds(steps(*SCORE_STEPS))
        .decimals(2)
        .span(8)
    )


def _table() -> table.Panel:
    """Every stream, the worst first."""
    age = f"time() - residuald_last_sample_timestamp_seconds{{{OF_MODEL}}}"
    alerts = f"increase(residuald_stream_alerts_total{{{OF_MODEL}}}[$__range])"
    queries = (
        now(f"max by (stream, model) ({streams(SCORE)})", ref="score"),
        now(f"max by (stream, site, device) ({CHOSEN})", ref="info"),
        now(f"max by (stream) ({STATE})", ref="state"),
        now(f"max by (stream) ({QUALITY})", ref="quality"),
        now(f"max by (stream) ({streams(age)})", ref="age"),
        now(f"max by (stream) ({streams(alerts)})", ref="alerts"),
        query(f"max by (stream) ({streams(SCORE)})", ref="trend"),
    )
    panel = rows("All streams", "Follow a stream to its own dashboard.", *queries).height(10)
    times = {"Time": True, **{f"Time {copy}": True for copy in range(1, len(queries) + 1)}}
    columns = {
        "stream": "stream",
        "model": "model",
        "site": "site",
        "device": "device",
        "Value #state": "state",
        "Value #score": "score",
        "Trend #trend": "score over time",
        "Value #alerts": "alerts",
        "Value #quality": "quality",
        "Value #age": "last sample",
    }
    panel.with_transformation(model.DataTransformerConfig(id_val="timeSeriesTable", options={})).with_transformation(
        model.DataTransformerConfig(id_val="joinByField", options={"byField": "stream", "mode": "outer"})
    ).with_transformation(
        model.DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": times | {"Value #info": True},
                "indexByName": {name: place for place, name in enumerate(columns)},
                "renameByName": {name: title for name, title in columns.items() if name != title},
            },
        )
    )
    words = {"type": shape.TableCellDisplayMode.COLOR_TEXT}
    levels = [{"value": value, "color": colour} for value, colour in SCORE_STEPS]

    def column(name: str, **properties: object) -> None:
        panel.override_by_name(name, [model.DynamicConfigValue(id_val=k, value=v) for k, v in properties.items()])

    panel.override_by_name("stream", [_link()])
    column("score over time", **{"custom.cellOptions": {"type": shape.TableCellDisplayMode.SPARKLINE}})
    column("alerts", decimals=0)
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
