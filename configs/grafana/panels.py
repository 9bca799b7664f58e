#!/usr/bin/env python3
"""What the panels of both dashboards have in common, so that a state has one colour and a score one threshold line."""

from collections.abc import Sequence

from grafana_foundation_sdk.builders import bargauge, common, prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import common as shape
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

Query = prometheus.Dataquery

# One colour per state and quality, everywhere. The position is the number that stands for it in a time line.
STATES = {"normal": "green", "warming_up": "blue", "withheld": "#8e8e8e", "pending": "orange", "firing": "red"}
QUALITIES = {
    "good": "green",
    "silent": "#8e8e8e",
    "low_coverage": "yellow",
    "stuck": "purple",
    "out_of_range": "orange",
    "non_finite": "red",
    "wrong_rate": "dark-yellow",
    "refused": "dark-orange",
    "incomplete": "light-purple",
    "clock_skew": "blue",
    "no_beat": "dark-red",
    "masked": "light-blue",
    "unlike_training": "super-light-orange",
}
# What the variables of a dashboard choose. Each panel asks within them.
HERE = 'job=~"$job", instance=~"$instance"'
OF_MODEL = f'{HERE}, model=~"$model"'
CHOSEN = f'residuald_stream_info{{{OF_MODEL}, site=~"$site", device=~"$device"}}'

DATASOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
WIDTH = 24  # grid columns of a dashboard


def query(expr: str, legend: str = "", ref: str = "A") -> Query:
    """Ask for the shown time range."""
    return prometheus.Dataquery().expr(expr).legend_format(legend).ref_id(ref).range()


def now(expr: str, legend: str = "", ref: str = "A") -> Query:
    """Ask for the latest values, one table row per series."""
    return query(expr, legend, ref).instant().format(PromQueryFormat.TABLE)


def streams(expr: str) -> str:
    """PromQL: what an expression finds of the streams of the chosen models, sites and devices."""
    return f"({expr}) and on (job, instance, model, stream) {CHOSEN}"


def daemons(expr: str, seconds: str = "5m") -> str:
    """PromQL: what an expression finds of the daemons that judge by the chosen models, or did `seconds` ago."""
    return f"({expr}) and on (job, instance) last_over_time(residuald_streams{{{OF_MODEL}}}[{seconds}])"


def of_sources(expr: str) -> str:
    """PromQL: what an expression finds of the sources of the chosen models."""
    return f"({expr}) and on (job, instance, source) residuald_source_info{{{OF_MODEL}}}"


def codes(metric: str, label: str, values: Sequence[str], selector: str) -> str:
    """PromQL: per stream, the position in `values` of the one whose series is 1."""
    return " + ".join(
        f'{code} * sum by (job, instance, model, stream) ({metric}{{{selector}, {label}="{value}"}})'
        for code, value in enumerate(values)
    )


def mapping(colours: dict[str, str]) -> list[model.ValueMapping]:
    """Show numbers made by `codes` as coloured words."""
    options = {
        str(code): model.ValueMappingResult(text=value.replace("_", " "), color=colour, index=code)
        for code, (value, colour) in enumerate(colours.items())
    }
    return [model.ValueMap(options=options)]


def steps(*levels: tuple[float | None, str]) -> build.ThresholdsConfig:
    """Colour from each level on; None is the base."""
    return (
        build.ThresholdsConfig()
        .mode(model.ThresholdsMode.ABSOLUTE)
        .steps([model.Threshold(value=value, color=colour) for value, colour in levels])
    )


SCORE_STEPS = ((None, "green"), (0.8, "yellow"), (1.0, "red"))  # 1.0 is the threshold of every model


def fixed(colour: str) -> build.FieldColor:
    """One colour whatever the value."""
    return build.FieldColor().mode(model.FieldColorModeId.FIXED).fixed_color(colour)


def by_thresholds() -> build.FieldColor:
    """Colour by the value's threshold step."""
    return build.FieldColor().mode(model.FieldColorModeId.THRESHOLDS)


def number(
    title: str, text: str, source: Query, levels: Sequence[tuple[float | None, str]], *, sparkline: bool = True
) -> stat.Panel:
    """Show one large number, and how it was over the shown time."""
    return (
        stat.Panel()
        .title(title)
        .description(text)
        .datasource(DATASOURCE)
        .with_target(source)
        .thresholds(steps(*levels))
        .color_scheme(by_thresholds())
        .color_mode(shape.BigValueColorMode.VALUE)
        .graph_mode(shape.BigValueGraphMode.AREA if sparkline else shape.BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .height(4)
        .span(3)
    )


def lines(title: str, text: str, unit: str, *sources: Query, span: int = 12) -> timeseries.Panel:
    """Show series over time."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(text)
        .datasource(DATASOURCE)
        .unit(unit)
        .line_width(1)
        .fill_opacity(8)
        .show_points(shape.VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .display_mode(shape.LegendDisplayMode.LIST)
            .placement(shape.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(common.VizTooltipOptions().mode(shape.TooltipDisplayMode.MULTI).sort(shape.SortOrder.DESCENDING))
        .height(8)
        .span(span)
    )
    for source in sources:
        panel.with_target(source)
    return panel


def with_threshold_line(panel: timeseries.Panel) -> timeseries.Panel:
    """Draw score 1.0 as a line, everything above it on red ground."""
    mode = shape.GraphTresholdsStyleMode.LINE_AND_AREA
    return (
        panel.thresholds(steps((None, "transparent"), (1.0, "red")))
        .thresholds_style(common.GraphThresholdsStyleConfig().mode(mode))
        .axis_soft_min(0)
        .axis_soft_max(1.2)
    )


def stacked(panel: timeseries.Panel) -> timeseries.Panel:
    """Stack the series, so that the upper edge is their sum."""
    return panel.stacking(common.StackingConfig().mode(shape.StackingMode.NORMAL)).fill_opacity(40)


def coloured(panel: timeseries.Panel, colours: dict[str, str]) -> timeseries.Panel:
    """Give series their colour by name."""
    for name, colour in colours.items():
        value = {"mode": "fixed", "fixedColor": colour}
        panel.override_by_name(name, [model.DynamicConfigValue(id_val="color", value=value)])
    return panel


def timeline(title: str, text: str, source: Query, colours: dict[str, str]) -> statetimeline.Panel:
    """Show which of several states over time, one row per series of `codes`."""
    return (
        statetimeline.Panel()
        .title(title)
        .description(text)
        .datasource(DATASOURCE)
        .with_target(source)
        .mappings(mapping(colours))
        .color_scheme(by_thresholds())
        .show_value(shape.VisibilityMode.NEVER)
        .merge_values(True)
        .legend(
            common.VizLegendOptions()
            .display_mode(shape.LegendDisplayMode.LIST)
            .placement(shape.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .span(WIDTH)
    )


def bars(title: str, text: str, unit: str, source: Query) -> bargauge.Panel:
    """Show the latest values as horizontal bars."""
    return (
        bargauge.Panel()
        .title(title)
        .description(text)
        .datasource(DATASOURCE)
        .with_target(source)
        .unit(unit)
        .orientation(shape.VizOrientation.HORIZONTAL)
        .display_mode(shape.BarGaugeDisplayMode.GRADIENT)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .min(0)
        .height(8)
    )


def rows(title: str, text: str, *sources: Query) -> table.Panel:
    """Show a table, one row per series."""
    panel = table.Panel().title(title).description(text).datasource(DATASOURCE).show_header(True).span(WIDTH)
    for source in sources:
        panel.with_target(source)
    return panel


def choice(name: str, label: str, values: str, *, several: bool) -> build.QueryVariable:
    """Offer a drop-down filled by `label_values(...)`."""
    variable = (
        build.QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query({"query": values, "refId": name})
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(several)
        .include_all(several)
    )
    return variable.all_value(".*").current(model.VariableOption(text="All", value="$__all")) if several else variable


def mark(board: build.Dashboard, name: str, colour: str, expr: str) -> None:
    """Draw a line through all panels where an expression finds something; `TITLES` has its words."""
    board.annotation(
        build.AnnotationQuery().name(name).datasource(DATASOURCE).enable(True).icon_color(colour).expr(expr)
    )


# by name of the annotation; the library that builds dashboards has no field for it
TITLES = {"Alerts": "{{stream}} fires", "Restarts": "{{instance}} started"}


def frame(uid: str, title: str, text: str) -> build.Dashboard:
    """Start a dashboard with what can be chosen on each: data source, job, instance, model, site and device."""
    board = (
        build.Dashboard(title)
        .uid(uid)
        .description(text)
        .tags(["residuald"])
        .editable()
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .time("now-1h", "now")
        .refresh("10s")
        .timezone("browser")
        .with_variable(build.DatasourceVariable("datasource").label("Data source").type("prometheus"))
    )
    of_stream = f"residuald_stream_info{{{OF_MODEL}"
    for name, label, values in (
        ("job", "Job", "residuald_build_info"),
        ("instance", "Instance", 'residuald_build_info{job=~"$job"}'),
        ("model", "Model", f"residuald_streams{{{HERE}}}"),
        ("site", "Site", f"{of_stream}}}"),
        ("device", "Device", f'{of_stream}, site=~"$site"}}'),
    ):
        board.with_variable(choice(name, label, f"label_values({values}, {name})", several=True))
    mark(board, "Restarts", "blue", f"changes(residuald_start_time_seconds{{{HERE}}}[1m]) > 0")
    return board
