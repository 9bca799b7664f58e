"""Refits as a trainer on the spot makes them: a fit on other data that names its parent, signed by a key."""

import hashlib
import io
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import onnx

from monitor.core.artifact.manifest import ARTIFACT_SHA256, MANIFEST_FILE, Manifest, Parent
from monitor.settings.signing_key import read_signing_key
from tests.sines import data_file, sine_recording
from trainer.data.gathering import gather
from trainer.fitting.fit import FitResult, fit
from trainer.settings import load_settings

Members = dict[str, bytes]


def fit_sine(number: int, **settings: Any) -> FitResult:
    """Fit a small model of sines, for as long as it takes to have one.

    number: which data. settings: dotted paths, with `__` for the dot.
    """
    paths = {"window.length": 32, "window.stride": 16, "training.max_epochs": 1}
    paths |= {name.replace("__", "."): value for name, value in settings.items()}
    settled = load_settings(None, paths, {})
    recording = sine_recording(2000 + 200 * number, seed=number, noise=0.03 + 0.02 * number)
    created = datetime(2026, 1, 1 + number, tzinfo=UTC)
    return fit(gather([data_file(recording)], settled, []), settled, "sine", created, lambda *_: None)


def members_of(archive: bytes) -> Members:
    """The members of an archive by name."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def archive_of(members: Members) -> bytes:
    """An archive of members."""
    together = io.BytesIO()
    with zipfile.ZipFile(together, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return together.getvalue()


def parent_of(result: FitResult) -> Parent:
    """What a refit of a fit names as its parent."""
    return result.manifest.parent_of_refits(hashlib.sha256(result.artifact).hexdigest())


def naming(manifest: Manifest, parent: Parent, **changed: Any) -> Manifest:
    """A manifest with a parent, and with other fields changed."""
    provenance = manifest.provenance.model_copy(update={"parent": parent})
    return manifest.model_copy(update={"provenance": provenance, **changed})


def refit_archive(result: FitResult, parent: Parent, **changed: Any) -> bytes:
    """A fit's artifact as a refit that names its parent; `changed`: fields of its manifest."""
    members = members_of(result.artifact)
    name = f"archive/extra/{MANIFEST_FILE}"
    return archive_of(members | {name: naming(result.manifest, parent, **changed).model_dump_json().encode()})


def refit_graph(
    result: FitResult, parent: Parent, artifact: bytes, change: Callable[[Any], None] | None = None
) -> bytes:
    """A fit's ONNX model as that of a refit. artifact: the archive that it belongs to."""
    assert result.onnx is not None
    model = onnx.load_from_string(result.onnx)
    del model.metadata_props[:]
    described = {
        MANIFEST_FILE: naming(result.manifest, parent).model_dump_json(),
        ARTIFACT_SHA256: hashlib.sha256(artifact).hexdigest(),
    }
    onnx.helper.set_model_props(model, described)
    if change is not None:
        change(model)
    content: bytes = model.SerializeToString()
    return content


def put(path: Path, data: bytes, key: Path) -> Path:
    """Write a file, signed."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    path.with_name(f"{path.name}.sig").write_bytes(read_signing_key(key).sign(data))
    return path
