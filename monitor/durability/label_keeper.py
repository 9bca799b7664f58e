"""The label keeper: labels that came by commands on their way into the history, and answers on their way out of it.

The engine's side leaves requests and questions here and never waits; `work` belongs to the thread that has the history
open. What it needs is short: nothing is read unless the labels or the questions are others than before.
"""

import sqlite3
import time
from collections import deque
from collections.abc import Callable, Mapping

from monitor.adapters.storage.database import explained
from monitor.adapters.storage.label_table import LabelLimitError, add_label
from monitor.core.history.label import LabelError, answers
from monitor.core.history.label_request import LabelRequest
from monitor.core.ports import StoreError
from monitor.core.values.discards import Discard, Reason
from monitor.pipeline.labelling import AnsweredAlerts, LabelOutcome
from monitor.readers.label_rows import read_labels
from monitor.readers.label_targets import UnknownAlertError, find_alert

_AGAIN_SECONDS = 60.0  # between looks at what has not changed: a maintenance may be over


class LabelKeeper:
    """Requests, outcomes and answers between two threads. clock: wall time, epoch seconds."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._requests: deque[LabelRequest] = deque()
        self._outcomes: deque[LabelOutcome] = deque()
        self._alerts: Mapping[str, float] = {}
        self._answered: AnsweredAlerts | None = None
        self._looked_at: tuple[Mapping[str, float], int] = ({}, -1)  # the alerts and the file of the last look
        self._next_look = 0.0

    # --- the engine's side: `monitor.pipeline.labelling.LabelBox`

    def put(self, request: LabelRequest) -> None:
        """Ask for a label to be kept."""
        self._requests.append(request)

    def outcomes(self) -> list[LabelOutcome]:
        """What became of requests since the last call."""
        return [self._outcomes.popleft() for _ in range(len(self._outcomes))]

    def look_after(self, alerts: Mapping[str, float]) -> None:
        """Look whether people say something about these alerts."""
        self._alerts = alerts

    def answered(self) -> AnsweredAlerts | None:
        """What was found, since the last call."""
        answered, self._answered = self._answered, None
        return answered

    # --- the side of the thread that has the history open

    @property
    def waits(self) -> bool:
        """Whether `work` has something to do."""
        return bool(self._requests or self._alerts)

    def work(self, database: sqlite3.Connection) -> None:
        """Keep the labels that wait, and look who has answered. No transaction may be open.

        Raises:
            StoreError: the history cannot be read or written; what waited is refused.

        """
        try:
            added = len(self._requests)
            for _ in range(added):
                self._outcomes.append(_outcome_of(database, self._requests[0]))
                self._requests.popleft()
            if self._alerts:
                self._look(database, anew=added > 0)
        except sqlite3.Error as error:
            self.refuse(str(error))
            raise explained(error) from error
        except LabelError as error:  # a row that somebody else wrote is none
            raise StoreError(f"a label cannot be read: {error}") from error

    def refuse(self, why: str) -> None:
        """Refuse what waits: the history cannot be written for now."""
        for _ in range(len(self._requests)):
            request = self._requests.popleft()
            refusal = Discard(Reason.NOT_KEPT, f"the history cannot be written ({why}); send it again later")
            self._outcomes.append(LabelOutcome(request.key, refusal))

    def _look(self, database: sqlite3.Connection, *, anew: bool) -> None:
        alerts, now = self._alerts, self._clock()
        (changes,) = database.execute("PRAGMA data_version").fetchone()  # moves with what other processes commit
        if not anew and self._looked_at == (alerts, changes) and now < self._next_look:
            return
        answered = {
            stream
            for stream, since in alerts.items()
            if any(answers(label, since, now) for label in read_labels(database, stream, since))
        }
        self._looked_at, self._next_look = (alerts, changes), now + _AGAIN_SECONDS
        self._answered = AnsweredAlerts(frozenset(alerts), frozenset(answered))


def _outcome_of(database: sqlite3.Connection, request: LabelRequest) -> LabelOutcome:
    try:
        alert = None if request.alert is None else find_alert(database, request.alert)
        add_label(database, request.label(alert), request.key)
    except UnknownAlertError as error:
        return LabelOutcome(request.key, Discard(Reason.UNKNOWN_ALERT, str(error)))
    except LabelLimitError as error:
        return LabelOutcome(request.key, Discard(Reason.LABEL_LIMIT, str(error)))
    except LabelError as error:
        return LabelOutcome(request.key, Discard(Reason.BAD_LABEL, str(error)))
    return LabelOutcome(request.key, None)
