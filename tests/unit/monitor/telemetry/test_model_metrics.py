"""How models stand, as Prometheus sees it: which generation, and whether something waits for a person."""

from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from monitor.adapters.artifacts.champion import put_into_use
from monitor.adapters.artifacts.standing import standing_of
from monitor.telemetry.model_metrics import model_metrics
from tests.model_folders import FAILS, HOLDS, THEN, candidate, model_folder


class Registered:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> list[Metric]:
        return list(model_metrics({"motor": standing_of(self._folder)}))


def values(folder: Path) -> tuple[float | None, float | None]:
    registry = CollectorRegistry()
    registry.register(Registered(folder))
    names = ("residuald_model_generation", "residuald_model_candidate_waiting")
    generation, waiting = (registry.get_sample_value(name, {"model": "motor"}) for name in names)
    return generation, waiting


def test_the_generation_counts_up_and_only_what_needs_a_person_waits(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, "v0", "v1")
    assert values(folder) == (1, 0)
    candidate(folder, "v2", "v1", HOLDS)
    assert values(folder) == (1, 0)  # the daemon is about to put it into use
    candidate(folder, "v2", "v1", HOLDS, FAILS)
    assert values(folder) == (1, 1)
    put_into_use(folder, "v0", THEN, "person", "rollback")
    assert values(folder) == (2, 1)
