"""Whether sources deliver what their models need. Start-up, `residuald check` and reload ask this."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from monitor.core.artifact.manifest import Manifest
from monitor.core.sources.source import SourceSpec
from monitor.setup.registry import Config


def check_sources(config: Config, manifests: Mapping[str, Manifest]) -> list[str]:
    """List what keeps sources from feeding their models, one line per problem with its dotted path.

    `manifests` holds the manifest of each model by name; sources of a model that is not in it are left out.
    """
    problems: list[str] = []
    for index, source in enumerate(config.source):
        manifest = manifests.get(source.model)
        if manifest is not None:
            problems += (f"source[{index}].{problem}" for problem in _source_problems(source, manifest))
    for index, model in enumerate(config.model):
        sources = [source for source in config.source if source.model == model.name]
        if sources and model.name in manifests:
            carried = {name for source in sources for name in _carried(source, manifests[model.name])}
            absent = [name for name in manifests[model.name].measured_names if name not in carried]
            if absent:
                problems.append(f"model[{index}]: its windows never fill: no source carries {', '.join(absent)}")
    return problems


def _source_problems(source: SourceSpec, manifest: Manifest) -> Iterator[str]:
    known = manifest.measured_names
    listed = source.channels or ()
    for name in dict.fromkeys(listed):
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known)}"
            yield f"channels: model {source.model!r} has no channel {name!r}; {hint}"
        if listed.count(name) > 1:
            yield f"channels: {name!r} is listed {listed.count(name)} times"
    if source.has_channel:
        place = "topic" if source.pattern.has_channel else "payload"
        columns, why = 1, f"{{channel}} in the {place} names the only one"
    else:
        columns = len(_carried(source, manifest))
        why = "one for each of " + ", ".join(_carried(source, manifest))
    misfit = source.format.misfit(columns)
    if misfit is not None and source.format.one_channel:
        kind = source.format.kind
        yield f"channels: missing; format `{kind}` carries one channel and model {source.model!r} has {columns}"
    elif misfit is not None:
        yield f"format.{misfit} ({why})"


def _carried(source: SourceSpec, manifest: Manifest) -> tuple[str, ...]:
    return manifest.measured_names if source.channels is None else source.channels
