"""Places: who may be served at the same time, so that nobody slow keeps the others out.

A client that has not sent its headers yet has shown nothing: where there is no room, the one of them that has waited
longest makes way for a newcomer. So does a client that takes long to read its answer. Each address has a few places,
and some are kept for this machine, where probes and most scrapes come from.
"""

import threading
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

HEADER_SECONDS = 2.0  # from the connection, TLS handshake included, to the end of the headers
ANSWER_SECONDS = 10.0  # from then on
_GRACE_SECONDS = 2.0  # so long a reader of an answer need not make way
_IPV6_SITE_BITS = 64  # one customer has so many addresses


@dataclass(slots=True)
class _Place:
    address: str
    since: float  # of the phase that it is in, monotonic
    answering: bool = False


class Places:
    """The places of one server, under a lock of their own: requests have threads.

    total: at most so many clients at a time; reserved: of these, for loopback only; per_address: for one address
    elsewhere. Loopback may take all.
    """

    def __init__(self, total: int = 32, reserved: int = 8, per_address: int = 6) -> None:
        self._total = total
        self._reserved = reserved
        self._per_address = per_address
        self._taken: dict[Hashable, _Place] = {}
        self._leaving: set[Hashable] = set()  # told to make way, and not gone yet
        self._lock = threading.Lock()

    def enter(self, client: Hashable, address: str, now: float) -> tuple[bool, Hashable | None]:
        """Whether a client may come in, and who has to make way for it.

        client: what stands for the connection. address: of the peer. now: monotonic seconds.
        """
        site = site_of(address)
        with self._lock:
            evicted = None
            crowd = self._crowd_around(site)
            if crowd is not None:
                evicted = self._expendable(crowd, now)
                # those that were told to leave still have a thread: they are bounded, too
                if evicted is None or len(self._leaving) >= self._total:
                    return False, None
                del self._taken[evicted]
                self._leaving.add(evicted)
            self._taken[client] = _Place(site, now)
            return True, evicted

    def answering(self, client: Hashable, now: float) -> None:
        """Note that the headers are in."""
        with self._lock:
            place = self._taken.get(client)
            if place is not None:
                place.since, place.answering = now, True

    def leave(self, client: Hashable) -> None:
        """Give a place back; a client that has none is no error."""
        with self._lock:
            self._taken.pop(client, None)
            self._leaving.discard(client)

    def overdue(self, now: float) -> list[Hashable]:
        """Those that have taken longer than they may."""
        with self._lock:
            return [
                client
                for client, place in self._taken.items()
                if now - place.since > (ANSWER_SECONDS if place.answering else HEADER_SECONDS)
            ]

    def _crowd_around(self, site: str) -> str | None:
        """Among whose places one has to be freed for a site: its own, or those of the site with most. None: of none."""
        held = Counter(place.address for place in self._taken.values())
        local = site == _LOOPBACK
        if not local and held[site] >= self._per_address:
            return site
        strangers = len(self._taken) - held[_LOOPBACK]
        if len(self._taken) < self._total and (local or strangers < self._total - self._reserved):
            return None
        others = Counter({other: count for other, count in held.items() if local or other != _LOOPBACK})
        return max(others, key=others.__getitem__, default=site)  # a site without places: nobody makes way

    def _expendable(self, site: str, now: float) -> Hashable | None:
        found = [
            (place.answering, place.since, number, client)
            for number, (client, place) in enumerate(self._taken.items())
            if place.address == site and (not place.answering or now - place.since > _GRACE_SECONDS)
        ]
        return min(found)[-1] if found else None


_LOOPBACK = "loopback"


def site_of(address: str) -> str:
    """What counts as one address: all of this machine's own, an IPv4 address, or the /64 of an IPv6 address."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    mapped = getattr(parsed, "ipv4_mapped", None)
    parsed = mapped or parsed
    if parsed.is_loopback:
        return _LOOPBACK
    return str(parsed) if parsed.version == 4 else str(ip_network((parsed, _IPV6_SITE_BITS), strict=False))
