"""Errors that stop a command. The class owns its exit code; no two share one by accident.

A bad payload is not an error: it is counted and forgotten (`monitor.core.values.discards`). These are *our* or the
operator's.
"""


class ResidualdError(Exception):
    """Base: the message is for the operator and says what to do. Exit code 1 is kept for what nobody foresaw."""

    exit_code = 1


class DataError(ResidualdError):
    """A data file cannot be read or breaks the dataset contract (EX_DATAERR)."""

    exit_code = 65


class ArtifactError(ResidualdError):
    """An artifact is missing, damaged or not what the config needs (EX_NOINPUT)."""

    exit_code = 66


class UnavailableError(ResidualdError):
    """Something outside is not there: a broker for a command that needs one now, a port (EX_UNAVAILABLE)."""

    exit_code = 69


class HangError(ResidualdError):
    """A thread of the daemon hangs: it ends at once, to be started anew (EX_SOFTWARE)."""

    exit_code = 70


class OutputError(ResidualdError):
    """A file cannot be written (EX_CANTCREAT)."""

    exit_code = 73


class WaitingError(ResidualdError):
    """What was asked for has to wait, and the text says for what; the same command may do it later (EX_TEMPFAIL)."""

    exit_code = 75


class KeyFileError(ResidualdError):
    """A key to sign with cannot be read or used (EX_NOPERM)."""

    exit_code = 77


class ConfigError(ResidualdError):
    """The configuration cannot be used; `problems` lists every reason with its dotted path (EX_CONFIG)."""

    exit_code = 78

    def __init__(self, path: str, problems: list[str]) -> None:
        self.path = path
        self.problems = problems
        super().__init__("\n".join([f"{path}: {len(problems)} problem(s)", *(f"  {problem}" for problem in problems)]))
