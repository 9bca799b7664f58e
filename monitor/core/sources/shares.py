"""Shares: which messages wait in one line while more arrives than can be judged.

What feeds one stream is one share, whatever number of topics it comes on: its channels must not be taken out of step,
or those that were held back would be late. Between shares the order of arrival is given up for fairness. Topics of two
devices that come to one name are two shares: a device must not push out what its neighbour sends.
"""

import re
from collections.abc import Callable, Iterable

from monitor.core.sources.source import SourceSpec
from monitor.core.sources.topics import CHANNEL, TopicPattern, fill_template
from monitor.core.values.names import stream_name

ShareOf = Callable[[str], str]  # the name of the share that a topic belongs to


def shares_of(sources: Iterable[SourceSpec], commands: TopicPattern | None = None) -> ShareOf:
    """Make the function that names the share of a topic: the stream it feeds.

    Where payloads name the stream, it is the topic without its channel; a topic that no source admits is a share of its
    own. commands: the pattern of commands, whose `{stream}` names the stream; they keep their place among its messages.
    """
    inlets = [
        (source.pattern, None if source.format.key_names else source.stream_template)
        for source in sources
        if source.topic is not None
    ]

    def share_of(topic: str) -> str:
        command = None if commands is None else commands.match(topic)
        if command is not None:
            return command["stream"]
        for pattern, template in inlets:
            values = pattern.match(topic)
            if values is None:
                continue
            if template is not None:
                return _name_of(template, values)
            if CHANNEL in values:
                return fill_template(pattern.text, values | {CHANNEL: f"{{{CHANNEL}}}"})
            return topic
        return topic

    return share_of


def _name_of(template: str, values: dict[str, str]) -> str:
    """The name of the stream; where other values could make the same name, the values apart."""
    between = set(re.sub(r"\{[^{}]*\}", "", template))
    labels = {key: value for key, value in values.items() if key != CHANNEL}
    apart = all(f"{{{key}}}" in template and between.isdisjoint(value) for key, value in labels.items())
    return stream_name(fill_template(template, labels)) if apart else "/".join(labels.values())
