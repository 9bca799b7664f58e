"""Why an alert is over: only the first of these reasons says that the machine calmed down."""

from enum import StrEnum


class EndReason(StrEnum):
    """Stands in each `resolved` step; docs/outputs.md says the same to those who receive it."""

    CALM = "calm"  # the windows say so: released after firing, or lapsed while pending
    GONE = "gone"  # nothing came for so long that the stream was forgotten
    MUTED = "muted"  # an operator muted the stream
    RELEARN = "relearn"  # an operator lets the stream learn anew what is usual
    RECONFIGURED = "reconfigured"  # other sources, limits or models, or an artifact that the stream does not fit
    LOST = "lost"  # a new process has no state to go on from: there was no checkpoint since, or it is of no use
