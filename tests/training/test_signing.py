"""Signed artifacts: what a trusted key signed is loaded, and not one byte of anything else is looked at."""

import shutil
import stat
import subprocess
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.adapters.engines.loader import load_artifact
from monitor.adapters.engines.settings import ArtifactsConfig, ScoringConfig
from monitor.adapters.engines.signature import Trust
from monitor.commands.check import check
from monitor.errors import ArtifactError, ConfigError
from tests.sines import sine_recording, write_npz
from trainer.cli import main

ONNX = ScoringConfig(engine="onnx")


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `key`, `key.pub`, `other`, `other.pub` and a model `sine` that was signed with `key` by `fit`."""
    folder = tmp_path_factory.mktemp("signed")
    data = write_npz(folder / "normal.npz", sine_recording(4000))
    for name in ("key", "other"):
        assert main(["keygen", str(folder / name)]) == 0
    options = ["--family", "pca", "--window", "64", "--onnx", "--sign-key", str(folder / "key")]
    assert main(["fit", "--data", str(data), "--out", str(folder / "sine"), *options]) == 0
    return folder


@pytest.fixture
def folder(signed: Path, tmp_path: Path) -> Path:
    """The same, to be damaged."""
    return Path(shutil.copytree(signed, tmp_path / "copy", symlinks=True))


def trust(*keys: Path) -> Trust:
    return Trust(ArtifactsConfig(require_signature=True, trusted_keys=keys))


def version_of(model: Path) -> Path:
    return (model / "current").resolve()


def test_what_a_trusted_key_signed_is_loaded_by_either_engine(signed: Path) -> None:
    keys = trust(signed / "other.pub", signed / "key.pub")
    assert load_artifact(signed / "sine", trust=keys).manifest.model == "sine"
    assert load_artifact(signed / "sine", ONNX, trust=keys).manifest.model == "sine"


def test_another_key_is_not_enough(signed: Path) -> None:
    with pytest.raises(ArtifactError, match=r"not signed by a trusted key \(other\.pub\), or changed since"):
        load_artifact(signed / "sine", trust=trust(signed / "other.pub"))


def test_without_a_signature_it_says_how_to_sign(folder: Path) -> None:
    file = version_of(folder / "sine")
    Path(f"{file}.sig").unlink()
    with pytest.raises(ArtifactError, match=r"no signature that can be read .* `residuald-trainer sign"):
        load_artifact(folder / "sine", trust=trust(folder / "key.pub"))
    assert main(["sign", str(folder / "sine"), "--key", str(folder / "key")]) == 0
    load_artifact(folder / "sine", trust=trust(folder / "key.pub"))


@settings(max_examples=60, deadline=None)
@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), onnx=st.booleans())
def test_a_changed_bit_anywhere_is_refused_before_anything_is_loaded(
    signed: Path, where: float, bit: int, onnx: bool
) -> None:
    file = version_of(signed / "sine").with_suffix(".onnx" if onnx else ".pt")
    tampered = file.with_name("tampered" + file.suffix)
    data = bytearray(file.read_bytes())
    data[int(where * len(data))] ^= 1 << bit
    tampered.write_bytes(data)
    shutil.copy(f"{file}.sig", f"{tampered}.sig")
    with pytest.raises(ArtifactError, match="changed since; it was not loaded"):
        trust(signed / "key.pub").read(tampered)


def test_bytes_before_or_after_an_archive_are_refused_too(folder: Path) -> None:
    file = version_of(folder / "sine")  # a zip file, which readers find by its end and let begin anywhere
    data = file.read_bytes()
    for changed in (data + b"\0", b"\0" + data, data[:-1]):
        file.write_bytes(changed)
        with pytest.raises(ArtifactError, match="changed since"):
            load_artifact(folder / "sine", trust=trust(folder / "key.pub"))


def test_a_tampered_onnx_model_beside_a_good_artifact_is_refused(folder: Path) -> None:
    file = version_of(folder / "sine").with_suffix(".onnx")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(ArtifactError, match=r"\.onnx: not signed by a trusted key"):
        load_artifact(folder / "sine", ONNX, trust=trust(folder / "key.pub"))
    load_artifact(folder / "sine", trust=trust(folder / "key.pub"))


class Trap(torch.nn.Module):
    """A model that would tell if it ran."""

    def forward(self, windows: torch.Tensor) -> torch.Tensor:  # noqa: ARG002 - what a model takes
        raise RuntimeError("the code of an untrusted model ran")


CONFIG = """
[artifacts]
require_signature = true
trusted_keys = ["key.pub"]
[[model]]
name = "sine"
path = "sine"
[[source]]
name = "s"
topic = "plant/{device}"
model = "sine"
format = { kind = "json", rows = "rows" }
"""


@pytest.mark.parametrize("elsewhere", ["", "[http]\nport = -1\n"])
def test_check_never_opens_an_unsigned_artifact_even_where_the_file_is_wrong_elsewhere(
    folder: Path, elsewhere: str
) -> None:
    torch.jit.save(torch.jit.script(Trap()), version_of(folder / "sine"))
    config = folder / "monitor.toml"
    config.write_text(CONFIG + elsewhere)
    with pytest.raises(ConfigError) as raised:
        check(config)
    found = "\n".join(raised.value.problems)
    assert "model[0].path" in found
    assert "not signed by a trusted key (key.pub)" in found
    assert "manifest" not in found  # that it has none is found only inside


def test_a_broken_artifacts_section_means_that_no_artifact_is_opened(folder: Path) -> None:
    config = folder / "monitor.toml"
    config.write_text(CONFIG.replace('["key.pub"]', '["gone.pub"]'))
    version_of(folder / "sine").write_bytes(b"anything")
    with pytest.raises(ConfigError) as raised:
        check(config)
    (problem,) = raised.value.problems
    assert problem.startswith("artifacts.trusted_keys[0]: cannot read")


def test_a_trusted_key_that_is_none_is_told(folder: Path) -> None:
    config = folder / "monitor.toml"
    for wrong in ("key", "normal.npz"):
        config.write_text(CONFIG.replace("key.pub", wrong))
        with pytest.raises(ConfigError) as raised:
            check(config)
        assert "holds no Ed25519 public key in PEM" in raised.value.problems[0]


def test_the_private_key_is_for_its_owner_alone_and_is_never_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "release"
    assert main(["keygen", str(key)]) == 0
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    before = key.read_bytes()
    assert main(["keygen", str(key)]) == 73
    key.unlink()
    assert main(["keygen", str(key)]) == 73  # half a pair is no place for a new one either
    assert not key.exists()
    shown = capsys.readouterr()
    assert before.splitlines()[1].decode() not in shown.out + shown.err


def test_keygen_tells_apart_where_a_release_key_and_a_refit_key_belong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keygen", str(tmp_path / "plant")]) == 0
    told = capsys.readouterr().out
    assert 'trusted_keys = ["plant.pub"]' in told
    assert 'refit_keys = ["plant.pub"]' in told


def test_openssl_agrees(signed: Path) -> None:
    file = version_of(signed / "sine")
    command = ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey"]
    subprocess.run(
        [*command, signed / "key.pub", "-in", file, "-sigfile", f"{file}.sig"], check=True, capture_output=True
    )


@pytest.mark.parametrize("content", [b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", None])
def test_a_key_that_is_none_is_exit_code_77(
    folder: Path, content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    key = folder / "bad"
    if content is not None:
        key.write_bytes(content)
    assert main(["sign", str(folder / "sine"), "--key", str(key)]) == 77
    assert "bad" in capsys.readouterr().err


def test_an_encrypted_key_is_told_apart(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    encrypt = ["openssl", "pkey", "-aes256", "-passout", "pass:x"]
    subprocess.run([*encrypt, "-in", folder / "key", "-out", folder / "locked"], check=True, capture_output=True)
    assert main(["sign", str(folder / "sine"), "--key", str(folder / "locked")]) == 77
    assert "is encrypted" in capsys.readouterr().err
