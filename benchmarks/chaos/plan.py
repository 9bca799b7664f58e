"""How often each thing happens in the chaos run."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from benchmarks.chaos.happenings import Chaos
from benchmarks.chaos.world import World


@dataclass(frozen=True, slots=True)
class Plan:
    """How often each thing happens."""

    kills: int
    broker_restarts: int
    stalls: int
    full_disks: int
    slow_disks: int
    held_databases: int
    clock_jumps: int
    reloads: int
    swaps: int
    expiries: int
    reconfigurations: int
    commands: int
    loud_neighbours: int
    bursts: int


FULL = Plan(50, 10, 10, 3, 3, 3, 6, 5, 5, 4, 10, 16, 3, 4)
QUICK = Plan(6, 1, 1, 1, 1, 1, 1, 1, 1, 1, 3, 4, 1, 1)


def planned(plan: Plan, chaos: Chaos, world: World) -> tuple[list[Callable[[], None]], list[str]]:
    """All that is to happen, in no order yet, and what is left out because it is not permitted here."""
    counted = [
        (plan.kills, chaos.kill),
        (plan.broker_restarts, chaos.restart_broker),
        (plan.stalls, chaos.stall),
        (plan.held_databases, chaos.hold_database),
        (plan.clock_jumps, chaos.jump),
        (plan.reloads, chaos.reload),
        (plan.swaps, chaos.swap),
        (plan.expiries, chaos.expire),
        (plan.reconfigurations, chaos.reconfigure),
        (plan.commands, chaos.command),
        (plan.loud_neighbours, chaos.loud_neighbour),
        (plan.bursts, chaos.burst),
    ]
    left_out = []
    if world.can_slow:
        counted.append((plan.slow_disks, chaos.slow_disk))
    else:
        left_out.append("the slow disk: strace is not there, or may not trace")
    if world.disk_is_small:
        counted.append((plan.full_disks, chaos.fill_disk))
    else:
        left_out.append("the full disk: mounting a tmpfs is not permitted")

    def happen(what: Callable[[], None]) -> None:
        began = time.monotonic()
        what()
        chaos.seconds[what.__name__] += time.monotonic() - began
        chaos.pause()

    return [partial(happen, what) for count, what in counted for _ in range(count)], left_out
