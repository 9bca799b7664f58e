"""A run proves something only if nothing was lost and all agree: every way to fail is found."""

from collections import Counter
from typing import Any

import pytest

from benchmarks.common.agreement import disagreements, lost, total
from benchmarks.common.live import AlertStep, Listener, Metrics
from benchmarks.common.replayed import Replay


def labels(**given: str) -> frozenset[tuple[str, str]]:
    return frozenset(given.items())


def scrape(received: float = 100, refused: float = 0, scored: float = 9, withheld: float = 1) -> Metrics:
    """What /metrics says after one stream `s` of the model `m`; two alert steps."""
    return {
        "residuald_samples_received_total": {labels(model="m"): received},
        "residuald_samples_discarded_total": {labels(model="m", reason="late"): refused},
        "residuald_windows_scored_total": {labels(model="m", stream="s"): scored},
        "residuald_windows_withheld_total": {labels(model="m", reason="stuck"): withheld},
        "residuald_windows_anomalous_total": {labels(model="m", stream="s"): 2},
        "residuald_alerts_total": {labels(phase="pending"): 1, labels(phase="firing"): 1},
    }


def heard(*steps: tuple[str, str]) -> Listener:
    alerts: list[dict[str, Any]] = [{"stream": "s", "id": name, "phase": phase} for name, phase in steps]
    return Listener(alerts=alerts, states={"s": {"state": "firing"}})


def replayed(*steps: tuple[str, str], anomalous: int = 2) -> dict[str, dict[str, Replay]]:
    verdicts = Counter({"normal": 9 - anomalous, "anomalous": anomalous, "withheld": 1})
    return {"m": {"s": Replay(verdicts=verdicts, steps=Counter(AlertStep("s", *step) for step in steps))}}


STEPS = (("a", "pending"), ("a", "firing"))


def test_a_metric_is_added_up_over_the_series_that_have_the_labels() -> None:
    metrics = scrape()
    assert total(metrics, "residuald_alerts_total") == 2
    assert total(metrics, "residuald_alerts_total", phase="firing") == 1
    assert total(metrics, "residuald_alerts_total", phase="resolved") == 0
    assert total(metrics, "no_such_metric") == 0


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    assert lost(scrape(), Counter(m=100), {"m": 10}) == []
    assert disagreements(scrape(), heard(*STEPS), replayed(*STEPS)) == []


@pytest.mark.parametrize(
    "metrics",
    [scrape(received=99), scrape(refused=1), scrape(scored=8), scrape(withheld=0), {}],
    ids=["a sample lost", "a sample refused", "a window not scored", "a window not judged", "nothing counted"],
)
def test_losses_are_found(metrics: Metrics) -> None:
    assert lost(metrics, Counter(m=100), {"m": 10})


def test_refused_messages_are_found() -> None:
    metrics = scrape() | {"residuald_messages_discarded_total": {labels(source="m", reason="malformed"): 1.0}}
    assert lost(metrics, Counter(m=100), {"m": 10}) == ["1 messages refused"]


@pytest.mark.parametrize(
    ("live", "offline"),
    [
        (heard(*STEPS), replayed(*STEPS, anomalous=3)),
        (heard(*STEPS), replayed(("b", "pending"), ("b", "firing"))),
        (heard(*STEPS), replayed(*STEPS, ("a", "resolved"))),
        (heard(*STEPS, ("a", "resolved")), replayed(*STEPS)),
        (heard(STEPS[0]), replayed(STEPS[0])),
        (Listener(alerts=heard(*STEPS).alerts), replayed(*STEPS)),
    ],
    ids=["verdicts", "ids", "a step only replayed", "a step only live", "a step only counted", "no state"],
)
def test_disagreements_are_found(live: Listener, offline: dict[str, dict[str, Replay]]) -> None:
    assert disagreements(scrape(), live, offline)
