"""The section `[log]`: what is logged, and how."""

from typing import Literal

from monitor.settings.section import Section


class LogConfig(Section):
    """Logs go to standard error."""

    format: Literal["auto", "console", "json"] = "auto"
    """`auto` is console on a terminal, JSON otherwise."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe entries to write."""
