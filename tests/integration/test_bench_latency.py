"""The latency benchmark against the real daemon, for seconds; and that it notices what is lost."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.common.workloads import W1
from benchmarks.latency import observers as fleet_observers
from benchmarks.latency import run as fleet_run
from benchmarks.latency.publisher import Plan
from benchmarks.latency.run import make_plan, run_fleet

pytestmark = pytest.mark.integration

MODEL = 'family = "pca"\ncomponents = 8\n'  # as many as the telemetry has, so that noise is all that is left
# a window of 40 samples at 100 Hz: seconds are enough for many
FLEET = replace(W1.parts[0], name="lab", streams=12, sample_rate_hz=100.0, window=40, stride=40, fit=MODEL)


def test_every_anomalous_window_is_seen_as_an_alert_and_every_window_as_a_metric(tmp_path: Path) -> None:
    run = run_fleet(FLEET, 4, 5.0, tmp_path, poll=True, scrape_every_seconds=0.5)
    assert run.void == ()
    assert len(run.alert_seconds) > 10
    assert len(run.metric_seconds) > 10
    for latencies in (run.alert_seconds, run.metric_seconds):
        assert (latencies > 0).all()
        assert np.median(latencies) < 2.0
    assert len(run.scrapes) >= 2


def test_alerts_that_were_planned_and_did_not_come_make_the_run_void(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def harmless(*args: object) -> Plan:
        plan = make_plan(*args)  # type: ignore[arg-type] # handed on as they come
        return replace(plan, anomalous=plan.normal)

    monkeypatch.setattr(fleet_run, "make_plan", harmless)
    monkeypatch.setattr(fleet_observers, "_ALERTS_SECONDS", 0.5)
    run = run_fleet(FLEET, 4, 3.0, tmp_path)
    assert "alerts did not come" in run.void[0]
