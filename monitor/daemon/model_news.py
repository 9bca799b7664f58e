"""What is new of models: which version is in use and what waits, in the log and as retained states."""

from collections.abc import Mapping

import structlog

from monitor.adapters.artifacts.standing import Standing
from monitor.adapters.engines.loader import Artifact
from monitor.core.outputs.model_report import candidate_fields, model_report
from monitor.core.outputs.reports import Report
from monitor.daemon.engine import Engine

log = structlog.get_logger()


class ModelNews:
    """Tells how models stand, each time that it changes."""

    def __init__(self) -> None:
        self._logged: dict[str, tuple[str, tuple[str, ...]]] = {}  # by model: what waits, and why

    def tell(self, artifacts: Mapping[str, Artifact], standings: Mapping[str, Standing], engine: Engine) -> None:
        """Log what began to wait, and let the engine tell the states that changed."""
        reports = []
        for model, artifact in artifacts.items():
            standing = standings.get(model, Standing())
            self._log(model, standing)
            reports.append(_report(model, artifact.manifest.version, standing))
        engine.tell_models(reports)

    def _log(self, model: str, standing: Standing) -> None:
        candidate = standing.candidate
        waits = None if candidate is None or not standing.reasons else (candidate.version, standing.reasons)
        if waits is None:
            self._logged.pop(model, None)
        elif self._logged.get(model) != waits:
            self._logged[model] = waits
            log.warning("a candidate waits", model=model, version=waits[0], reasons=list(waits[1]))


def _report(model: str, version: str, standing: Standing) -> Report:
    generation, candidate = standing.generation, standing.candidate
    return model_report(
        model,
        version,
        generation if generation is not None and generation.version == version else None,
        None if candidate is None else candidate_fields(candidate.version, candidate.proposal, standing.reasons),
        frozen=standing.frozen is not None,
    )
