"""The anchor: the model that refits are held to, with the data that it was fitted to.

It is the first model of a folder until a person moves it, wholly (a promotion as anchor) or for one stream (`residuald
accept`). Without `anchor.json`, as in folders of before there were anchors, the model in use is the anchor.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from monitor.config.refit_bounds import RefitBounds
from monitor.core.artifact.anchor import AnchorError, AnchorRecord, parse_anchor
from monitor.core.artifact.data_levels import DataLevels
from monitor.core.artifact.manifest import Manifest
from monitor.core.artifact.model_folder_names import ANCHOR_FILE, ARTIFACT_SUFFIX, CURRENT
from monitor.core.scoring.remembered_normals import LearntNormals
from monitor.settings.regular_file import MAX_SETTINGS_BYTES, read_regular
from monitor.settings.whole_file import write_whole
from trainer.artifact.export import Artifact, load_artifact
from trainer.artifact.folder import read_artifact
from trainer.data.cutting import DataFile, FileWindows, cut
from trainer.data.published_alerts import Alerted
from trainer.errors import ArtifactError, OutputError
from trainer.refit.anchor_data import PREFIX, AnchorData, keep_anchor_data, read_anchor_data, stream_of
from trainer.refit.movement import Movement, Newest, Reference, movement
from trainer.refit.stream_judge import StreamJudge, warmed_up
from trainer.settings import FitSettings


@dataclass(frozen=True, slots=True)
class AnchoredStream:
    """The anchor of one stream alone: from `since_seconds` (epoch) on its data are held to this artifact."""

    artifact: Artifact
    since_seconds: float


@dataclass(frozen=True, slots=True)
class Anchor:
    """What refits of one model are held to.

    data: what the artifact was fitted to; None where nothing was kept of it (models that came with the package, and
    those that a person made the anchor later).
    """

    artifact: Artifact
    of_streams: dict[str, AnchoredStream] = field(default_factory=dict)
    data: AnchorData | None = None

    @classmethod
    def load(cls, folder: Path) -> "Anchor":
        """Load the anchor of a model's folder.

        Raises:
            ArtifactError: there is no model, or what `anchor.json` names cannot be used.

        """
        record = _read_record(folder)
        if record is None:
            artifact = load_artifact(*read_artifact(folder))
            of_streams = {}
        else:
            artifact = _load_version(folder, record.version)
            of_streams = {
                name: AnchoredStream(_load_version(folder, own.version), own.since_seconds)
                for name, own in record.streams.items()
            }
        data = read_anchor_data(folder)
        own_data = data is not None and data.version == artifact.manifest.version
        return cls(artifact, of_streams, data if own_data else None)

    def artifact_of(self, stream: str) -> Artifact:
        """The artifact that the latest data of a stream are held to."""
        own = self.of_streams.get(stream)
        return self.artifact if own is None else own.artifact

    def references(self, streams: Iterable[str]) -> list[Reference]:
        """Where data lay when these streams were anchored: one for each version that is the anchor of any of them."""
        artifacts = {stream: self.artifact_of(stream) for stream in streams}
        versions = {artifact.manifest.version: artifact.manifest for artifact in artifacts.values()}
        return [
            Reference(
                levels_in(manifest),
                frozenset(stream for stream, artifact in artifacts.items() if artifact.manifest.version == version),
            )
            for version, manifest in versions.items()
        ]

    def moved(self, now: Mapping[str, Newest], bounds: RefitBounds) -> Movement:
        """How far streams have moved from their anchors. now: where the newest normal data of each lie."""
        manifest = self.artifact.manifest
        return movement(manifest.channels, manifest.normalization.scale_floor, self.references(now), now, bounds)

    def judges(self, pieces: Iterable[FileWindows]) -> dict[str, StreamJudge]:
        """The model that each stream is held to, as it judges that stream.

        pieces: windows of each stream from the beginning of its history on. Where neither the model nor its data tell
        what the stream had learnt, that is learnt from the first of them, as the daemon did.
        """
        known = self.learnt()
        judges = {}
        for piece in pieces:
            stream = piece.file.content.name
            artifact = self.artifact_of(stream)
            learnt = known.get(stream) or warmed_up(artifact.manifest, piece)
            judges[stream] = StreamJudge(artifact, {} if learnt is None else {stream: learnt})
        return judges

    def learnt(self) -> dict[str, LearntNormals]:
        """What the streams of the anchor's data taught it, where streams have numbers of their own."""
        if self.data is None:
            return {}
        manifest = self.artifact.manifest
        found = {file.content.name: warmed_up(manifest, cut_for(manifest, file)) for file in self.data.files}
        return {stream: learnt for stream, learnt in found.items() if learnt is not None}

    def held_out(self) -> list[FileWindows]:
        """The normal windows of the anchor's data that calibrated its threshold, of each recording."""
        if self.data is None:
            return []
        pieces = (cut_for(self.artifact.manifest, file) for file in self.data.parts()[1])
        return [piece if piece.labels is None else piece.rows(piece.labels == 0) for piece in pieces if len(piece)]


def levels_in(manifest: Manifest) -> dict[str, DataLevels]:
    """Where the data of each stream lie that an artifact was fitted to.

    Recent data of a refit come before those it took from its anchor.
    """
    ranges = sorted(manifest.provenance.data, key=lambda data: not data.name.startswith(PREFIX))
    return {stream_of(data.name): data.levels for data in ranges if data.levels is not None}


def cut_for(manifest: Manifest, file: DataFile) -> FileWindows:
    """The windows of a file as a model takes them.

    Raises:
        DataError: the file does not fit the model.

    """
    return cut(file, 0, manifest.channel_names, manifest.window, manifest.sample_period_seconds)


def anchor_first_fit(
    folder: Path, manifest: Manifest, files: Sequence[DataFile], settings: FitSettings, alerts: Sequence[Alerted] = ()
) -> None:
    """Make the first model of a folder, which is about to be published there, its anchor, and keep its data.

    A folder that has a model in use keeps its anchor. Of windows around heartbeats no data are kept: they are a
    patient's.

    Raises:
        OutputError: the folder cannot be written.

    """
    if os.path.lexists(folder / CURRENT):
        return
    if manifest.window.beat is None:
        keep_anchor_data(folder, manifest.version, files, settings, manifest.window.length, alerts)
    at = datetime.fromisoformat(manifest.provenance.created)
    record = AnchorRecord(version=manifest.version, at=at, by="fit")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / ANCHOR_FILE, record.model_dump_json(indent=1).encode())
    except OSError as error:
        raise OutputError(f"cannot write {error.filename or folder}: {error.strerror}") from None


def _read_record(folder: Path) -> AnchorRecord | None:
    path = folder / ANCHOR_FILE
    try:
        return parse_anchor(read_regular(path, MAX_SETTINGS_BYTES))
    except FileNotFoundError:
        return None
    except (OSError, AnchorError) as error:
        raise ArtifactError(f"{path} cannot be used: {error}; put it right, or remove it: then {CURRENT} is") from None


def _load_version(folder: Path, version: str) -> Artifact:
    try:
        return load_artifact(*read_artifact(folder / f"{version}{ARTIFACT_SUFFIX}"))
    except ArtifactError as error:
        raise ArtifactError(f"{folder / ANCHOR_FILE} names version {version}: {error}") from None
