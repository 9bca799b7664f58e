# A pattern is refused with ValueError or makes a filter whose topics match; no topic makes an unsafe stream name.
"""Topic patterns, stream templates and the topics that they are matched with; a line each."""

from monitor.core.decode.csv_format.settings import CsvFormat
from monitor.core.sources.source import SourceSpec
from monitor.core.sources.topics import TopicPattern
from monitor.core.streams.router import Route, Router
from monitor.core.values.discards import Discard
from monitor.core.values.messages import TopicTable
from monitor.core.values.names import is_name
from tests.manifests import manifest_of, model_group_of


def one(data: bytes) -> None:
    text, template, *topics = (*data.decode("utf-8", "replace").split("\n", 12), "", "")
    try:
        pattern = TopicPattern.parse(text)
        spec = SourceSpec(name="s", topic=text, stream=template or None, model="m", format=CsvFormat(kind="csv"))
    except ValueError:
        return
    assert len(pattern.levels) == len(pattern.subscription.split("/"))
    model_group = model_group_of(manifest_of(("a", "b")))
    router = Router((spec,), {"m": model_group}, max_streams=3)
    filled = "/".join("a" if level is None else level for level in pattern.levels)
    assert pattern.match(filled) is not None
    for topic in (*topics, filled):
        found = router.route(topic)
        if isinstance(found, Route):
            assert pattern.match(topic) is not None
            table = TopicTable()
            settled = router.settle(found.source, table, table.number_of(topic))
            assert settled is None or isinstance(settled, int) or settled.detail.isprintable()
        else:
            assert isinstance(found[1], Discard)
            assert found[1].detail.isprintable()
        again = router.route(topic)
        assert again[0] == found[0]
    assert len(model_group.streams) <= 3
    for name in model_group.streams.number:
        assert is_name(name)
        # safe as a topic level, a label, a file name and in a line of a log
        assert name.isprintable()
        assert model_group.streams.display_names[name].isprintable()
        assert not set(name) & set('/+#\\"\0 {}')
        assert name not in {".", ".."}
