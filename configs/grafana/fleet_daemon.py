#!/usr/bin/env python3
"""The lower half of the fleet dashboard: what comes in, and whether the daemons keep up."""

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import dashboard as model
from panels import HERE, OF_MODEL, WIDTH, daemons, lines, now, of_sources, query, rows

RECEIVED = f"rate(residuald_messages_received_total{{{HERE}}}[$__rate_interval])"
DISCARDED = f"rate(residuald_messages_discarded_total{{{HERE}}}[$__rate_interval])"
DROPPED = f"rate(residuald_inbox_dropped_total{{{HERE}}}[$__rate_interval])"


def add_input(board: build.Dashboard) -> None:
    """Show messages and windows, and what of them is refused or withheld."""
    board.with_row(build.Row("Input"))
    board.with_panel(
        lines(
            "Messages by source",
            "Arrived, before any is discarded.",
            "mps",
            query(
                f"sum by (source) ({of_sources(RECEIVED)})",
                "{{source}}",
            ),
        )
    ).with_panel(
        lines(
            "Discarded by reason",
            "Messages and samples that were refused (the log has examples) or found the inbox full.",
            "cps",
            query(
                f"sum by (source, reason) ({of_sources(DISCARDED)}) > 0",
                "message {{source}} {{reason}}",
            ),
            query(
                f"sum by (model, reason) (rate(residuald_samples_discarded_total{{{OF_MODEL}}}[$__rate_interval])) > 0",
                "sample {{model}} {{reason}}",
                "B",
            ),
            query(
                f"sum by (instance) ({daemons(DROPPED)}) > 0",
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


def add_daemon(board: build.Dashboard) -> None:
    """Show backlog, inference, CPU, memory and the artifacts in use and their generations."""
    board.with_row(build.Row("Daemon"))
    board.with_panel(
        lines(
            "Backlog",
            "Seconds of traffic that wait in the inbox.",
            "s",
            query(daemons(f"instance:residuald_inbox_backlog_seconds:rate1m{{{HERE}}}"), "{{instance}}"),
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
            query(daemons(f"rate(process_cpu_seconds_total{{{HERE}}}[$__rate_interval])"), "CPU {{instance}}"),
            query(daemons(f"process_resident_memory_bytes{{{HERE}}}"), "memory {{instance}}", "B"),
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
                f"* on (job, instance, model) group_left () residuald_artifact_threshold{{{OF_MODEL}}}"
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
        .span(WIDTH - 8)
    ).with_panel(
        lines(
            "Generations",
            "How often the version in use has changed, and whether another waits for a person (right).",
            "none",
            query(f"residuald_model_generation{{{OF_MODEL}}}", "{{model}}"),
            query(f"residuald_model_candidate_waiting{{{OF_MODEL}}}", "{{model}} waits", "B"),
            span=8,
        )
        .override_by_query("B", [model.DynamicConfigValue(id_val="custom.axisPlacement", value="right")])
        .height(5)
    )
