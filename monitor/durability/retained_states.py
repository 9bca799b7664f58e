"""Retained states: what sinks hold for whoever comes to look, so that no state outlives its stream.

A broker keeps the last state of each topic until somebody clears it: a stream that a changed configuration, another
base topic or a lost checkpoint left behind would be `firing` there for ever. So each place where a state stands is
noted in the store before the state is told, and forgotten once the sink has cleared it. The sinks name the places, and
nobody else reads them.
"""

import math
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

import structlog

from monitor.core.outputs.reports import Report
from monitor.core.ports import Sink, Store, StoreError

log = structlog.get_logger()

_RETRY_SECONDS = 5.0
_AT_ONCE = 500  # places that are cleared in one go: they must not crowd out what else is to be published

_Place = tuple[str, str]  # sink by name, and place


class RetainedStates:
    """The places of one daemon, by sink. Without a store they are known as long as the process lives."""

    def __init__(self) -> None:
        self._store: Store | None = None
        self._standing: set[_Place] = set()
        self._stale: set[_Place] = set()  # to be cleared
        self._clearing: dict[str, set[str]] = defaultdict(set)  # by sink: given to it, and perhaps not cleared yet
        self._added: set[_Place] = set()  # not in the store yet
        self._removed: set[_Place] = set()  # in the store still
        self._journal = ""  # which one has the others
        self._next_try = -math.inf  # monotonic

    def use(self, store: Store) -> None:
        """Keep them in a store from now on, and go on from what a former process left there."""
        self._store, self._journal = store, store.id
        try:
            self._standing = set(store.retained())
        except StoreError:
            return  # the journal is in trouble, and known to be

    def note(self, sinks: Collection[Sink], reports: Iterable[Report]) -> None:
        """Note where the states in these reports will stand, or will not any more; call it before they are told."""
        for report in reports:
            for sink in sinks:
                place = sink.retained_at(report.topic)
                if place is None:
                    continue
                at = sink.name, place
                if not report.payload:
                    self._standing.discard(at)
                    self._stale.discard(at)
                    self._clearing[sink.name].add(place)
                elif at not in self._standing:
                    self._standing.add(at)
                    self._stale.discard(at)
                    self._clearing[sink.name].discard(place)
                    self._added.add(at)
                    self._removed.discard(at)
        if self._added:
            self._commit()

    def keep_only(self, sinks: Mapping[str, Sink], topics: Iterable[str]) -> None:
        """What does not stand at these topics (below the base of each sink) is to be cleared."""
        topics = list(topics)
        wanted = {(name, sink.retained_at(topic)) for name, sink in sinks.items() for topic in topics}
        stale = {at for at in self._standing if at not in wanted}
        if stale:
            log.info("retained states of streams that are no more will be cleared", states=len(stale))
        self._standing -= stale
        self._stale |= stale

    def clear(self, sink: Sink) -> None:
        """Let a sink clear some of what is to be cleared, and forget what it was given before, once it is idle."""
        if not self._stale and not self._clearing[sink.name]:
            return
        if not sink.idle:
            return
        self._forget(sink)
        for name, place in [at for at in self._stale if at[0] == sink.name][:_AT_ONCE]:
            if not sink.clear(place):
                break
            self._stale.discard((name, place))
            self._clearing[name].add(place)

    def left(self, sink: Sink) -> None:
        """A sink has left. What it could not clear any more is for its successor."""
        if sink.idle:
            self._forget(sink)
        else:
            self._stale |= {(sink.name, place) for place in self._clearing.pop(sink.name, ())}

    def _forget(self, sink: Sink) -> None:
        cleared = {(sink.name, place) for place in self._clearing.pop(sink.name, ())}
        if cleared:
            self._added -= cleared
            self._removed |= cleared
            self._commit()

    def _commit(self) -> None:
        if self._store is not None:
            if time.monotonic() < self._next_try:
                return
            if self._store.id != self._journal:  # a fresh one, in place of one that was damaged
                clearing = {(name, place) for name, places in self._clearing.items() for place in places}
                self._journal, self._added = self._store.id, self._standing | self._stale | clearing
            try:
                self._store.note_retained(self._added, self._removed)
            except StoreError:  # the journal is in trouble, and known to be
                self._next_try = time.monotonic() + _RETRY_SECONDS
                return
        self._added.clear()
        self._removed.clear()
