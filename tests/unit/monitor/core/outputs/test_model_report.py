"""The payload of a model's state is a contract with whoever subscribes."""

import json
from datetime import UTC, datetime

from monitor.core.artifact.generation import Generation
from monitor.core.artifact.proposal import Check, Proposal
from monitor.core.outputs.model_report import candidate_fields, model_report

THEN = datetime(2026, 1, 31, 12, tzinfo=UTC)
FAILS = Check(name="recall", holds=False, text="slow ramps are found less often")


def test_a_model_tells_its_version_its_generation_and_what_waits_for_which_reasons() -> None:
    generation = Generation(generation=7, version="v6", at=THEN, by="person", why="rollback", before="v7")
    proposal = Proposal(version="v8", sha256="0" * 64, at=THEN, parent="v7", by="refit", checks=(FAILS,))
    reasons = (FAILS.text, "it was compared with v7, and v6 is in use")
    report = model_report("motor", "v6", generation, candidate_fields("v8", proposal, reasons), frozen=True)
    assert (report.topic, report.retain, report.step) == ("model/motor/state", True, None)
    assert json.loads(report.payload) == {
        "schema": 1,
        "model": "motor",
        "version": "v6",
        "generation": 7,
        "since": THEN.timestamp(),
        "by": "person",
        "why": "rollback",
        "before": "v7",
        "frozen": True,
        "candidate": {
            "version": "v8",
            "at": THEN.timestamp(),
            "by": "refit",
            "reasons": list(reasons),
            "failed": ["recall"],
        },
    }


def test_what_is_not_known_is_null() -> None:
    told = json.loads(model_report("motor", "v1", None, None, frozen=False).payload)
    assert [name for name, value in told.items() if value is None] == [
        "generation",
        "since",
        "by",
        "why",
        "before",
        "candidate",
    ]
    assert candidate_fields("v2", None, ("its proposal cannot be read",))["by"] is None
