"""How a model's folder stands: what is in use, since which generation, and what waits for which reasons."""

from dataclasses import dataclass, replace
from pathlib import Path

from monitor.adapters.artifacts.candidates import Candidate, candidates_in
from monitor.adapters.artifacts.frozen_file import Frozen, read_frozen
from monitor.adapters.artifacts.generation_file import known_generation, read_generations
from monitor.adapters.artifacts.versions import version_in_use
from monitor.core.artifact.generation import Generation
from monitor.core.artifact.proposal import reasons_to_wait


@dataclass(frozen=True, slots=True)
class Standing:
    """How a model's folder stands.

    version: what is in use; None: `current` leads to none of the folder's versions. generation: how that one came into
    use; None: nobody wrote it down. candidate: the newest that never was in use. reasons: why that one waits; empty:
    nothing speaks against promoting it. frozen: None where the model is not frozen.
    """

    version: str | None = None
    generation: Generation | None = None
    candidate: Candidate | None = None
    reasons: tuple[str, ...] = ()
    frozen: Frozen | None = None

    @property
    def number(self) -> int:
        """The number of the generation in use: 1 where nobody wrote it down."""
        return 1 if self.generation is None else self.generation.generation

    @property
    def promotable(self) -> bool:
        """Whether the candidate may be promoted without a person."""
        return self.candidate is not None and self.candidate.proposal is not None and not self.reasons

    @property
    def waits(self) -> bool:
        """Whether a candidate waits for a person."""
        return self.candidate is not None and bool(self.reasons)

    def blocked(self, version: str, reason: str) -> "Standing":
        """The same where a candidate turned out not to be usable; itself if that is not the one that waits."""
        if self.candidate is None or self.candidate.version != version or reason in self.reasons:
            return self
        return replace(self, reasons=(*self.reasons, reason))


def standing_of(folder: Path) -> Standing:
    """Look at a model's folder; an empty standing where it is none, but one artifact."""
    if not folder.is_dir():
        return Standing()
    version, frozen, generation = version_in_use(folder), read_frozen(folder), known_generation(folder)
    if generation is not None and generation.version != version:
        generation = None  # `current` was moved by hand, or a promotion was interrupted
    were_in_use = _were_in_use(folder, version)
    waiting = [each for each in candidates_in(folder) if each.version not in were_in_use]
    if not waiting:
        return Standing(version, generation, None, (), frozen)
    candidate = waiting[0]
    return Standing(version, generation, candidate, _reasons(candidate, version, generation, frozen), frozen)


def _were_in_use(folder: Path, version: str | None) -> set[str | None]:
    generations = read_generations(folder)
    if generations and generations[-1].version != version:
        del generations[-1]  # it is written down before `current` moves, which it did not
    return {version, *(each.version for each in generations)}


def _reasons(
    candidate: Candidate, version: str | None, generation: Generation | None, frozen: Frozen | None
) -> tuple[str, ...]:
    if candidate.proposal is None:
        return (candidate.problem,)
    if version is None:
        return ("`current` is no link to a version of this folder",)
    return reasons_to_wait(candidate.proposal, version, generation, frozen=frozen is not None)
