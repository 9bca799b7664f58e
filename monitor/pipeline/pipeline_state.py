"""The state of a pipeline: what outlives the process, in two parts that are read by different rules.

`kept` has a version. Version 2 is the present one; what commit ada64b2 wrote had none. Whatever is older is migrated
(`kept_migrations.py`), so kept state is always taken over. `rings` fits or is refused, model by model, and streams go
on without (`monitor/core/streams/kept_state.py`).
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from monitor.core.outputs.counters import Counters, KeptCounters
from monitor.core.streams.kept_state import (
    KeptModel,
    check_rings,
    has_normals,
    has_streams,
    kept_of,
    learnt_in,
    put_kept,
    put_rings,
    read_kept,
    rings_of,
)
from monitor.core.streams.model_group import ModelGroup
from monitor.core.values.snapshots import State, StateError, part_of, typed
from monitor.pipeline.kept_migrations import KEPT_VERSION, kept_part_of


class Refusal(NamedTuple):
    """A part of a state that was not used. reason: in one word, as it is counted. model: whose part it is."""

    reason: str
    detail: str
    model: str = ""


def snapshot_of(model_groups: Mapping[str, ModelGroup], counters: Counters) -> State:
    """Everything that must outlive the process. No window may be waiting for the scorer."""
    return {
        "kept": {
            "version": KEPT_VERSION,
            "models": {name: kept_of(group) for name, group in model_groups.items()},
            "counters": counters.snapshot(),
        },
        "rings": {name: rings_of(group) for name, group in model_groups.items()},
    }


def restore_into(model_groups: Mapping[str, ModelGroup], counters: Counters, state: object) -> list[Refusal]:
    """Let empty model groups go on from a state of any version. Returns what of it was of no use.

    Raises:
        StateError: it is no state, or one of other models; nothing was changed.

    """
    kept = kept_part_of(state)
    models = typed(part_of(kept, "models"), dict[str, Any])
    counts = typed(part_of(kept, "counters"), KeptCounters)
    if models.keys() != model_groups.keys():
        raise StateError("other models", "settings")
    read = {name: read_kept(group, models[name]) for name, group in model_groups.items()}
    names = [stream.name for kept_model in read.values() for stream in kept_model.streams]
    if len(set(names)) != len(names):
        raise StateError("a stream of two models")
    all_rings = state.get("rings") if isinstance(state, dict) else None  # commit ada64b2 had other ones
    refusals: list[Refusal] = []
    rings = {name: _rings_for(group, read[name], all_rings, refusals) for name, group in model_groups.items()}
    for name, group in model_groups.items():
        put_kept(group, read[name])
        mine = rings[name]
        if mine is not None:
            put_rings(group, mine)
    counters.restore(counts)
    ownerless = sum(not any(stream.owners) for kept_model in read.values() for stream in kept_model.streams)
    if ownerless:
        refusals.append(Refusal("owners", f"{ownerless} streams of an older version go to the first topic that comes"))
    return refusals


def remember_into(model_groups: Mapping[str, ModelGroup], state: object) -> int:
    """Let model groups remember what streams had learnt, of a state that is of no use otherwise.

    It may be of other settings, or too old. Returns how many streams are remembered.

    Raises:
        StateError: it is no state; nothing was changed.

    """
    models = typed(part_of(kept_part_of(state), "models"), dict[str, KeptModel])
    learnt = {
        name: [each for model in _own_last(models, name) for each in learnt_in(group, models[model])]
        for name, group in model_groups.items()
    }
    for name, group in model_groups.items():
        group.normalizer.inherit(learnt[name])
    return sum(len(group.normalizer.remembered) for group in model_groups.values())


def inherit_normals(model_groups: Mapping[str, ModelGroup], before: Mapping[str, ModelGroup]) -> None:
    """Let model groups remember what those before them do, where channels and kind of the numbers are the same."""
    for name, group in model_groups.items():
        for other in (before[model] for model in _own_last(before, name) if before[model] is not group):
            kinds = {each.normalizer.spec.kind for each in (group, other)}
            if len(kinds) == 1 and other.channels == group.channels:
                group.normalizer.inherit(other.normalizer.remembered.items())
                group.normalizer.given.inherit(other.normalizer.given.relearnt)


def _own_last(models: Iterable[str], name: str) -> list[str]:
    """Models in an order in which that of the same name has the last word: a model may have been renamed."""
    return sorted(models, key=lambda model: model == name)


def _rings_for(group: ModelGroup, kept: KeptModel, rings: object, refusals: list[Refusal]) -> State | None:
    """The rings of a model group if they can be used; what else cannot is noted, too."""
    if not has_streams(group, kept):
        refusals.append(Refusal("channels", f"model {group.name}: the artifact has other channels", group.name))
        return None
    if group.manifest.normalization.learnt and not has_normals(group, kept):
        refusals.append(Refusal("normals", f"model {group.name}: the artifact normalizes otherwise", group.name))
    try:
        mine: State = part_of(rings, group.name)
        check_rings(group, mine, len(kept.streams))
    except StateError as error:
        refusals.append(Refusal("rings", f"model {group.name}: {error}", group.name))
        return None
    return mine
