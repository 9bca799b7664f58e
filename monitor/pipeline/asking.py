"""Asking: what the alerts of all model groups ask of people, told once, until somebody answers."""

from collections.abc import Collection, Iterator, Mapping

from monitor.core.streams.model_group import ModelGroup
from monitor.core.streams.notices import Notice, NoticeLimit
from monitor.core.values.instant import written

EVENT = "an alert asks: a fault, or the new normal?"


class Asking:
    """The questions of some model groups. after_seconds: how long an alert fires before it may ask.

    models: whose alerts may ask, since the answer would be kept; None: all.
    """

    def __init__(self, model_groups: Mapping[str, ModelGroup], after_seconds: float) -> None:
        self.models: Collection[str] | None = None
        self._model_groups = model_groups
        self._limits = {name: NoticeLimit() for name in model_groups}
        for model_group in model_groups.values():
            model_group.questions.after_seconds = after_seconds

    def review(self, now_seconds: float) -> Iterator[tuple[str, Notice]]:
        """Look which alerts ask now (wall clock); what is to be told, by model. Call it about once a second."""
        for name, model_group in self._model_groups.items():
            may_ask = self.models is None or name in self.models
            for stream in model_group.review_questions(may_ask=may_ask):
                if model_group.question(stream) is not None and self._limits[name].admits(stream, now_seconds):
                    yield name, _notice_of(model_group, stream)
            left_out = self._limits[name].take_left_out()
            if left_out:
                yield name, Notice("alerts of further streams ask", {"streams": left_out})

    def alerts(self) -> dict[str, float]:
        """Since when the alerts fire that people may have said something about: epoch seconds, by stream."""
        since: dict[str, float] = {}
        for model_group in self._model_groups.values():
            for stream in model_group.questions.asked().tolist():
                step = model_group.alerts.open_alert(model_group.streams.name(stream))
                if step is not None:
                    since[step.stream] = step.since_seconds
        return since

    def answer(self, about: Collection[str], answered: Collection[str]) -> None:
        """Note about which of some streams' alerts people have said something, and about which they have not."""
        for model_group in self._model_groups.values():
            for name in about:
                number = model_group.streams.number.get(name)
                if number is not None:
                    model_group.questions.answered[number] = name in answered


def _notice_of(model_group: ModelGroup, stream: int) -> Notice:
    name = model_group.streams.name(stream)
    step = model_group.alerts.open_alert(name)
    alert, since = ("", 0.0) if step is None else (step.id, step.since_seconds)
    fields = {
        "stream": name,
        "firing_since": written(since),
        "score": round(float(model_group.streams.score[stream]), 2),
        "if_normal": f"residuald accept {name} --since {written(since)}",
        "if_fault": f"residuald label --alert {alert} confirmed",
    }
    return Notice(EVENT, fields)
