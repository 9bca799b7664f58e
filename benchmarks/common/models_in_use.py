"""Putting a version of a model into use, as a person does it."""

from datetime import UTC, datetime
from pathlib import Path

from monitor.adapters.artifacts.champion import put_into_use
from monitor.adapters.artifacts.lock import locked


def use_version(folder: Path, version: str) -> None:
    """Put a version of a model's folder into use, also one that is older than the one in use."""
    with locked(folder):
        put_into_use(folder, version, datetime.now(UTC), "person", "rollback")
