"""What is kept of a model group, in two parts.

*Kept* is what must outlive the process whatever version of this program goes on: which streams there are, their open
alerts with the phases and histories of the decision rule, mutes, what was learnt of each stream, counts. All of it is
by stream name and has a version (`monitor/pipeline/pipeline_state.py`): what older versions wrote is migrated.

*Rings* is what windows are still to be made of: samples, and where each stream is on its sample grid. It is used by
the very same code only, told by a schema, and otherwise refused: then streams start their windows anew.

What is read is checked as a whole before anything is changed.
"""

import json
import math
import uuid
from collections import Counter
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.core.alerting.alerts import AlertStep
from monitor.core.alerting.decision_rule import Phase
from monitor.core.artifact.normalization_spec import MOST_WARMUP_WINDOWS
from monitor.core.scoring.normalize import Normalizer
from monitor.core.scoring.quality import CODES, QUALITIES, Quality
from monitor.core.scoring.remembered_normals import LearntNormals, read_remembered
from monitor.core.streams.model_group import ModelGroup
from monitor.core.streams.stream_table import StreamState
from monitor.core.values.columns import in_range
from monitor.core.values.discards import Reason
from monitor.core.values.names import is_name, shown_text
from monitor.core.values.snapshots import Count, State, StateError, part_of, typed

_NAMESPACE = uuid.UUID("0c2f5a54-7f0e-5d1c-8f43-6a3d5c1b7e90")
_REASONS = frozenset(reason.value for reason in Reason)
_Channels = Annotated[list[Annotated[int, msgspec.Meta(ge=0)]], msgspec.Meta(min_length=1)]
_Owner = Annotated[list[str], msgspec.Meta(min_length=1)]


class KeptStream(msgspec.Struct):
    """One stream: labels, how it is called, the numbers of the channels that arrive together, and their owners.

    owners: of each channel group, a topic and the keys of its payload; None: it is free.
    masked: names of the channels that could not be trusted last.
    """

    name: str
    labels: dict[str, str]
    display_name: str
    channel_groups: list[_Channels]
    owners: list[_Owner | None]
    masked: list[str] = []


class KeptModel(msgspec.Struct):
    """The kept part of one model group of T streams.

    channels, window_length, normalization: what the rest was found by. qualities: what the codes in `table` mean.
    table, decision, normals: columns [T], as the classes that have them declare them; normals is None where nothing is
    learnt of single streams. streams_discarded: what was refused of each stream [T], by reason; versions that did not
    count it left it out.
    """

    channels: list[str]
    window_length: Count
    normalization: dict[str, str | float | list[float] | None]
    streams: list[KeptStream]
    qualities: list[str]
    table: dict[str, Any]
    decision: dict[str, Any]
    normals: dict[str, Any] | None
    alerts: list[AlertStep]
    mutes: dict[str, float]
    restarts: Count
    samples_received: Count
    samples_discarded: dict[str, Count]
    windows_withheld: dict[str, Count]
    streams_discarded: dict[str, list[Count]] = {}
    remembered: dict[str, Any] | None = None  # of streams that are not open, as `RememberedNormals` has it
    relearnt: dict[str, float] = {}  # when streams began to learn by themselves, as `GivenNormals` has it
    questions: dict[str, Any] = {}  # of alerts that fire, as `Questions` has it


def kept_of(group: ModelGroup) -> State:
    """The kept part of a model group. No window may be waiting for the scorer."""
    manifest, table, numbers = group.manifest, group.streams, group.streams.numbers()
    return {
        "channels": list(manifest.channel_names),
        "window_length": manifest.window.length,
        "normalization": manifest.normalization.model_dump(mode="json", exclude={"trained", "of_streams"}),
        "streams": [_kept_stream(group, name) for name in table.number],
        "qualities": [quality.value for quality in QUALITIES],
        "table": table.snapshot(numbers),
        "decision": group.decision.snapshot(numbers),
        "normals": group.normalizer.snapshot(numbers) if manifest.normalization.learnt else None,
        "alerts": msgspec.to_builtins(group.alerts.open_steps()),
        "mutes": group.mutes.ends(),
        "restarts": group.windows.grid.restarts,
        "samples_received": group.samples_received,
        "samples_discarded": {reason.value: count for reason, count in group.samples_discarded.items()},
        "windows_withheld": dict(group.windows_withheld),
        "streams_discarded": group.inputs.discards.kept(numbers),
        "remembered": group.normalizer.remembered.snapshot(group.normalizer.shape),
        "relearnt": dict(group.normalizer.given.relearnt),
        "questions": group.questions.kept(table.number, group.decision.phase == Phase.FIRING),
    }


def _kept_stream(group: ModelGroup, name: str) -> State:
    layout = group.layouts[name]
    owners = [layout.owners.get(channel_group[0]) for channel_group in layout.channel_groups]
    return {
        "name": name,
        "labels": dict(group.streams.labels[name]),
        "display_name": group.streams.display_names[name],
        "channel_groups": layout.channel_groups,
        "owners": [owner and list(owner) for owner in owners],
        "masked": group.masked_names(group.streams.number[name]),
    }


def read_kept(group: ModelGroup, state: object) -> KeptModel:
    """Check the kept part of a model group against an empty one that is to take it over.

    What `has_streams` and `has_normals` deny is not looked at.

    Raises:
        StateError: it is something else.

    """
    kept = typed(state, KeptModel)
    if not all(map(math.isfinite, (*kept.mutes.values(), *kept.relearnt.values()))):
        raise StateError("a mute has no end, or a stream relearnt at no time")
    if not has_streams(group, kept):
        return kept
    count, names = len(kept.streams), [stream.name for stream in kept.streams]
    if len(set(names)) != count or not all(map(is_name, names)):
        raise StateError("streams without a name of their own")
    for stream in kept.streams:
        channels = [channel for channels in stream.channel_groups for channel in channels]
        known = len(set(channels)) == len(channels) and max(channels, default=0) < len(group.measured)
        if not known or len(stream.owners) != len(stream.channel_groups):
            raise StateError(f"stream {stream.name}: no channel groups of this model, or owners of others")
    if any(len(counts) != count for counts in kept.streams_discarded.values()):
        raise StateError("refusals of other streams")
    group.streams.check(kept.table, count)
    in_range(kept.table["quality"], 0, len(kept.qualities) - 1)
    in_range(kept.table["state"], min(StreamState), max(StreamState))
    group.decision.check(kept.decision, count)
    phases = dict(zip(names, kept.decision["phase"].tolist(), strict=True))
    open_phases = {step.stream: step.phase for step in kept.alerts if step.evidence.channel_error}
    if open_phases != {name: Phase(phase).name.lower() for name, phase in phases.items() if phase != Phase.CALM}:
        raise StateError("open alerts of other streams than those that are not calm")
    group.questions.check_kept({name for name, phase in phases.items() if phase == Phase.FIRING}, kept.questions)
    if has_normals(group, kept):
        group.normalizer.check(kept.normals, count)
        if kept.remembered is not None:
            read_remembered(kept.remembered, group.normalizer.shape)
    else:
        learnt_in(group, kept)
    return kept


def has_streams(group: ModelGroup, kept: KeptModel) -> bool:
    """Whether streams, with what is known of them, can go on: the artifact has the same channels."""
    return kept.channels == list(group.channels)


def has_normals(group: ModelGroup, kept: KeptModel) -> bool:
    """Whether what was learnt of streams is of use: the artifact normalizes by the same rule."""
    spec, theirs = group.manifest.normalization, kept.normalization
    alike = spec.learnt and (spec.kind, spec.warmup_windows) == (theirs.get("kind"), theirs.get("warmup_windows"))
    alike = alike and kept.normals is not None
    return alike and (spec.kind != "template" or kept.window_length == group.manifest.window.length)


def learnt_in(group: ModelGroup, kept: KeptModel) -> list[tuple[str, LearntNormals]]:
    """What the kept part of some model group has learnt of streams by name, where it is of use to this one.

    It may be where the rest is not: with the same channels, and numbers of the same kind. Empty where it is not.

    Raises:
        StateError: it is no state.

    """
    normalizer, theirs = group.normalizer, kept.normalization
    spec, warmup = normalizer.spec, theirs.get("warmup_windows")
    length = kept.window_length if theirs.get("kind") == "template" else 1
    if not spec.learnt or spec.kind != theirs.get("kind") or length != normalizer.shape[1]:
        return []
    if not has_streams(group, kept) or kept.normals is None:
        return []
    if not isinstance(warmup, float | int) or not 1 <= warmup <= MOST_WARMUP_WINDOWS:
        raise StateError("a warm-up of no length")
    learnt = [] if kept.remembered is None else read_remembered(kept.remembered, normalizer.shape)
    numbers = np.arange(len(kept.streams))
    other = Normalizer(spec.model_copy(update={"warmup_windows": int(warmup)}), *normalizer.shape_of_windows)
    other.check(kept.normals, len(numbers))
    other.restore(numbers, kept.normals)
    found = zip((stream.name for stream in kept.streams), map(other.learnt, numbers.tolist()), strict=True)
    return learnt + [(name, each) for name, each in found if each is not None]


def put_kept(group: ModelGroup, kept: KeptModel) -> None:
    """Let an empty model group go on from what `read_kept` gave for it."""
    group.mutes.put_ends(kept.mutes)
    group.windows.grid.restarts = kept.restarts
    group.samples_received = kept.samples_received
    group.samples_discarded = Counter(
        {Reason(name): n for name, n in kept.samples_discarded.items() if name in _REASONS}
    )
    group.windows_withheld = Counter(kept.windows_withheld)
    if not has_streams(group, kept):
        return
    group.normalizer.given.inherit(kept.relearnt)
    if not has_normals(group, kept):
        group.normalizer.inherit(learnt_in(group, kept))
    for stream in kept.streams:
        labels = {key: shown_text(text) for key, text in stream.labels.items()}
        group.open_stream(stream.name, labels, stream.channel_groups, shown_text(stream.display_name))
        group.layouts[stream.name].owners = {
            channel_group[0]: tuple(owner)
            for channel_group, owner in zip(stream.channel_groups, stream.owners, strict=True)
            if owner is not None
        }
    numbers = group.streams.numbers()
    group.streams.restore(numbers, kept.table | {"quality": _codes(kept.qualities)[kept.table["quality"]]})
    group.streams.gave_window[numbers] = np.isfinite(group.streams.end_seconds[numbers])
    for number, stream in zip(numbers.tolist(), kept.streams, strict=True):
        group.streams.masked[number] = [name in stream.masked for name in group.channels]
    group.decision.restore(numbers, kept.decision)
    group.inputs.discards.put_kept(numbers, kept.streams_discarded)
    group.alerts.put_open_steps(kept.alerts)
    firing = numbers[group.decision.phase[numbers] == Phase.FIRING]
    group.questions.put_kept(group.streams.number, kept.questions, firing, group.streams.end_seconds[firing])
    if has_normals(group, kept) and kept.normals is not None:
        group.normalizer.restore(numbers, kept.normals)
        if kept.remembered is not None:
            group.normalizer.remembered.restore(kept.remembered, group.normalizer.shape)
        group.normalizer.use_given(group.streams.number)  # it may be of a newer artifact than what was kept


def _codes(names: list[str]) -> NDArray[np.int8]:
    """What the qualities of these names are to us; those that there are no more are good."""
    ours = {quality.value: code for quality, code in CODES.items()}
    return np.array([ours.get(name, CODES[Quality.GOOD]) for name in names], np.int8)


def rings_of(group: ModelGroup) -> State:
    """The rings of a model group. No window may be waiting for the scorer."""
    numbers = group.streams.numbers()
    group.inputs.settle()
    return {
        "schema": _schema_of(group),
        "windows": group.windows.snapshot(numbers),
        "rates": group.inputs.rates.snapshot(numbers),
        "clocks": group.windows.alignment.snapshot(numbers),
    }


def check_rings(group: ModelGroup, state: object, count: int) -> None:
    """See whether rings of `count` streams fit a model group.

    Raises:
        StateError: they do not.

    """
    if typed(part_of(state, "schema"), str) != _schema_of(group):
        raise StateError("another version of the program, or an artifact that cuts other windows")
    group.windows.check(part_of(state, "windows"), count)


def put_rings(group: ModelGroup, state: State) -> None:
    """Let the streams that `put_kept` opened go on with rings that pass `check_rings`."""
    numbers = group.streams.numbers()
    group.windows.restore(numbers, state["windows"])
    for name, part in (("rates", group.inputs.rates), ("clocks", group.windows.alignment)):
        try:
            part.check(part_of(state, name), len(numbers))
        except StateError:  # of a version that measured none, or otherwise: they are measured anew
            continue
        part.restore(numbers, state[name])


def _schema_of(group: ModelGroup) -> str:
    """Stands for what rings are made of, and for what windows are cut by."""
    manifest = group.manifest
    cut = [list(manifest.channel_names), manifest.window.model_dump(mode="json"), manifest.sample_period_seconds]
    return str(uuid.uuid5(_NAMESPACE, json.dumps([group.windows.schema(), cut])))
