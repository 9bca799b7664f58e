"""A label request: a label that came by a command and is not kept yet."""

from dataclasses import dataclass

from monitor.core.history.label import OPEN, Label, LabelError, LabelKind, require_in_time
from monitor.core.history.labelled_alert import LabelledAlert

ACCEPT = "accept"  # the source of labels by which a stream is accepted


@dataclass(frozen=True, slots=True)
class LabelRequest:
    """What a command asks to be kept. key: names the command, the same whenever it is walked through again.

    alert: the id of an alert of the stream, whose interval is meant; without one from_seconds and to_seconds (None: no
    end) are. at_seconds: when the command arrived (epoch).
    """

    key: str
    stream: str
    kind: LabelKind
    who: str
    note: str
    source: str
    at_seconds: float
    from_seconds: float = 0.0
    to_seconds: float | None = None
    alert: str | None = None

    @property
    def command(self) -> str:
        """The command that it came by."""
        return ACCEPT if self.source == ACCEPT else "label"

    def label(self, alert: LabelledAlert | None = None) -> Label:
        """The label that is asked for. alert: the one that is meant, where one is.

        Raises:
            LabelError: there can be no such label.

        """
        since, until = self.from_seconds, OPEN if self.to_seconds is None else self.to_seconds
        if alert is not None:
            if alert.stream != self.stream:
                raise LabelError(f"alert {alert.id} is one of stream {alert.stream}")
            since, until = alert.from_seconds, alert.until(self.at_seconds)
        return require_in_time(
            Label(self.stream, since, until, self.kind, self.who, self.at_seconds, self.source, self.note)
        )
