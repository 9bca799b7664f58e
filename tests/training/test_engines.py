"""All engines compute what the trainer computed, and refuse whatever does not belong together."""

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from pydantic import ValidationError

from monitor.adapters.engines.loader import Artifact, load_artifact
from monitor.adapters.engines.settings import ScoringConfig
from monitor.core.artifact.manifest import ARTIFACT_SHA256, MANIFEST_FILE
from monitor.errors import ArtifactError
from monitor.setup.build import load_setup
from tests.engines import OTHERS, REFERENCE
from tests.sines import data_file, sine_recording
from trainer.artifact.folder import publish
from trainer.data.gathering import gather
from trainer.fitting.fit import fit
from trainer.settings import load_settings

ONNX = ScoringConfig(engine="onnx")
FAMILIES = {"dense": {}, "conv": {"model.features": [4, 8]}, "pca": {}}


def published(folder: Path, family: str, seed: int = 0) -> Path:
    settings = load_settings(
        None,
        {
            "model.family": family,
            "window.length": 50,  # no multiple of 4, so that the convolution pads
            "window.stride": 10,
            "training.max_epochs": 2,
            "export.onnx": True,
            "seed": seed,
            **FAMILIES[family],
        },
    )
    corpus = gather([data_file(sine_recording(4000, seed=seed))], settings)
    fitted = fit(corpus, settings, family, datetime(2025, 1, 1, tzinfo=UTC), lambda *_: None)
    return publish(folder / family, fitted.manifest.version, fitted.artifact, "", fitted.onnx)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {family: published(folder, family) for family in FAMILIES}


@pytest.fixture
def pca(models: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of the `pca` model to spoil."""
    return Path(shutil.copytree(models["pca"].parent, tmp_path / "pca", symlinks=True))


@pytest.fixture(autouse=True)
def _same_threads() -> Iterator[None]:
    """How many threads torch uses is of the whole process."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def errors(artifact: Artifact, windows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    values = rng.normal(10, 3, (windows, 2, 50)).astype(np.float32)
    # as the pipeline hands them over where normalization is fixed: one row, broadcast and read-only
    centre, scale = (np.broadcast_to(np.array(row, np.float32), (windows, 2)) for row in ([10, 0], [3, 0.2]))
    scores = artifact.scorer.score(values, centre, scale)
    return scores.error, scores.channel_error


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("family", FAMILIES)
def test_engines_agree_for_any_batch(models: dict[str, Path], family: str, other: ScoringConfig) -> None:
    one, another = (load_artifact(models[family], engine, 64) for engine in (REFERENCE, other))
    for windows in (33, 1, 2, 300, 33):  # what is kept between calls grows, and is more than a call needs
        for reference, found in zip(errors(one, windows), errors(another, windows), strict=True):
            assert found.dtype == reference.dtype == np.float32
            assert found.shape == reference.shape
            np.testing.assert_allclose(found, reference, rtol=1e-4)


@pytest.mark.parametrize("engine", [pytest.param(REFERENCE, id="reference"), *OTHERS])
def test_a_window_scores_the_same_alone_and_in_a_batch(models: dict[str, Path], engine: ScoringConfig) -> None:
    artifact = load_artifact(models["conv"], engine, 64)
    rng = np.random.default_rng(3)
    values = rng.normal(size=(5, 2, 50)).astype(np.float32)
    zeros, ones = np.zeros((5, 2), np.float32), np.ones((5, 2), np.float32)
    together = artifact.scorer.score(values, zeros, ones).error
    alone = [artifact.scorer.score(values[at : at + 1], zeros[:1], ones[:1]).error[0] for at in range(5)]
    np.testing.assert_allclose(alone, together, rtol=1e-5)


def test_an_artifact_is_the_same_whatever_scores_it(models: dict[str, Path]) -> None:
    reference, other = load_artifact(models["pca"]), load_artifact(models["pca"], ONNX)
    assert (other.path, other.sha256, other.manifest) == (reference.path, reference.sha256, reference.manifest)


def test_the_best_batch_is_measured_unless_the_configuration_names_one(models: dict[str, Path]) -> None:
    assert load_artifact(models["pca"], max_batch=7).max_batch == 7
    assert 16 <= load_artifact(models["pca"]).max_batch <= 1024


def test_onnx_needs_no_torch(models: dict[str, Path]) -> None:
    program = (
        "import sys, pathlib\n"
        "from monitor.adapters.engines.loader import load_artifact\n"
        "from monitor.adapters.engines.settings import ScoringConfig\n"
        "load_artifact(pathlib.Path(sys.argv[1]), ScoringConfig(engine='onnx'))\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program, models["dense"]], check=True)


def test_threads_are_set_in_whichever_thread_scores(models: dict[str, Path]) -> None:
    loaded: list[Artifact] = []
    two = ScoringConfig(threads=2)
    aside = threading.Thread(target=lambda: loaded.append(load_artifact(models["pca"], two, 8)))
    aside.start()
    aside.join()
    torch.set_num_threads(1)
    errors(loaded[0], 4)
    assert torch.get_num_threads() == 2


def test_without_an_onnx_model_the_engine_says_how_to_get_one(pca: Path) -> None:
    for file in pca.glob("*.onnx"):
        file.unlink()
    with pytest.raises(
        ArtifactError, match=r"\.onnx: No such file or directory; fit with `residuald-trainer fit --onnx`"
    ):
        load_artifact(pca, ONNX)
    load_artifact(pca)  # the other engine does without


def test_an_onnx_model_of_another_artifact_is_refused(pca: Path, tmp_path: Path) -> None:
    other = published(tmp_path / "other", "pca", seed=1)
    shutil.copy(other.with_suffix(".onnx"), (pca / "current").resolve().with_suffix(".onnx"))
    with pytest.raises(ArtifactError, match="made for another artifact"):
        load_artifact(pca, ONNX)


def test_an_onnx_model_that_computes_something_else_fails_the_golden_windows(pca: Path) -> None:
    file = (pca / "current").resolve().with_suffix(".onnx")
    model = onnx.load(file)
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) == 2:
            values = onnx.numpy_helper.to_array(tensor)
            tensor.CopyFrom(onnx.numpy_helper.from_array(values[::-1].copy() * 1.5, tensor.name))
    onnx.save(model, file)
    with pytest.raises(ArtifactError, match="golden windows do not match"):
        load_artifact(pca, ONNX)


def test_an_onnx_model_from_elsewhere_is_refused(pca: Path) -> None:
    file = (pca / "current").resolve().with_suffix(".onnx")
    model = onnx.load(file)
    del model.metadata_props[:]
    onnx.save(model, file)
    with pytest.raises(ArtifactError, match=r"has no manifest\.json"):
        load_artifact(pca, ONNX)


@pytest.mark.parametrize("data", [b"", b"junk" * 100])
def test_a_damaged_onnx_model_is_refused(pca: Path, data: bytes) -> None:
    (pca / "current").resolve().with_suffix(".onnx").write_bytes(data)
    with pytest.raises(ArtifactError, match=r"\.onnx: not an ONNX model that can be loaded|has no manifest"):
        load_artifact(pca, ONNX)


def test_the_onnx_model_tells_nothing_about_the_machine_that_made_it(models: dict[str, Path]) -> None:
    for path in models.values():
        data = path.with_suffix(".onnx").read_bytes()
        assert b".py" not in data
        described = {entry.key for entry in onnx.load_from_string(data).metadata_props}
        assert described == {MANIFEST_FILE, ARTIFACT_SHA256}


def test_onnx_on_a_gpu_is_a_configuration_error() -> None:
    with pytest.raises(ValidationError, match="runs on the CPU"):
        ScoringConfig(engine="onnx", device="cuda")


def test_a_reload_keeps_what_has_not_changed_and_loads_what_has(
    pca: Path, models: dict[str, Path], tmp_path: Path
) -> None:
    config = tmp_path / "monitor.toml"
    config.write_text(
        f"""
        [[model]]
        name = "changes"
        path = "{pca}"
        artifact = "pca"
        [[model]]
        name = "stays"
        path = "{models["dense"]}"
        artifact = "dense"
        [[source]]
        name = "s"
        topic = "plant/{{device}}"
        model = "changes"
        format = {{ kind = "json", rows = "rows" }}
        """
    )
    before = load_setup(config)
    same = load_setup(config, before)
    assert same.artifacts["changes"] is before.artifacts["changes"]
    other = published(tmp_path / "other", "pca", seed=1)
    shutil.copy(other, (pca / "current").resolve())  # in place: the same name, other content
    after = load_setup(config, same)
    assert after.artifacts["changes"].sha256 != before.artifacts["changes"].sha256
    assert after.artifacts["stays"] is before.artifacts["stays"]
    config.write_text(config.read_text() + "[scoring]\nthreads = 2\n")
    assert load_setup(config, after).artifacts["stays"] is not before.artifacts["stays"]
