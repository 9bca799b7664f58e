"""What must hold for a run to prove anything: nothing was lost, and all who tell about it agree. Pure."""

from collections import Counter
from collections.abc import Mapping

from benchmarks.common.live import AlertStep, Listener, Metrics
from benchmarks.common.replayed import Replay


def total(metrics: Metrics, name: str, **labels: str) -> float:
    """Add the values of a metric over all series that have these labels."""
    return sum(value for series, value in metrics.get(name, {}).items() if labels.items() <= set(series))


def lost(metrics: Metrics, sent: Counter[str], expected: dict[str, int]) -> list[str]:
    """What was published and not counted, or not judged. sent: samples by model; expected: windows by model."""
    found = []
    for model, samples in sent.items():
        received = total(metrics, "residuald_samples_received_total", model=model)
        refused = total(metrics, "residuald_samples_discarded_total", model=model)
        if received != samples or refused:
            found.append(f"{model}: {samples} samples published, {received:g} counted, {refused:g} of them refused")
        judged = sum(total(metrics, f"residuald_windows_{kind}_total", model=model) for kind in ("scored", "withheld"))
        if judged != expected[model]:
            found.append(f"{model}: {expected[model]} windows expected, {judged:g} judged")
    if refused := total(metrics, "residuald_messages_discarded_total"):
        found.append(f"{refused:g} messages refused")
    return found


def disagreements(metrics: Metrics, heard: Listener, replays: Mapping[str, Mapping[str, Replay]]) -> list[str]:
    """Where live and replay differ, and where MQTT and `/metrics` do."""
    found = []
    for name, offline in ((name, stream) for streams in replays.values() for name, stream in streams.items()):
        live = [total(metrics, f"residuald_windows_{kind}_total", stream=name) for kind in ("scored", "anomalous")]
        if live != [offline.scored, offline.verdicts["anomalous"]]:
            found.append(
                f"{name}: live scored {live[0]:g} windows, {live[1]:g} of them anomalous; "
                f"replay {offline.scored} and {offline.verdicts['anomalous']}"
            )
        steps = Counter(AlertStep.of(alert) for alert in heard.alerts if alert["stream"] == name)
        if steps != offline.steps:
            only_live, only_replay = (steps - offline.steps).total(), (offline.steps - steps).total()
            found.append(f"{name}: {only_live} alert steps only live, {only_replay} only in the replay")
        if name not in heard.states:
            found.append(f"{name}: no state on MQTT")
    counted = total(metrics, "residuald_alerts_total")
    if counted != len(heard.alerts):
        found.append(f"{len(heard.alerts)} alert steps on MQTT, {counted:g} counted")
    return found
