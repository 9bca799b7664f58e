"""The first model that is fitted into a folder is its anchor, with its data; no later one takes its place."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from monitor.core.artifact.anchor import StreamAnchor, parse_anchor
from monitor.core.artifact.manifest import BeatSpec, WindowSpec
from tests.sines import data_file, sine_recording, write_npz
from trainer.artifact.folder import read_artifact
from trainer.cli import main
from trainer.errors import ArtifactError
from trainer.refit.anchor import Anchor, anchor_first_fit, levels_in
from trainer.settings import FitSettings


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("anchor")
    data = [str(write_npz(folder / f"motor-{seed}.npz", sine_recording(6000, seed=seed))) for seed in (1, 2)]
    arguments = ["--window", "50", "--stride", "10", "--family", "pca"]
    assert main(["fit", "--data", *data, "--out", str(folder / "sine"), *arguments]) == 0
    return folder / "sine"


@pytest.fixture
def model(fitted: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(fitted, tmp_path / "sine", symlinks=True))


def version_in(folder: Path) -> str:
    return Path(read_artifact(folder)[0]).resolve().stem


def test_the_first_fit_is_the_anchor_with_its_data_and_tells_where_each_stream_lay(model: Path) -> None:
    anchor = Anchor.load(model)
    assert anchor.artifact.manifest.version == version_in(model)
    assert anchor.data is not None
    assert [file.name for file in anchor.data.files] == ["anchor/motor-1.npz", "anchor/motor-2.npz"]
    assert anchor.data.settings.model.family == "pca"
    levels = levels_in(anchor.artifact.manifest).get("motor-2")
    assert levels is not None
    np.testing.assert_allclose(levels.centre, [10.0, 0.0], atol=0.3)
    np.testing.assert_allclose(levels.scale, [3 / 2**0.5, 0.2 / 2**0.5], rtol=0.15)
    assert "motor-3" not in levels_in(anchor.artifact.manifest)


def test_a_later_fit_into_the_folder_leaves_the_anchor(model: Path, tmp_path: Path) -> None:
    before = parse_anchor((model / "anchor.json").read_bytes())
    data = write_npz(tmp_path / "other.npz", sine_recording(6000, seed=9))
    assert (
        main(["fit", "--data", str(data), "--out", str(model), "--window", "50", "--stride", "10", "--family", "pca"])
        == 0
    )
    assert parse_anchor((model / "anchor.json").read_bytes()) == before
    anchor = Anchor.load(model)
    assert anchor.data is not None
    assert len(anchor.data.files) == 2


def test_of_heartbeats_nothing_is_kept_beside_the_model(model: Path, tmp_path: Path) -> None:
    manifest = Anchor.load(model).artifact.manifest
    beats = WindowSpec(length=50, stride=50, cut="beat", beat=BeatSpec(before_samples=20, max_rr_seconds=3.0))
    patient = manifest.model_copy(update={"window": beats})
    anchor_first_fit(tmp_path / "ecg", patient, [data_file(sine_recording(6000))], FitSettings())
    assert [path.name for path in (tmp_path / "ecg").iterdir()] == ["anchor.json"]


def test_without_a_record_the_model_in_use_is_the_anchor_and_data_of_another_version_are_none(model: Path) -> None:
    (model / "anchor.json").unlink()
    assert Anchor.load(model).data is not None
    index = model / "anchor" / "recordings.json"
    index.write_text(index.read_text().replace(version_in(model), "another"))
    anchor = Anchor.load(model)
    assert anchor.artifact.manifest.version == version_in(model)
    assert anchor.data is None


def test_a_stream_may_have_an_anchor_of_its_own(model: Path) -> None:
    record = parse_anchor((model / "anchor.json").read_bytes())
    own = {"motor-1": StreamAnchor(version=record.version, since_seconds=5.0)}
    (model / "anchor.json").write_text(record.model_copy(update={"streams": own}).model_dump_json())
    anchor = Anchor.load(model)
    assert anchor.of_streams["motor-1"].since_seconds == 5.0
    assert anchor.artifact_of("motor-2") is anchor.artifact


@pytest.mark.parametrize("text", ["{", '{"version": "gone", "at": "2026-01-01T00:00:00Z", "by": "fit"}'])
def test_a_record_that_cannot_be_used_is_told(model: Path, text: str) -> None:
    (model / "anchor.json").write_text(text)
    with pytest.raises(ArtifactError, match=r"anchor\.json"):
        Anchor.load(model)
