"""What a refit key signed is new numbers in the program of a parent that a trusted key signed, or is not loaded."""

import io
import re
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.adapters.engines.loader import load_artifact
from monitor.adapters.engines.settings import ArtifactsConfig, ScoringConfig
from monitor.adapters.engines.signature import Trust
from monitor.core.artifact.code_equality.module_archive import ModuleArchive
from monitor.errors import ArtifactError
from tests.refits import Members, archive_of, fit_sine, members_of, parent_of, put, refit_archive, refit_graph
from trainer.artifact.refit_key import difference_from_parent
from trainer.cli import main
from trainer.fitting.fit import FitResult

ONNX = ScoringConfig(engine="onnx")
MOST_BYTES = 2**26


@dataclass(frozen=True)
class Plant:
    """A model's folder with a parent that `release` signed, and a fit on other data, which nobody signed yet."""

    folder: Path
    parent: FitResult
    fit: FitResult

    @property
    def model(self) -> Path:
        return self.folder / "sine"

    @property
    def trust(self) -> Trust:
        trusted, refit = (self.folder / "release.pub",), (self.folder / "refit.pub",)
        return Trust(ArtifactsConfig(require_signature=True, trusted_keys=trusted, refit_keys=refit))

    @property
    def refit(self) -> bytes:
        return refit_archive(self.fit, parent_of(self.parent))

    def put(self, data: bytes, name: str = "refit.pt", key: str = "refit") -> Path:
        return put(self.model / name, data, self.folder / key)

    def refuses(self, data: bytes, why: str) -> None:
        with pytest.raises(ArtifactError, match=why):
            load_artifact(self.put(data), trust=self.trust)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Plant:
    folder = tmp_path_factory.mktemp("plant")
    for name in ("release", "refit", "other"):
        assert main(["keygen", str(folder / name)]) == 0
    plant = Plant(folder, fit_sine(1, export__onnx=True), fit_sine(2, export__onnx=True))
    name = plant.parent.manifest.version
    plant.put(plant.parent.artifact, f"{name}.pt", "release")
    assert plant.parent.onnx is not None
    plant.put(plant.parent.onnx, f"{name}.onnx", "release")
    return plant


@pytest.fixture
def plant(made: Plant, tmp_path: Path) -> Plant:
    """The same, to be damaged."""
    return Plant(Path(shutil.copytree(made.folder, tmp_path / "plant")), made.parent, made.fit)


def test_a_refit_is_loaded_by_either_engine_and_computes_what_was_fitted(plant: Plant) -> None:
    refit = plant.refit
    file = plant.put(refit)
    plant.put(refit_graph(plant.fit, parent_of(plant.parent), refit), "refit.onnx")
    for engine in (ScoringConfig(device="cpu"), ONNX):
        loaded = load_artifact(file, engine, max_batch=8, trust=plant.trust)  # holds it to its golden windows
        assert loaded.manifest.threshold == plant.fit.manifest.threshold != plant.parent.manifest.threshold


def test_a_candidate_finds_its_parent_in_the_folder_above(plant: Plant) -> None:
    file = plant.put(plant.refit, "candidates/refit.pt")
    assert load_artifact(file, max_batch=8, trust=plant.trust).path == file


def test_a_refit_is_refused_where_no_refit_key_is_trusted(plant: Plant) -> None:
    trust = Trust(ArtifactsConfig(require_signature=True, trusted_keys=(plant.folder / "release.pub",)))
    with pytest.raises(ArtifactError, match=r"not signed by a trusted key \(release\.pub\)"):
        load_artifact(plant.put(plant.refit), trust=trust)
    with pytest.raises(ArtifactError, match=r"not signed by a trusted key \(release\.pub, refit\.pub\)"):
        load_artifact(plant.put(plant.refit, key="other"), trust=plant.trust)


def test_a_refit_key_signs_nothing_but_artifacts_and_models(plant: Plant) -> None:
    with pytest.raises(ArtifactError, match="not signed by a trusted key"):
        plant.trust.read(plant.put(b"{}", "generation.json"))


def test_a_key_is_either_trusted_or_a_refit_key(plant: Plant) -> None:
    key = plant.folder / "release.pub"
    with pytest.raises(ArtifactError, match=r"artifacts\.refit_keys: .* is a trusted key as well"):
        Trust(ArtifactsConfig(require_signature=True, trusted_keys=(key,), refit_keys=(key,)))
    with pytest.raises(ValueError, match="`refit_keys` need `require_signature = true`"):
        ArtifactsConfig(refit_keys=(key,))


def test_a_fit_that_names_no_parent_is_refused(plant: Plant) -> None:
    plant.refuses(plant.fit.artifact, "it names no parent")


def test_a_parent_that_is_missing_unsigned_signed_by_a_refit_key_or_another_vouches_for_nothing(plant: Plant) -> None:
    version = plant.parent.manifest.version
    file = plant.model / f"{version}.pt"
    plant.put(plant.parent.artifact, file.name, "refit")
    plant.refuses(plant.refit, rf"its parent: .*{version}\.pt: not signed by a trusted key \(release\.pub\)")
    Path(f"{file}.sig").unlink()
    plant.refuses(plant.refit, r"its parent: .* no signature that can be read")
    file.unlink()
    plant.refuses(plant.refit, r"its parent .* cannot be read: No such file")
    plant.put(plant.fit.artifact, file.name, "release")  # it may be signed: it is not the one that the refit names
    plant.refuses(plant.refit, "is not the parent that it names: its checksum is another")


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("model", lambda manifest: {"model": "other"}),
        ("list of channels", lambda manifest: {"channels": manifest.channels[::-1]}),
        (
            "list of channels",
            lambda manifest: {
                "channels": (manifest.channels[0].model_copy(update={"unit": "mm"}), *manifest.channels[1:])
            },
        ),
        ("sample period", lambda manifest: {"sample_period_seconds": 0.021}),
        ("window", lambda manifest: {"window": manifest.window.model_copy(update={"stride": 8})}),
    ],
)
def test_a_refit_for_another_model_other_channels_or_other_windows_is_refused(
    plant: Plant, what: str, change: Callable[[Any], dict[str, Any]]
) -> None:
    plant.refuses(
        refit_archive(plant.fit, parent_of(plant.parent), **change(plant.fit.manifest)), f"its {what} is another"
    )


def initializer(model: Any, whole: bool) -> Any:
    """The first initializer that holds whole numbers, or floating-point numbers."""
    return next(each for each in model.graph.initializer if (each.data_type == onnx.TensorProto.INT64) == whole)


def change_whole_numbers(model: Any) -> None:
    tensor = initializer(model, whole=True)
    tensor.raw_data = bytes(byte ^ 1 for byte in tensor.raw_data)


GRAPH_CHANGES: dict[str, tuple[str, Callable[[Any], None]]] = {
    "another operator": ("its graph is another", lambda m: setattr(m.graph.node[0], "op_type", "Neg")),
    "a node more": ("its graph is another", lambda m: m.graph.node.append(m.graph.node[-1])),
    "a tensor more": ("its graph is another", lambda m: m.graph.initializer.append(m.graph.initializer[0])),
    "a longer tensor": (
        "its graph is another",
        lambda m: setattr(initializer(m, whole=False), "raw_data", bytes(4096)),
    ),
    "other whole numbers": ("its graph is another", change_whole_numbers),
    "a function": ("its graph is another", lambda m: m.functions.add(name="f", domain="d")),
    "a description more": ("is described by 'x'", lambda m: m.metadata_props.add(key="x", value="y")),
    "no description": ("has no manifest.json", lambda m: m.ClearField("metadata_props")),
}


@pytest.mark.parametrize("what", GRAPH_CHANGES)
def test_an_onnx_model_with_something_else_than_new_numbers_is_refused_with_a_word(plant: Plant, what: str) -> None:
    why, change = GRAPH_CHANGES[what]
    refit = plant.refit
    file = plant.put(refit)
    plant.put(refit_graph(plant.fit, parent_of(plant.parent), refit, change), "refit.onnx")
    with pytest.raises(ArtifactError, match=rf"refit\.onnx: signed by a refit key.*{why}"):
        load_artifact(file, ONNX, trust=plant.trust)


def test_an_onnx_model_of_another_parent_vouches_for_nothing(plant: Plant) -> None:
    refit = plant.refit
    file = plant.put(refit)
    plant.put(refit_graph(plant.fit, parent_of(plant.parent), refit), "refit.onnx")
    assert plant.fit.onnx is not None
    plant.put(plant.fit.onnx, f"{plant.parent.manifest.version}.onnx", "release")
    with pytest.raises(ArtifactError, match=r"refit\.onnx: .* is not the parent that it names"):
        load_artifact(file, ONNX, trust=plant.trust)


class Trap(torch.nn.Module):
    """A model that would tell if it ran."""

    def forward(self, windows: torch.Tensor) -> torch.Tensor:  # noqa: ARG002 - what a model takes
        raise RuntimeError("the code of a refit ran")


def edited(members: Members, what: str, change: Callable[[bytes], bytes]) -> Members:
    """Change a member that is called so, or the code that defines it."""
    (full,) = [
        name
        for name, content in members.items()
        if name.endswith(what)
        or ("/code/" in name and re.search(rb"^(class|def) %b\b" % what.encode(), content, re.MULTILINE))
    ]
    found = change(members[full])
    assert found != members[full]
    return members | {full: found}


EDITS: dict[str, tuple[str, Callable[[Members], Members]]] = {
    "a line of code": (
        "the code of .*WindowScorer is another",
        lambda m: edited(m, "WindowScorer", lambda b: b.replace(b"features,", b"windows,", 1)),
    ),
    "a number in the code": (
        "the code of .*LogPower is another",
        lambda m: edited(m, "LogPower", lambda b: b.replace(b"e-07", b"e-06")),
    ),
    "a function more": (
        "the code of .*export.more is another",
        lambda m: edited(m, "WindowScorer", lambda b: b + b"def more(x: Tensor) -> Tensor:\n  return x\n"),
    ),
    "a statement before the code": (
        "does not begin with a class or a function",
        lambda m: edited(m, "WindowScorer", lambda b: b"import os\n" + b),
    ),
    "a file more": (
        "the code of .*extra.f is another",
        lambda m: m | {"archive/code/__torch__/extra.py": b"def f(x: Tensor) -> Tensor:\n  return x\n"},
    ),
    "a file less": (
        "the code of .*Level is another",
        lambda m: {name: b for name, b in m.items() if b"class Level(" not in b},
    ),
    "another class": (
        "the code of .* is another",
        lambda m: edited(m, "data.pkl", lambda b: b.replace(b"NoRhythm", b"YoRhythm")),
    ),
    "another global": (
        "put together in another way",
        lambda m: edited(m, "data.pkl", lambda b: b.replace(b"ctorch._utils\n_rebuild_tensor_v2", b"cos\nsystem")),
    ),
    "another attribute": (
        "put together in another way",
        lambda m: edited(m, "data.pkl", lambda b: b.replace(b"spread", b"scared")),
    ),
    "another shape": (
        "put together in another way",
        lambda m: edited(m, "data.pkl", lambda b: b.replace(b"K\x02", b"K\x03", 1)),
    ),
    "a structure that is no pickle": ("data.pkl is no pickle", lambda m: edited(m, "data.pkl", lambda b: b[:100])),
    "a structure that goes on": (
        "put together in another way",
        lambda m: edited(m, "data.pkl", lambda b: b[:-1] + b"N0."),
    ),
    "a tensor of another size": (
        "member data/0 is another",
        lambda m: edited(m, "archive/data/0", lambda b: b + b"\0\0\0\0"),
    ),
    "a tensor less": ("has no member data/0", lambda m: {name: b for name, b in m.items() if name != "archive/data/0"}),
    "a tensor more": ("member data/99 is another", lambda m: m | {"archive/data/99": b"\0\0\0\0"}),
    "a constant more": ("member constants/0 is another", lambda m: m | {"archive/constants/0": b"\0\0\0\0"}),
    "other constants": (
        "member constants.pkl is another",
        lambda m: edited(m, "constants.pkl", lambda b: b"\x80\x02N."),
    ),
    "another version of the format": (
        "member .data/version is another",
        lambda m: edited(m, ".data/version", lambda b: b"99\n"),
    ),
    "a file beside the manifest": ("member extra/more is another", lambda m: m | {"archive/extra/more": b"x"}),
    "no manifest": (
        "has no manifest.json",
        lambda m: {name: b for name, b in m.items() if not name.endswith("manifest.json")},
    ),
    "another folder": ("in more than one folder", lambda m: m | {"elsewhere/data/0": b""}),
    "a path that leads out": ("in more than one folder", lambda m: m | {"../archive/data/0": b""}),
}


@pytest.mark.parametrize("what", EDITS)
def test_a_refit_with_something_else_than_new_numbers_is_refused_with_a_word(plant: Plant, what: str) -> None:
    why, edit = EDITS[what]
    plant.refuses(archive_of(edit(members_of(plant.refit))), why)


def test_the_trainer_finds_before_it_signs_what_a_daemon_would_refuse(made: Plant) -> None:
    assert difference_from_parent(made.parent.artifact, made.refit) is None
    why, edit = EDITS["a line of code"]
    found = difference_from_parent(made.parent.artifact, archive_of(edit(members_of(made.refit))))
    assert found is not None
    assert re.fullmatch(why, found)


def test_another_program_is_refused_and_never_run(plant: Plant) -> None:
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(Trap()), buffer)
    manifest = members_of(plant.refit)["archive/extra/manifest.json"]
    members = members_of(buffer.getvalue())
    top = next(iter(members)).partition("/")[0]
    plant.refuses(
        archive_of(members | {f"{top}/extra/manifest.json": manifest}), "signed by a refit key, which is good for"
    )


def test_a_member_that_comes_twice_is_refused(plant: Plant) -> None:
    together = io.BytesIO(plant.refit)
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(together, "a") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02N.")
    plant.refuses(together.getvalue(), "has two members of one name")


def test_an_archive_that_unpacks_to_more_than_an_artifact_may_have_is_refused_unread(plant: Plant) -> None:
    together = io.BytesIO()
    with zipfile.ZipFile(together, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members_of(plant.refit).items():
            archive.writestr(name, content)
        archive.writestr("archive/extra/bomb", bytes(300 * 2**20))
    plant.refuses(together.getvalue(), "unpacks to 3.* bytes, more than artifacts.max_bytes")


def test_whole_numbers_and_a_models_order_of_places_stay_those_of_the_parent() -> None:
    class Places(torch.nn.Module):
        def __init__(self, place: int, number: float) -> None:
            super().__init__()
            self.place = torch.nn.Buffer(torch.tensor([place]))
            self.number = torch.nn.Buffer(torch.tensor([number]))

        def forward(self, windows: torch.Tensor) -> torch.Tensor:
            return windows[:, self.place] * self.number

    def archive(place: int, number: float) -> ModuleArchive:
        buffer = io.BytesIO()
        torch.jit.save(torch.jit.script(Places(place, number)), buffer, _extra_files={"manifest.json": "{}"})
        return ModuleArchive.read(buffer.getvalue(), MOST_BYTES)

    together = archive(0, 1.0).with_numbers_of(archive(0, 5.0))
    assert opened(together)(torch.ones(1, 2)).item() == 5.0
    with pytest.raises(ValueError, match=r"member data/\d is another"):
        archive(0, 1.0).with_numbers_of(archive(1, 1.0))


def opened(archive: bytes) -> Any:
    """The module in an archive."""
    return torch.jit.load(io.BytesIO(archive)).eval()  # type: ignore[no-untyped-call] # torch does not type it


FAMILIES: dict[str, dict[str, Any]] = {
    "dense": {},
    "dense, its own scale, spectrum": {"normalization__kind": "window", "representation__kind": "spectrum"},
    "dense, template": {"normalization__kind": "template", "normalization__warmup_windows": 8},
    "dense, envelope": {"representation__kind": "envelope_spectrum"},
    "dense, spectrogram": {"representation__kind": "spectrogram"},
    "dense, whitened": {"score__residual": "covariance", "score__latent_weight": 0.5, "score__smoothing_samples": 2.0},
    "dense, variance": {"score__residual": "variance"},
    "conv": {"model__family": "conv", "representation__kind": "raw"},
    "conv2d": {"model__family": "conv2d", "representation__kind": "spectrogram"},
    "residual": {"model__family": "residual", "representation__kind": "raw"},
    "lstm": {"model__family": "lstm", "representation__kind": "raw"},
    "pca": {"model__family": "pca", "model__components": 6},
}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_and_representation_that_is_fitted_to_other_data_is_of_the_make_of_its_parent(
    family: str,
) -> None:
    parent = fit_sine(1, **FAMILIES[family])
    refit = fit_sine(2, seed=5, **FAMILIES[family])
    # as in another process, which compiled other models before
    assert members_of(parent.artifact).keys() != members_of(refit.artifact).keys()
    archive = ModuleArchive.read(refit_archive(refit, parent_of(parent)), MOST_BYTES)
    together = ModuleArchive.read(parent.artifact, MOST_BYTES).with_numbers_of(archive)
    windows = tuple(
        torch.from_numpy(getattr(refit.manifest.golden, name).numpy()) for name in ("windows", "centre", "scale")
    )
    error, _ = opened(together)(*windows)
    np.testing.assert_allclose(error.detach().numpy(), refit.manifest.golden.error.numpy(), rtol=1e-3)


@settings(max_examples=80, deadline=None)
@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), cut=st.integers(0, 3))
def test_an_archive_with_any_bit_changed_gives_numbers_for_the_parents_program_or_is_refused(
    made: Plant, where: float, bit: int, cut: int
) -> None:
    data = bytearray(made.refit)
    data[int(where * len(data))] ^= 1 << bit
    parent = ModuleArchive.read(made.parent.artifact, MOST_BYTES)
    try:
        together = parent.with_numbers_of(ModuleArchive.read(bytes(data[: len(data) - cut]), MOST_BYTES))
    except ValueError:
        return
    ours, theirs = members_of(together), members_of(made.parent.artifact)
    assert ours.keys() == theirs.keys()
    changed = {name for name in ours if ours[name] != theirs[name]}
    assert all(name.startswith("archive/data/") or name.endswith("manifest.json") for name in changed)
