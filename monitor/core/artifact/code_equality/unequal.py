"""Why a refit is refused that only a refit key signed: it is not of the make of its parent."""


class UnequalError(ValueError):
    """A refit differs from its parent in more than its numbers; the message says in what."""
