"""Why an input was refused. Every refused message or sample is counted under exactly one of these reasons."""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """The closed list of reasons, as they appear in `residuald_*_discarded_total` and `residuald_commands_total`."""

    # messages
    MALFORMED = "malformed"  # not JSON, not a number, not a whole number of binary samples
    MISSING_FIELD = "missing_field"  # the field path is not in the payload
    WRONG_SHAPE = "wrong_shape"  # other number of channels, rows of unequal length
    EMPTY = "empty"  # no sample in it
    TOO_LARGE = "too_large"  # longer than max_payload_bytes
    BAD_TIMESTAMP = "bad_timestamp"  # not a time, or not finite
    UNKNOWN_TOPIC = "unknown_topic"  # no source's pattern admits it
    UNKNOWN_CHANNEL = "unknown_channel"  # {channel} is not one the source lists
    BAD_NAME = "bad_name"  # the placeholders do not make a safe stream name
    STREAM_LIMIT = "stream_limit"  # max_streams reached
    STREAM_CONFLICT = "stream_conflict"  # the stream of this name, or these channels of it, belong to another topic
    EVICTED = "evicted"  # the stream never gave a window, and made room for another
    RETAINED = "retained"  # a retained message is of unknown age
    # commands
    UNKNOWN_COMMAND = "unknown_command"  # nothing that can be asked of a stream
    UNKNOWN_STREAM = "unknown_stream"  # no stream has this name
    BAD_DURATION = "bad_duration"  # negative, or longer than a stream may be muted
    NOT_LEARNT = "not_learnt"  # the model learns nothing of single streams, so there is nothing to learn anew
    BAD_LABEL = "bad_label"  # a label that there cannot be: its interval, its texts
    NO_HISTORY = "no_history"  # nothing is kept of the stream, so neither are labels
    UNKNOWN_ALERT = "unknown_alert"  # no alert of the stream has this id
    LABEL_LIMIT = "label_limit"  # there are as many labels as there may be
    NOT_KEPT = "not_kept"  # the label could not be written
    # samples
    DUPLICATE = "duplicate"  # this slot of the sample grid already has a value
    LATE = "late"  # older than what has already been cut into windows
    FUTURE = "future"  # further ahead of arrival than max_ahead_seconds, or alone in being ahead
    BACKLOG_LIMIT = "backlog_limit"  # max_backlog_bytes of samples wait already for channels that come later


REASONS = tuple(Reason)
OF_COMMANDS = frozenset(
    {
        *(Reason.UNKNOWN_COMMAND, Reason.UNKNOWN_STREAM, Reason.BAD_DURATION, Reason.NOT_LEARNT),
        *(Reason.BAD_LABEL, Reason.NO_HISTORY, Reason.UNKNOWN_ALERT, Reason.LABEL_LIMIT, Reason.NOT_KEPT),
    }
)
OF_SAMPLES = frozenset({Reason.DUPLICATE, Reason.LATE, Reason.FUTURE, Reason.BACKLOG_LIMIT})
OF_MESSAGES = frozenset(REASONS) - OF_COMMANDS - OF_SAMPLES


@dataclass(frozen=True, slots=True)
class Discard:
    """One refusal: the reason that is counted, a detail for the log, and the stream concerned where there is one."""

    reason: Reason
    detail: str
    stream: str | None = None
