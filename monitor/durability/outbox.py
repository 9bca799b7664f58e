"""The outbox: the steps of alerts between the pipeline and the sinks.

Each step becomes one delivery for each sink. A delivery is committed before it is handed to its sink, and what the sink
then reports is committed before the sink may go on. Sinks are independent: one that is stuck holds up no other.
"""

from collections.abc import Iterable, Sequence

from monitor.core.outputs.reports import Report
from monitor.core.ports import Delivery, OutboxRow, Progress, Sink, StepKey, Told
from monitor.durability.retained_states import RetainedStates


class Outbox:
    """Hands steps of alerts, and states, to the sinks.

    sinks: may be replaced at any time between two steps. retained: where the states that were told stand.
    """

    def __init__(self, sinks: Iterable[Sink]) -> None:
        self.sinks: dict[str, Sink] = {sink.name: sink for sink in sinks}
        self.retained = RetainedStates()

    def rows_of(self, reports: Iterable[Report], known: dict[str, set[StepKey]]) -> list[OutboxRow]:
        """The deliveries that these reports make, begun but not handed over; states make none.

        known: by sink, the steps that were given to it before.
        """
        steps = [report for report in reports if report.step is not None]
        return [
            OutboxRow(name, self._begun(sink, report.step, report), report.ends)
            for report in steps
            if report.step is not None
            for name, sink in self.sinks.items()
            if report.step not in known.get(name, ())
        ]

    @staticmethod
    def _begun(sink: Sink, key: StepKey, report: Report) -> Delivery:
        delivery = Delivery(key, report.topic, report.payload)
        return delivery.at(sink.begin(delivery))

    def deliver(self, rows: Iterable[OutboxRow]) -> None:
        """Hand committed deliveries over."""
        for row in rows:
            self.sinks[row.sink].deliver(row.delivery)

    def deliver_again(self, name: str, deliveries: Iterable[Delivery]) -> None:
        """Hand over what a former process or connection may have begun to deliver. name: of the sink."""
        for delivery in deliveries:
            self.sinks[name].deliver(delivery.at(delivery.progress, begun=True))

    def progress(self) -> list[tuple[str, Progress]]:
        """What the sinks got further with, to be committed."""
        return [(name, each) for name, sink in self.sinks.items() for each in sink.progress()]

    def committed(self, progress: Sequence[tuple[str, Progress]]) -> None:
        """Let the sinks go on: this progress is committed."""
        for name, sink in self.sinks.items():
            keys = [each.key for owner, each in progress if owner == name]
            if keys:
                sink.committed(keys)

    def tell(self, reports: Iterable[Report]) -> None:
        """Tell the states among these reports to every sink."""
        states = [report for report in reports if report.step is None]
        self.retained.note(self.sinks.values(), states)
        for report in states:
            for sink in self.sinks.values():
                sink.tell(Told(report.topic, report.payload))
