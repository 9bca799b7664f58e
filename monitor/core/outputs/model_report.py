"""How a model stands, as it is published: which version is in use, and what waits for which reasons."""

from typing import Any

import msgspec

from monitor.core.artifact.generation import Generation
from monitor.core.artifact.proposal import Proposal
from monitor.core.outputs.reports import SCHEMA, Report, model_topic


def model_report(
    model: str, version: str, generation: Generation | None, candidate: dict[str, Any] | None, *, frozen: bool
) -> Report:
    """Make the state of a model, on `model/<model>/state`, retained.

    version: in use by the daemon. generation: how that one came into use; None: nobody wrote it down. candidate: as
    `candidate_fields` makes it; None: nothing waits.
    """
    fields = {
        "schema": SCHEMA,
        "model": model,
        "version": version,
        "generation": None if generation is None else generation.generation,
        "since": None if generation is None else generation.at.timestamp(),
        "by": None if generation is None else generation.by,
        "why": None if generation is None else generation.why,
        "before": None if generation is None else generation.before,
        "frozen": frozen,
        "candidate": candidate,
    }
    return Report(model_topic(model), msgspec.json.encode(fields), retain=True)


def candidate_fields(version: str, proposal: Proposal | None, reasons: tuple[str, ...]) -> dict[str, Any]:
    """The fields of a candidate. reasons: why it waits; empty where the daemon is about to put it into use."""
    return {
        "version": version,
        "at": None if proposal is None else proposal.at.timestamp(),
        "by": None if proposal is None else proposal.by,
        "reasons": list(reasons),
        "failed": [] if proposal is None else [check.name for check in proposal.failed],
    }
