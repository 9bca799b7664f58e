"""Resumes: what later processes have to know of each source, as far as it is committed.

A source gives a few bytes with each step. Several of them are merged into one by the source itself, which is the only
one that reads them: before they become many, and for each checkpoint.
"""

from collections.abc import Mapping

from monitor.core.ports import Source

_MOST = 256  # of one source, then they are merged


class Resumes:
    """The resumes of all sources. kept: by the name of the source, as `merged` gave them."""

    def __init__(self, kept: Mapping[str, bytes] | None = None) -> None:
        self._of: dict[str, list[bytes]] = {name: [resume] for name, resume in (kept or {}).items()}

    def note(self, source: Source, resume: bytes) -> None:
        """Add what a source gave with a step that is committed."""
        resumes = self._of.setdefault(source.name, [])
        resumes.append(resume)
        if len(resumes) >= _MOST:
            self._of[source.name] = [source.merge(resumes)]

    def of(self, source: Source) -> bytes | None:
        """What is committed of a source, or of another of its name; None: nothing."""
        resumes = self._of.get(source.name)
        return source.merge(resumes) if resumes else None

    def merged(self, sources: Mapping[str, Source]) -> dict[str, bytes]:
        """One resume for each of these sources that has any, to be kept."""
        for name, resumes in self._of.items():
            if len(resumes) > 1 and name in sources:
                self._of[name] = [sources[name].merge(resumes)]
        return {name: resumes[-1] for name, resumes in self._of.items() if name in sources}
