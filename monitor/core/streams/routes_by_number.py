"""Routes by the numbers of topics: whole columns of messages are routed by looking them up in arrays."""

import numpy as np
from numpy.typing import NDArray

from monitor.core.values.messages import TopicTable

_MAX_TABLES = 4  # topic tables whose routes are at hand: one for each source of messages, and some that are fading out


class RoutesByNumber:
    """The routes of topics that are known, for each of some topic tables: source and channel group."""

    def __init__(self) -> None:
        self._arrays: dict[TopicTable, NDArray[np.int64]] = {}  # [2, topics]; -1 where nothing is known

    def look_up(self, topics: TopicTable, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Look up topics of a table: int64 [2, M], source and channel group; -1 where not known. numbers: int64 [M]."""
        routes = self._arrays.get(topics)
        return np.full((2, len(numbers)), -1) if routes is None else routes.take(numbers, axis=1, mode="clip")

    def note(self, topics: TopicTable, number: int, route: tuple[int, int]) -> None:
        """Note where the messages of a topic go. number: of the topic in the table."""
        routes = self._arrays.get(topics)
        if routes is None or routes.shape[1] <= number + 1:
            routes = self._with_room(topics, routes)
        routes[:, number] = route

    def unsettle(self, gone: set[tuple[int, int]]) -> None:
        """Forget the channel groups of these routes, which are of a stream that was closed; their sources stay."""
        for routes in self._arrays.values():
            for source, channel_group in gone:
                routes[1, (routes[0] == source) & (routes[1] == channel_group)] = -1

    def clear(self) -> None:
        """Forget all routes."""
        self._arrays.clear()

    def _with_room(self, topics: TopicTable, routes: NDArray[np.int64] | None) -> NDArray[np.int64]:
        if routes is None and len(self._arrays) >= _MAX_TABLES:
            self._arrays.clear()
        # the last column stays free: it stands for all topics beyond the others
        larger = np.full((2, 2 * len(topics) + 1), -1)
        if routes is not None:
            larger[:, : routes.shape[1]] = routes
        self._arrays[topics] = larger
        return larger
