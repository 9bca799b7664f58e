"""What came out of the chaos run against what had to: counts, and what was aimed at."""

from collections import Counter
from collections.abc import Iterator, Mapping

from benchmarks.chaos.happenings import Chaos, received
from benchmarks.chaos.listener import Listener
from benchmarks.chaos.walk import Expected
from benchmarks.chaos.world import Metrics, World
from benchmarks.common.targets import Target

_UNHEARD = ("loud", "victim")  # streams of QoS 0, which stand in no walk
_REASONS = ("calm", "gone", "muted", "relearn", "reconfigured")
_HALF_A_SAMPLE_SECONDS = 0.005

_ZERO = {
    "messages_lost": "messages",
    "windows_lost": "windows",
    "windows_duplicated": "windows",
    "streams_with_another_end": "streams",
    "windows_of_victims_lost": "windows",
    "alert_steps_missing": "steps",
    "alert_steps_unexpected": "steps",
    "alert_steps_repeated": "steps",
    "wrong_end_reasons": "alerts",
    "commands_not_applied_once": "commands",
    "retained_states_left": "states",
}


def figures_of(expected: Expected, world: World, metrics: Metrics, listener: Listener, chaos: Chaos) -> dict[str, int]:
    """All counts, by name."""
    scored = {name: int(metrics.get(f"residuald_windows_scored_total {name}", 0)) for name in expected.windows}
    before = _windows_of_kept_models(metrics) - sum(scored.values())
    states = {name for name in listener.states if not name.startswith(_UNHEARD)}
    walked = received(world)
    given = sum(bool(message.command) for device in chaos.devices for message in device.sent)
    return {
        "sigkills": world.kills,
        "messages_published": chaos.published,
        "messages_journaled": int(metrics["residuald_journal_messages_total"]),
        "messages_scored_while_the_disk_failed": int(metrics["residuald_journal_dropped_total"]),
        "messages_walked": walked,
        "messages_lost": max(chaos.published - walked, 0),
        "commands_given": given,
        "commands_not_applied_once": abs(given - int(metrics.get("residuald_commands_total", 0))),
        "windows_expected": sum(expected.windows.values()) + expected.windows_before,
        "windows_scored": sum(scored.values()) + before,
        "windows_lost": max(expected.windows_before - before, 0)
        + sum(max(count - scored[name], 0) for name, count in expected.windows.items()),
        "windows_duplicated": max(before - expected.windows_before, 0)
        + sum(max(scored[name] - count, 0) for name, count in expected.windows.items()),
        "streams_with_another_end": _other_ends(expected, metrics),
        "windows_of_victims": chaos.victim_windows,
        "windows_of_victims_lost": chaos.victim_windows_lost,
        "messages_of_loud_neighbours": chaos.happened["messages of loud neighbours"],
        "retained_states_left": len(states - expected.windows.keys()),
    } | alert_figures(expected, _steps_of_kept_streams(listener), listener.reasons)


def alert_figures(
    expected: Expected, steps: Counter[tuple[str, str]], reasons: Mapping[str, set[str]]
) -> dict[str, int]:
    """Counts of alerts. steps: how often each came, by id and phase. reasons: why alerts ended, by id, as was told."""
    wanted, seen = expected.alerts, set(steps)
    right = Counter(expected.reasons.values())
    return {
        "alert_steps_expected": len(wanted),
        "alert_steps_seen": len(seen),
        "alert_steps_missing": len(wanted - seen),
        "alert_steps_unexpected": len(seen - wanted),
        "alert_steps_repeated": steps.total() - len(seen),
        "wrong_end_reasons": sum(
            reasons[alert] != {expected.reasons.get(alert)} for alert, phase in seen if phase == "resolved"
        ),
        **{f"ended_{reason}": right[reason] for reason in _REASONS},
    }


def targets_of(figures: dict[str, int], *, may_repeat: bool) -> list[Target]:
    """What was aimed at. may_repeat: whether steps of alerts go out at QoS 1, where they may come twice."""
    zero = {name: unit for name, unit in _ZERO.items() if not (may_repeat and name == "alert_steps_repeated")}
    return [Target.at_most(name.replace("_", " "), 0, figures[name], unit) for name, unit in zero.items()]


def differences(expected: Expected, metrics: Metrics, listener: Listener) -> Iterator[str]:
    """What is not as it had to be, a line for each stream or step, for whoever looks for the cause."""
    for name, count in expected.windows.items():
        scored = int(metrics.get(f"residuald_windows_scored_total {name}", 0))
        if scored != count:
            yield f"{name}: {scored} windows, expected {count}"
    for alert, phase in sorted(expected.alerts - set(listener.steps)):
        yield f"missing: {phase} of {alert} ({listener.streams.get(alert, 'which never came')})"
    for alert, phase in sorted(set(_steps_of_kept_streams(listener)) - expected.alerts):
        yield f"unexpected: {phase} of {alert} ({listener.streams[alert]})"
    for alert, reason in expected.reasons.items():
        if listener.reasons[alert] != {reason}:
            yield f"{alert} ({listener.streams.get(alert)}) ended {sorted(listener.reasons[alert])}, expected {reason}"


def _steps_of_kept_streams(listener: Listener) -> Counter[tuple[str, str]]:
    return Counter({key: n for key, n in listener.steps.items() if not listener.streams[key[0]].startswith(_UNHEARD)})


def _windows_of_kept_models(metrics: Metrics) -> int:
    """All windows that were scored of models whose sources lose nothing, also of streams that were forgotten."""
    name = "residuald_batch_windows_sum"
    return round(metrics[name] - metrics.get(f"{name} din", 0.0))


def _other_ends(expected: Expected, metrics: Metrics) -> int:
    """Streams whose samples do not end where the last message says: then a slot was left out or used twice."""
    name = "residuald_last_sample_timestamp_seconds"
    return sum(
        not abs(metrics.get(f"{name} {stream}", 0.0) - end) < _HALF_A_SAMPLE_SECONDS
        for stream, end in expected.newest_seconds.items()
    )
