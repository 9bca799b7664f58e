"""Migrations: from what older versions kept to what is kept now.

A change of what `KeptModel` or `KeptCounters` hold raises `KEPT_VERSION` and adds a step here, but for a field that is
new and has a default; `tests/states/` has a file of each version that was released.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.core.values.snapshots import State, StateError, part_of, typed

KEPT_VERSION = 2

# what the codes of qualities meant in commit ada64b2
_QUALITIES = ("good", "clock_skew", "no_beat", "stuck", "out_of_range", "low_coverage", "non_finite", "silent")

_STEPS = {"pending": 0, "firing": 1}  # the number of the step that opened each phase


def kept_part_of(state: object) -> State:
    """The kept part of a state of any version, as the present version has it.

    Raises:
        StateError: it is of no version that is known here.

    """
    if isinstance(state, dict) and "fleets" in state:
        return _from_version_1(_from_ada64b2(state))
    kept = part_of(state, "kept")
    version = typed(part_of(kept, "version"), int)
    if version == 1:
        return _from_version_1(typed(kept, dict[str, Any]))
    if version != KEPT_VERSION:
        raise StateError(f"version {version} of the state is not known", "version")
    return typed(kept, dict[str, Any])


def _from_version_1(kept: State) -> State:
    """Version 2: streams have owners, and are shown as their messages call them."""
    try:
        return kept | {"models": {name: _model_from_version_1(model) for name, model in kept["models"].items()}}
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise StateError(f"not what version 1 wrote: {type(error).__name__}: {error}") from None


def _model_from_version_1(model: State) -> State:
    return model | {
        "streams": [
            stream | {"display_name": stream["name"], "owners": [None] * len(stream["channel_groups"])}
            for stream in model["streams"]
        ]
    }


def _from_ada64b2(state: State) -> State:
    """Version 1 of what commit ada64b2 wrote, which had no version and was keyed by the names of attributes."""
    try:
        layouts = state["router"]["layout"]
        models = {name: _model_from_ada64b2(fleet, layouts) for name, fleet in state["fleets"].items()}
        return {"models": models, "counters": state["tally"]}
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise StateError(f"not what commit ada64b2 wrote: {type(error).__name__}: {error}") from None


def _model_from_ada64b2(fleet: State, layouts: State) -> State:
    streams, judge = fleet["streams"], fleet["judge"]
    channels, window, _ = fleet["cut"]
    names = streams["order"]
    rows = np.array([streams["names"].index(name) for name in names], np.int64)
    table = (
        "windows_scored",
        "windows_anomalous",
        "error",
        "score",
        "channel_error",
        "quality",
        "state",
        "end_seconds",
    )
    return {
        "channels": channels,
        "window_length": window["length"],
        "normalization": fleet["normalization"],
        "streams": [
            {"name": name, "labels": streams["labels"][name], "channel_groups": layouts[name]} for name in names
        ],
        "qualities": list(_QUALITIES),
        "table": {name: streams[name][rows] for name in table},
        "decision": {
            "phase": judge["phase"][rows],
            "history": judge["_history"][rows],
            "calm_run": judge["_calm_run"][rows],
        },
        "normals": _normals_from_ada64b2(fleet["normalization"], fleet["normalizer"], rows, window["length"]),
        "alerts": [step | {"number": _STEPS[step["phase"]]} for step in fleet["alerts"]["open"]],
        "mutes": fleet["mutes"]["until"],
        "restarts": fleet["windows"]["grid"]["restarts"],
        "samples_received": fleet["samples_received"],
        "samples_discarded": fleet["samples_discarded"],
        "windows_withheld": fleet["windows_withheld"],
    }


def _normals_from_ada64b2(spec: State, learnt: State, rows: NDArray[np.int64], length: int) -> State | None:
    if spec["kind"] not in {"stream", "template"}:
        return None
    template, centre = spec["kind"] == "template", learnt["_centre"]
    if centre.ndim == 2:  # of a template: before its first window
        centre = np.repeat(centre[:, :, None], length if template else 1, axis=2)
    place = {number: at for at, number in enumerate(rows.tolist())}
    return {
        "seen": _taken(learnt["_seen"], rows, 0),
        "centre": _taken(centre, rows, 0),
        "scale": _taken(learnt["_scale"], rows, 1),
        "learning": sorted(
            ([place[number], array] for number, array in learnt["learning"] if number in place),
            key=lambda pair: pair[0],
        ),
    }


def _taken(array: NDArray[Any], rows: NDArray[np.int64], initial: float) -> NDArray[Any]:
    """These rows of an array that has rows only as far as it was needed."""
    taken = np.full((len(rows), *array.shape[1:]), initial, array.dtype)
    there = rows < len(array)
    taken[there] = array[rows[there]]
    return taken
