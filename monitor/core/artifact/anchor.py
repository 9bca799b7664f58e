"""The anchor: which version the others are held to, and which later one a person let take its place for a stream."""

from pydantic import AwareDatetime, Field, ValidationError

from monitor.core.artifact.part import Finite, ManifestPart
from monitor.core.artifact.proposal import Proposal
from monitor.core.values.names import Name


class AnchorError(ValueError):
    """The text is no anchor; the message says why."""


class StreamAnchor(ManifestPart):
    """The anchor of one stream: a version, and from when on a person accepted its data, in seconds since 1970."""

    version: Name
    since_seconds: Finite


class AnchorRecord(ManifestPart):
    """What `anchor.json` holds: the anchor of all streams, since when and by whom, and those of single streams."""

    version: Name
    at: AwareDatetime
    by: str
    streams: dict[Name, StreamAnchor] = Field(default_factory=dict)

    def with_accepted(self, proposal: Proposal) -> "AnchorRecord":
        """The record once a proposal is promoted: its version is the anchor of streams whose accepted data it holds."""
        taken = {
            stream: StreamAnchor(version=proposal.version, since_seconds=since)
            for stream, since in proposal.accepted.items()
        }
        return self.model_copy(update={"streams": self.streams | taken})

    def version_of(self, stream: str) -> str:
        """Which version a stream's data are held to."""
        own = self.streams.get(stream)
        return self.version if own is None else own.version

    @property
    def versions(self) -> frozenset[str]:
        """All versions that it names."""
        return frozenset({self.version, *(stream.version for stream in self.streams.values())})


def parse_anchor(data: bytes) -> AnchorRecord:
    """Parse the content of `anchor.json`.

    Raises:
        AnchorError: it is no anchor.

    """
    try:
        return AnchorRecord.model_validate_json(data)
    except ValidationError as error:
        raise AnchorError("; ".join(problem["msg"] for problem in error.errors())) from None
