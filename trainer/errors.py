"""Errors that stop a command. The class owns its exit code; no two share one by accident (see sysexits.h)."""


class TrainerError(Exception):
    """Base: the message is for the person at the keyboard and says what to do."""

    exit_code = 1


class DataError(TrainerError):
    """A data file cannot be read, breaks the dataset contract, or does not hold enough (EX_DATAERR)."""

    exit_code = 65


class ArtifactError(TrainerError):
    """An artifact is missing, damaged, or does not compute what it promised (EX_NOINPUT)."""

    exit_code = 66


class KeyFileError(TrainerError):
    """A key to sign with cannot be read or used (EX_NOPERM)."""

    exit_code = 77


class TrainingError(TrainerError):
    """The optimization failed: the loss is not a number any more (EX_SOFTWARE)."""

    exit_code = 70


class OutputError(TrainerError):
    """The artifact, the report or the scores cannot be written (EX_CANTCREAT)."""

    exit_code = 73


class WaitsForPersonError(TrainerError):
    """A candidate waits for a person, or a refit waits for a person to look at labels (EX_TEMPFAIL)."""

    exit_code = 75


class SettingsError(TrainerError):
    """The fit settings cannot be used; `problems` lists every reason with its dotted path (EX_CONFIG)."""

    exit_code = 78

    def __init__(self, source: str, problems: list[str]) -> None:
        self.source = source
        self.problems = problems
        lines = [f"{source}: {len(problems)} problem(s)", *(f"  {problem}" for problem in problems)]
        super().__init__("\n".join(lines))
